"""The ledger's files: the present one, and those that were full.

`ledger.jsonl` is written to. One that is full is called `ledger-NNNNNNNNNNNN.jsonl`, after the
number of its first record; where that name was taken, `-2` and so on stands behind the number.
What is called otherwise is not read.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["first_seq", "full_name", "ledger_files", "unchained_files", "unchained_name"]

_FULL = re.compile(r"ledger-(\d{12})(?:-(\d{1,6}))?\.jsonl")


def ledger_files(path: Path) -> list[Path]:
    """All files of the ledger whose present one is `path`, in the order of their records.

    `path` comes last, if it is there. Raises OSError where the folder cannot be read; a folder that
    is not there holds none.
    """
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except FileNotFoundError:
        return []
    full = sorted(
        (int(found[1]), int(found[2] or 1), found[0])
        for found in map(_FULL.fullmatch, names)
        if found
    )
    files = [path.with_name(name) for _, _, name in full]
    return [*files, path] if path.name in names else files


def full_name(path: Path, first_seq: int) -> Path:
    """A free name for the present file at `path`, whose first record is `first_seq`."""
    return _free(path, f"ledger-{first_seq:012}")


def unchained_name(path: Path, time: str) -> Path:
    """A free name for a file that is no chain, put away at `time`."""
    return _free(path, f"ledger-unchained-{time}")


def _free(path: Path, stem: str) -> Path:
    number = 1
    found = path.with_name(f"{stem}.jsonl")
    while found.exists() or found.is_symlink():
        number += 1
        found = path.with_name(f"{stem}-{number}.jsonl")
    return found


def first_seq(path: Path) -> int | None:
    """The number of its first record, as the name of a full file tells it."""
    found = _FULL.fullmatch(path.name)
    return int(found[1]) if found else None


def unchained_files(path: Path) -> list[Path]:
    """What was put away beside `path` because it is no chain, the oldest first; raises OSError."""
    if not path.parent.is_dir():
        return []
    return sorted(path.parent.glob("ledger-unchained-*.jsonl"))
