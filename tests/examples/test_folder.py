"""examples/ as a whole: whoever looks for one finds it, and what it needs is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agentkeys.config import parse_config
from tests.examples.examples import EXAMPLES

README = EXAMPLES.parent / "README.md"
FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
CONFIGURATIONS = sorted(EXAMPLES.rglob("*.toml"))


def test_the_table_has_every_example() -> None:
    """One that is added stands there too."""
    section = README.read_text(encoding="utf-8").partition("### Examples")[2].partition("\n###")[0]
    assert sorted(re.findall(r"^\| \[([a-z-]+)\]\(examples/\1\)", section, re.MULTILINE)) == FOLDERS


@pytest.mark.parametrize("name", FOLDERS)
def test_an_example_says_how_it_is_used_and_changed(name: str) -> None:
    """A README with commands, with what to change, and with links that lead somewhere."""
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    assert "\n    " in text
    assert "**What to change.**" in text
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (EXAMPLES / name / target).exists(), target


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.parent.name)
def test_a_configuration_is_a_valid_one(path: Path) -> None:
    """As it stands there, before anything was changed; its optional lines are named rightly."""
    text = path.read_text(encoding="utf-8")
    config = parse_config(text, file=path.name, origin=path.name, path=None)
    for profile in config.profiles.values():
        assert profile.bucket
        assert profile.prefix
