"""Explains where a chain breaks: what is missing, out of order, there twice, or was changed.

A ledger is read as stretches, in each of which every record follows from the one before it. Between
two of them is a seam.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from agentkeys.audit.chain import BEGINNING
from agentkeys.audit.problems import Problem
from agentkeys.audit.stretches import Span, Stretch

__all__ = ["explain_seams"]


def explain_seams(stretches: Sequence[Stretch], *, begins_at: int | None) -> Iterator[Problem]:
    """What is wrong between `stretches`, in the order of the files.

    `begins_at` is the number that the first record should have, None where any will do.
    """
    if not stretches:
        return
    all_of_them = [stretch.span for stretch in stretches]
    ends = _ends(stretches)
    expected = begins_at or stretches[0].first
    for place, stretch in enumerate(stretches):
        yield from _missing(stretch, expected, all_of_them)
        yield from _misplaced(stretch, expected, all_of_them[:place])
        yield from _unconnected(stretch, ends)
        expected = stretch.last + 1


def _ends(stretches: Iterable[Stretch]) -> dict[int, set[str]]:
    """By number, the digests that the next record may follow from."""
    ends = {BEGINNING.seq: {BEGINNING.chain}}
    for stretch in stretches:
        ends.setdefault(stretch.last, set()).add(stretch.chain)
    return ends


def _missing(stretch: Stretch, expected: int, present: Sequence[Span]) -> Iterator[Problem]:
    spans = _without((expected, stretch.first - 1), present)
    # A line that was changed beyond belief stands for one of them.
    count = sum(last - first + 1 for first, last in spans) - stretch.broken
    if count > 0:
        span = spans[0][0], spans[-1][1]
        whole = count == span[1] - span[0] + 1
        told = _told(span) if whole else f"{count} of the records {span[0]} to {span[1]}"
        verb = "is" if count == 1 else "are"
        yield _problem(span[0], stretch, "missing", f"{told} {verb} missing")


def _misplaced(stretch: Stretch, expected: int, before: Sequence[Span]) -> Iterator[Problem]:
    """Of a stretch that begins with a number that has been passed already."""
    if stretch.first >= expected:
        return
    again = _common(stretch.span, before)
    if again:
        span = again[0][0], again[-1][1]
        yield _problem(span[0], stretch, "repeated", f"{_told(span)} stood before already")
    else:
        told = _told(stretch.span)
        message = f"{told} stood somewhere else: what comes before is later"
        yield _problem(stretch.first, stretch, "reordered", message)


def _unconnected(stretch: Stretch, ends: dict[int, set[str]]) -> Iterator[Problem]:
    before = stretch.first - 1
    if stretch.previous not in ends.get(before, {stretch.previous}):
        message = (
            f"record {before} is not the one that record {stretch.first} was written after"
            if before
            else "record 1 was not written as the first one"
        )
        yield _problem(before or 1, stretch, "changed", message)


def _problem(seq: int, stretch: Stretch, kind: str, message: str) -> Problem:
    return Problem(seq, stretch.file, stretch.line, kind, message)


def _told(span: Span) -> str:
    first, last = span
    return f"record {first}" if first == last else f"records {first} to {last}"


def _without(span: Span, taken: Sequence[Span]) -> list[Span]:
    """What is left of `span`, in order."""
    first, last = span
    left = []
    for begin, end in sorted(taken):
        if begin > last:
            break
        if begin > first:
            left.append((first, begin - 1))
        first = max(first, end + 1)
    if first <= last:
        left.append((first, last))
    return left


def _common(span: Span, others: Sequence[Span]) -> list[Span]:
    first, last = span
    common = ((max(first, begin), min(last, end)) for begin, end in others)
    return sorted((begin, end) for begin, end in common if begin <= end)
