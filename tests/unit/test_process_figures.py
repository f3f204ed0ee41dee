"""What the daemon tells of its own weight."""

from __future__ import annotations

import mmap
from pathlib import Path

from agentkeys_daemon.process_figures import open_descriptors, resident_bytes

PIECE = 32 * 2**20


def test_memory_that_is_used_is_counted() -> None:
    """In bytes, to within what the interpreter does meanwhile."""
    before = resident_bytes()
    with mmap.mmap(-1, PIECE) as memory:
        memory.write(b"x" * PIECE)
        after = resident_bytes()
    assert before is not None
    assert after is not None
    assert PIECE * 0.9 < after - before < PIECE * 3


def test_every_open_file_is_counted(tmp_path: Path) -> None:
    """And no more once it is closed; the counting itself leaves none."""
    before = open_descriptors()
    assert before is not None
    with (tmp_path / "one").open("w"), (tmp_path / "two").open("w"):
        assert open_descriptors() == before + 2
    assert open_descriptors() == before
