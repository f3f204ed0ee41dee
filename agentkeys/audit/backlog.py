"""Records that could not be written yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["MOST", "Backlog"]

MOST = 1000
"""How many are kept; a daemon must not grow for as long as a disk is full."""


class Backlog:
    """Keeps the first records that found no room, and counts those beyond; oldest first."""

    def __init__(self, documents: Iterable[bytes] = ()) -> None:
        """`documents` are those of an earlier one."""
        self._documents = list(documents)[:MOST]
        self.lost = 0
        """How many there were beyond."""

    def __len__(self) -> int:
        return len(self._documents) + self.lost

    def __iter__(self) -> Iterator[bytes]:
        """What is kept."""
        return iter(self._documents)

    def add(self, document: bytes) -> None:
        if len(self._documents) < MOST:
            self._documents.append(document)
        else:
            self.lost += 1

    def clear(self) -> None:
        """All of it is written."""
        self._documents.clear()
        self.lost = 0
