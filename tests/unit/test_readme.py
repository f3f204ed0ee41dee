"""The README says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from agentkeys.config import parse_config
from agentkeys_shell.cli import COMMANDS

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")


def test_every_command_stands_in_the_table_of_commands() -> None:
    """A command that is added, renamed or taken away changes the table too."""
    table = README.partition("## Commands")[2].partition("\n\nEvery")[0]
    rows = re.findall(r"^\| `agentkeys[- ]([a-z-]+)", table, re.MULTILINE)
    assert sorted(rows) == sorted(COMMANDS)


def test_the_configuration_that_it_shows_is_a_valid_one() -> None:
    """Whoever copies the example, its optional lines included, has a configuration that works."""
    shown = README.partition("```toml\n")[2].partition("```")[0]
    every_line = re.sub(r"^# ([a-z_]+ = )", r"\1", shown, flags=re.MULTILINE)
    for text in (shown, every_line):
        config = parse_config(text, file="README.md", origin="README.md", path=None)
        assert config.profile(None).bucket == "agentkeys"


def test_its_exit_statuses_are_the_documented_ones() -> None:
    """The numbers that people script against are written down."""
    for words in (
        "1 an error",
        "2 a mistake",
        "3\nyou have to act",
        "4 no daemon",
        "125",
        "126",
        "127",
    ):
        assert words in README
