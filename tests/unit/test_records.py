"""What the daemon writes down: what must be, what may wait, and what nobody gets without it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from agentkeys.errors import AuditError, StsRefused
from agentkeys_daemon.ledger.disk_sync import DiskSync
from agentkeys_daemon.ledger.records import Recorder
from agentkeys_daemon.peers import Peer
from tests.fakes.ledger import MemoryLedger
from tests.support.profiles import PROFILE, a_lease

US = Peer(os.getuid(), os.getpid())
LEASE = a_lease()
FULL = AuditError("the disk is full")
BROKEN = AuditError("the disk is broken")


class Place:
    """A recorder on a ledger in memory."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.is_required = False
        self.heard: list[bool] = []
        self.records = Recorder(
            ledger=self.ledger,
            session_of=lambda _identity: None,
            is_required=lambda: self.is_required,
            settle=DiskSync(self.ledger.sync).settle,
            appended=self.heard.append,
        )

    async def serve(self) -> None:
        await self.records.served(PROFILE, LEASE, US)

    async def mint(self, *, must: bool = False) -> None:
        await self.records.minted(PROFILE, LEASE, run_id=None, must=must)

    async def start_run(self, *, must: bool = False) -> None:
        await self.records.run_started(PROFILE, LEASE, US, "run", must=must)

    async def break_glass(self) -> None:
        await self.records.break_glass(PROFILE, US, reason="the site is down", run_id="run")


def play(story: Callable[[Place], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story(Place())

    asyncio.run(whole())


def test_mints_and_broken_glass_are_brought_to_the_disk() -> None:
    """And nothing else is: a serve must not wait for it."""

    async def story(place: Place) -> None:
        await place.serve()
        await place.start_run()
        place.records.mint_failed(PROFILE, StsRefused("no"), run_id=None)
        assert place.ledger.syncs == 0
        await place.mint()
        await place.break_glass()
        assert place.ledger.syncs == 2
        assert place.heard == [False, False, False, True, True]
        assert place.ledger.records[-1].reason == "the site is down"

    play(story)


def test_nobody_is_stopped_by_a_ledger_that_cannot_be_written() -> None:
    """Unless the configuration says so; status tells why."""

    async def story(place: Place) -> None:
        place.ledger.problem = FULL
        for step in (place.serve, place.mint, place.start_run):
            await step()
            assert place.records.trouble is FULL
        place.ledger.problem = None
        await place.serve()
        assert place.records.trouble is None

    play(story)


def test_what_must_be_on_record_is_refused_without() -> None:
    """Whatever the configuration says; and what did not happen is not told later."""

    async def story(place: Place) -> None:
        place.ledger.problem = FULL
        with pytest.raises(AuditError):
            await place.break_glass()
        with pytest.raises(AuditError):
            await place.start_run(must=True)
        assert place.ledger.waiting_count == 0
        with pytest.raises(AuditError):
            await place.mint(must=True)
        assert place.ledger.waiting_count == 1  # that one did happen

    play(story)


@pytest.mark.parametrize("step", [Place.break_glass, Place.mint])
def test_a_disk_that_does_not_take_it_is_no_record(step: Callable[..., Awaitable[None]]) -> None:
    """It may be lost with the machine."""

    async def story(place: Place) -> None:
        place.ledger.disk_problem = BROKEN
        with pytest.raises(AuditError):
            await (step(place, must=True) if step is Place.mint else step(place))
        assert place.records.trouble is BROKEN

    play(story)


def test_where_records_are_required_nothing_is_handed_out_without() -> None:
    """Nor what a mint has given that the disk has not taken."""

    async def story(place: Place) -> None:
        place.is_required = True
        place.ledger.problem = FULL
        for step in (place.serve, place.start_run):
            with pytest.raises(AuditError):
                await step()
        assert place.ledger.waiting_count == 0
        place.ledger.problem = None
        place.ledger.disk_problem = BROKEN
        await place.mint()
        with pytest.raises(AuditError):
            await place.serve()
        place.ledger.disk_problem = None
        await place.serve()
        assert place.ledger.events == ["mint", "serve"]

    play(story)


def test_a_mint_that_is_written_late_is_brought_to_the_disk_then() -> None:
    """Before anything of it is handed out."""

    async def story(place: Place) -> None:
        place.is_required = True
        place.ledger.problem = FULL
        await place.mint()
        place.ledger.problem = None
        place.ledger.disk_problem = BROKEN
        with pytest.raises(AuditError):
            await place.serve()
        with pytest.raises(AuditError):
            await place.serve()
        place.ledger.disk_problem = None
        await place.serve()
        syncs = place.ledger.syncs
        await place.serve()
        assert place.ledger.syncs == syncs

    play(story)


def test_a_gap_is_told_for_as_long_as_the_daemon_lives() -> None:
    """Also when all that is new is written."""

    async def story(place: Place) -> None:
        place.ledger.gap = AuditError("records are missing")
        await place.serve()
        assert place.records.trouble is place.ledger.gap

    play(story)
