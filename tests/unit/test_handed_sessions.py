"""What a client's environment has to fetch tokens with, taken over by the daemon."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from agentkeys.config import BrokerIdentity, GithubIdentity
from agentkeys.errors import AgentkeysError
from agentkeys.leases import Lease, LeaseTerms
from agentkeys.secret import Secret
from agentkeys.sessions import GithubSession
from agentkeys.transport import Transport
from agentkeys_daemon.identities import Identities
from agentkeys_daemon.ledger.records import Recorder
from agentkeys_daemon.logins import Logins
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.token_sources import TokenSources
from tests.fakes.ledger import MemoryLedger
from tests.fakes.vault import FragileVault
from tests.support.moved_clock import MovedClock

JOB = GithubIdentity("job", "sts.amazonaws.com")
PERSON = BrokerIdentity("me", "https://broker.example.com", "sts.amazonaws.com", None)
US = Peer(os.getuid(), None)


async def unheard(_terms: LeaseTerms, _outcome: Lease | AgentkeysError) -> None:
    """Nothing is minted here."""


class Place:
    """The logins of a daemon whose vault may keep it waiting."""

    def __init__(self) -> None:
        clock = MovedClock()
        transport = Transport(clock=clock)
        self.vault = FragileVault()
        self.pages = MemoryLedger()
        self.identities = Identities(
            vault=self.vault,
            times=transport.times,
            clock=clock,
            state=Path("/state"),
            report=unheard,
            sources=TokenSources(
                transport=transport, clock=clock, environ={}, logged_in=lambda _name, _session: None
            ),
        )
        self.logins = Logins(
            identities=self.identities,
            transport=transport,
            records=Recorder(ledger=self.pages, session_of=lambda _identity: None),
            changed=lambda _live: None,
        )

    async def request(self, session: GithubSession) -> str:
        """Whom a request of that job is for, as its lease key has it."""
        await self.logins.take_over(JOB, [session], US)
        return await self.identities.of(JOB).source.subject()


def play(story: Callable[[Place], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story(Place())

    asyncio.run(whole())


def job(number: int) -> GithubSession:
    return GithubSession("https://github.example.com/token", Secret(f"bearer-{number}"))


def test_requests_at_once_are_each_for_their_own_job() -> None:
    """However long the vault takes: nothing that another one brings comes in between."""

    async def story(place: Place) -> None:
        jobs = [job(number) for number in range(20)]
        await place.identities.keeper(JOB).load()
        place.vault.open.clear()
        asking = asyncio.gather(*map(place.request, jobs))
        async with asyncio.timeout(10):
            assert await asking == [each.owner for each in jobs]
        place.vault.open.set()
        await place.identities.flush()
        assert place.identities.keeper(JOB).held_session == jobs[-1]

    play(story)


def test_a_job_is_kept_for_the_next_daemon() -> None:
    """Its runs go on with it; the ledger has one login for it, however often it asks."""

    async def story(place: Place) -> None:
        for _ in range(3):
            await place.request(job(1))
        await place.identities.flush()
        assert place.pages.events == ["login"]
        assert len(place.vault.blobs) == 1

    play(story)


def test_an_identity_of_another_source_takes_nothing() -> None:
    """Its keyring is not even asked."""

    async def story(place: Place) -> None:
        await place.logins.take_over(PERSON, [job(1)], US)
        assert place.identities.keeper(PERSON).held_session is None
        assert (place.vault.loads, place.pages.events) == (0, [])

    play(story)
