"""A ledger in memory."""

from __future__ import annotations

from collections.abc import Sequence

from agentkeys.audit import AuditRecord, Link
from agentkeys.errors import AuditError

__all__ = ["MemoryLedger"]


class MemoryLedger:
    """Keeps its records in order, whose links are made up; refuses them while there is a `problem`.

    `syncs` counts how often everything was brought to a disk, which fails with `disk_problem`.
    """

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.waiting: Sequence[str] = ()
        self.waiting_count = 0
        self.gap: AuditError | None = None
        self.problem: AuditError | None = None
        self.disk_problem: AuditError | None = None
        self.syncs = 0

    @property
    def events(self) -> list[str]:
        return [record.event for record in self.records]

    @property
    def link(self) -> Link:
        return Link(len(self.records), f"{len(self.records):064x}")

    def append(self, record: AuditRecord, *, keep: bool = True) -> None:
        if self.problem:
            self.waiting_count += keep
            raise self.problem
        self.records.append(record)

    def sync(self) -> None:
        self.syncs += 1
        if self.disk_problem:
            raise self.disk_problem

    def contains(self, link: Link) -> bool:
        return link.seq <= len(self.records)

    def go_on_from(self, head: Link) -> None:
        self.gap = AuditError(f"records up to {head.seq} are missing")

    def note_recovery(self, detail: str, *, outcome: str = "ok") -> None:
        self.append(AuditRecord(event="recovered", outcome=outcome, outcome_detail=detail))
