"""What can be wrong with a ledger."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "MOST_PROBLEMS", "Problem", "Problems"]

KINDS = (
    "changed",
    "missing",
    "reordered",
    "repeated",
    "torn",
    "foreign",
    "truncated",
    "head_mismatch",
)

MOST_PROBLEMS = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was written."""

    seq: int | None
    """The number of the record, or of the first of several; None where nobody can tell."""
    file: str | None
    line: int | None
    """In that file, from 1; None where it is no line's fault."""
    kind: str
    """One of KINDS."""
    message: str


class Problems:
    """Keeps as many as anybody reads, and counts the others."""

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.further = 0

    def add(self, problem: Problem) -> None:
        if len(self.kept) < MOST_PROBLEMS:
            self.kept.append(problem)
        else:
            self.further += 1
