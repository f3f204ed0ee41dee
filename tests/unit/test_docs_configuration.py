"""What the documentation says to write into config.toml is what can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agentkeys.config import parse_config

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```toml\n(.*?)^```", re.DOTALL | re.MULTILINE)
_REMOVED = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)
# Of the keys that are shown as a comment, these exclude another one that is there.
_INSTEAD = ("client_secret_env", "client_secret_command", "private_key_file")


def _blocks() -> list[tuple[str, str]]:
    """Every block of TOML that is about us, and where it stands."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        (page.name, block)
        for page in pages
        for block in _BLOCK.findall(page.read_text(encoding="utf-8"))
    ]


BLOCKS = _blocks()


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_an_example_configuration_can_be_read(page: str, block: str) -> None:
    """As it stands."""
    parse_config(block, file=page, origin=page, path=None)


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_every_key_that_an_example_shows_is_one(page: str, block: str) -> None:
    """Also those that stand in a comment, with the value that they have there."""
    for match in _REMOVED.finditer(block):
        line = block[match.end() :].partition("\n")[0]
        if "…" in line or line.startswith(_INSTEAD):
            continue
        with_it = block[: match.start()] + block[match.end() :]
        parse_config(with_it, file=page, origin=page, path=None)
