"""Checks the chain of the ledger: whether a record was changed, removed or put elsewhere.

A sound ledger is one stretch of records that follow from one another, and the head that was kept
elsewhere is one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from agentkeys.audit.chain import Link
from agentkeys.audit.lines import LedgerFile
from agentkeys.audit.problems import Problem, Problems
from agentkeys.audit.seams import explain_seams
from agentkeys.audit.stretches import Walk
from agentkeys.errors import AuditError

__all__ = ["Problem", "Verification", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found, and what nobody could find."""

    records: int
    """Those that are as they were sealed, also where one stands in the wrong place."""
    files: tuple[str, ...]
    first: int | None
    last: int | None
    """The highest number, wherever it stands."""
    covered_to: int | None
    """The last record that a head vouches for, and with it all before; None where none does."""
    ahead: int
    """How many come after that one."""
    problems: tuple[Problem, ...]
    further_problems: int
    """Those beyond the ones that are listed."""
    unseen: tuple[str, ...]
    """Sentences for people: what can have happened without a trace here."""

    @property
    def is_sound(self) -> bool:
        return not self.problems


def verify(files: Iterable[LedgerFile], heads: Collection[Link] = ()) -> Verification:
    """Checks all of `files`, given in their order, as one chain, in flat memory.

    `heads` are links that were kept elsewhere, from before the files were opened: records may have
    come after them, and none may be missing up to them. Raises AuditError for a file that cannot
    be read; one that is no file at all is a problem.
    """
    problems = Problems()
    walk = Walk(heads=heads, problems=problems)
    for file in files:
        try:
            walk.through(file)
        except OSError as problem:
            raise AuditError(
                f"the ledger {file.path} cannot be read: {problem.strerror}",
                hint="look at the disk that it is on",
            ) from problem
    for found in explain_seams(walk.stretches, begins_at=walk.begins_at):
        problems.add(found)
    for lost in _all_lost(heads, walk):
        problems.add(lost)
    return _verification(walk, problems, heads)


def _all_lost(heads: Iterable[Link], walk: Walk) -> Iterable[Problem]:
    """What became of the heads' records; two heads behind one end are one problem."""
    found: dict[tuple[str, int | None], Problem] = {}
    for head in sorted(set(heads), key=lambda head: (head.seq, head.chain), reverse=True):
        if not _is_met(head, walk) and (lost := _lost(head, walk)):
            found.setdefault((lost.kind, lost.seq), lost)
    return found.values()


def _is_met(head: Link, walk: Walk) -> bool:
    if walk.met.get(head):
        return True
    # Where all that it vouches for was moved away, the first record still says what it follows.
    first = walk.stretches[0] if walk.stretches else None
    return first is not None and (first.first - 1, first.previous) == (head.seq, head.chain)


def _lost(head: Link, walk: Walk) -> Problem | None:
    """What became of a head's record that is not there; None where that is told already."""
    first = walk.stretches[0].first if walk.stretches else head.seq
    last_file = walk.files[-1] if walk.files else None
    if head in walk.met or head.seq == first - 1:
        message = f"record {head.seq} is not the one that the daemon has kept in mind"
        return Problem(head.seq, None, None, "head_mismatch", message)
    if head.seq > walk.last + walk.broken:
        end = f"ends at record {walk.last}" if walk.last else "has no record"
        message = f"the ledger {end}, but record {head.seq} was written: its end was cut off"
        return Problem(walk.last + 1, last_file, None, "truncated", message)
    if head.seq < first:
        message = f"records {head.seq + 1} to {first - 1}, after the kept head, are not here"
        return Problem(head.seq + 1, None, None, "missing", message)
    return None


def _verification(walk: Walk, problems: Problems, heads: Iterable[Link]) -> Verification:
    first = walk.stretches[0].first if walk.stretches else None
    covered = max((head.seq for head in heads if _is_met(head, walk)), default=None)
    begin = covered if covered is not None else (first or 1) - 1
    ahead = max(walk.last - begin, 0)
    return Verification(
        records=walk.records,
        files=tuple(walk.files),
        first=first,
        last=walk.last or None,
        covered_to=covered,
        ahead=ahead,
        problems=tuple(problems.kept),
        further_problems=problems.further,
        unseen=tuple(_unseen(walk, covered, ahead)),
    )


def _unseen(walk: Walk, covered: int | None, ahead: int) -> Iterator[str]:
    if not walk.stretches:
        return
    first = walk.stretches[0]
    if first.first - first.broken > 1:
        yield (
            f"records 1 to {first.first - 1} are not here: whether they were moved away or removed,"
            " only your archive can tell"
        )
    if covered is None:
        yield (
            "no kept head was found in the ledger: a cut-off end, or all that was written anew"
            " from some record on, would not be seen"
        )
    elif ahead:
        span = f"record {walk.last}" if ahead == 1 else f"records {covered + 1} to {walk.last}"
        yield f"{span} came after the kept head: what was cut off behind it would not be seen"
