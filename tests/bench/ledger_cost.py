"""What a record costs a warm serve: with a ledger on disk, and with one that keeps nothing."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from agentkeys.audit import AuditRecord, FileLedger
from agentkeys.clock import SystemClock
from agentkeys.errors import AuditError
from agentkeys_daemon.ledger.records import Recorder
from agentkeys_daemon.peers import Peer
from tests.support.profiles import PROFILE, a_lease

__all__ = ["LedgerCost", "ledger_cost"]

COUNT = 5000


@dataclass(frozen=True)
class LedgerCost:
    """Seconds that a serve takes longer."""

    median: float
    syncing: float
    """The median while the disk is kept busy with bringing records to it."""


def ledger_cost(folder: Path) -> LedgerCost:
    """`folder` is on the disk in question."""
    bare = _seconds(_NoLedger())
    ledger = FileLedger(path=folder / "audit" / "ledger.jsonl", clock=SystemClock())
    alone = _seconds(ledger)
    busy = asyncio.run(_while_syncing(ledger))
    bare_median = statistics.median(bare)
    return LedgerCost(
        median=statistics.median(alone) - bare_median,
        syncing=statistics.median(busy) - bare_median,
    )


class _NoLedger:
    gap: AuditError | None = None

    def append(self, record: AuditRecord, *, keep: bool = True) -> None:
        pass


def _seconds(ledger: _NoLedger | FileLedger) -> list[float]:
    recorder = Recorder(ledger=ledger, session_of=lambda _identity: None)
    return asyncio.run(_serve(recorder))


async def _serve(recorder: Recorder) -> list[float]:
    lease, peer = a_lease(), Peer(os.getuid(), os.getpid())
    found = []
    for _ in range(COUNT):
        begun = time.perf_counter()
        await recorder.served(PROFILE, lease, peer)
        found.append(time.perf_counter() - begun)
    return found


async def _while_syncing(ledger: FileLedger) -> list[float]:
    stop = False

    def sync() -> None:
        while not stop:
            ledger.sync()
            # As fast as mints may come; without it the two threads only fight for the interpreter.
            time.sleep(0.002)

    syncing = asyncio.create_task(asyncio.to_thread(sync))
    try:
        return await _serve(Recorder(ledger=ledger, session_of=lambda _identity: None))
    finally:
        stop = True
        await syncing
