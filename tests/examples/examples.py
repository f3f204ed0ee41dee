"""The folder examples/, as somebody would take files from it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

__all__ = ["EXAMPLES", "adapt", "adapt_file", "commands_of", "copy_example"]

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


def copy_example(name: str, folder: Path) -> Path:
    """Copies an example's files into `folder`, which may have others; returns `folder`."""
    return Path(shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True))


def adapt(text: str, changes: Mapping[str, str]) -> str:
    """`text` with what somebody has to change in it; each of `changes` has to be needed."""
    for old, new in changes.items():
        assert old in text, f"{old} is no longer there to be changed"
        text = text.replace(old, new)
    return text


def adapt_file(path: Path, changes: Mapping[str, str]) -> None:
    """The same in a file."""
    path.write_text(adapt(path.read_text(encoding="utf-8"), changes), encoding="utf-8")


def commands_of(folder: Path, *programs: str) -> list[str]:
    """The commands of those programs, in the README's order: they are indented by four blanks."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"(?:^    \S.*\n(?:     .*\n)*)+", text, re.MULTILINE))
    lines = [line.removeprefix("    ") for line in blocks.splitlines()]
    return [line for line in lines if line.split()[0] in programs]
