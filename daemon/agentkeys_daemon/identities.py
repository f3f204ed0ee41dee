"""What runs for each identity: what is held for it, where its tokens come from, its leases."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from agentkeys.broker import BrokerClient
from agentkeys.clock import Clock
from agentkeys.config import Identity, SandboxIdentity
from agentkeys.keeper import Keeper
from agentkeys.leases import FailureMemory, LeaseCache, Minter, Report
from agentkeys.login import await_login, start_email_login, take_managed_wallet
from agentkeys.sessions import BrokerSession, parse_broker_session
from agentkeys.tokens import TokenSource
from agentkeys.tokens.broker import BrokerTokenSource
from agentkeys.tokens.sandbox import SandboxTokenSource
from agentkeys.transport import Transport
from agentkeys.vault import Vault

__all__ = ["Identities", "LiveIdentity"]

LOGIN_SECONDS = 20
"""A made-up user's login takes a tenth of a second; its callers do not wait much longer."""


@dataclass(frozen=True, slots=True)
class LiveIdentity:
    """One configured identity at work: where its tokens come from, and its leases."""

    identity: Identity
    source: TokenSource
    leases: LeaseCache


class Identities:
    """The identities at work, each made when it is first asked for.

    An identity whose configuration changes is made anew, around the same keeper.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        transport: Transport,
        clock: Clock,
        state: Path,
        report: Report,
        logged_in: Callable[[str, BrokerSession], None],
    ) -> None:
        """`report` hears of mints, `logged_in` of the logins that an identity does by itself."""
        self._logged_in = logged_in
        self._vault = vault
        self._transport = transport
        self._clock = clock
        self._state_id = hashlib.sha256(bytes(state)).hexdigest()[:8]
        self._report = report
        self._keepers: dict[str, Keeper] = {}
        self._live: dict[str, LiveIdentity] = {}

    def of(self, identity: Identity) -> LiveIdentity:
        live = self._live.get(identity.name)
        if live is None or live.identity != identity:
            live = self._live[identity.name] = self._make(identity)
        return live

    def keeper(self, identity: Identity) -> Keeper:
        """What is held for `identity`.

        A sandbox's user, who logs in unasked, never shares it with a person of the same name.
        """
        name = identity.name
        own = f"{identity.source}:{name}" if isinstance(identity, SandboxIdentity) else name
        keeper = self._keepers.get(own)
        if keeper is None:
            keeper = self._keepers[own] = Keeper(
                identity=name,
                account=f"{own}@{self._state_id}",
                vault=self._vault,
                clock=self._clock,
                times=self._transport.times,
            )
        return keeper

    @property
    def live(self) -> Collection[LiveIdentity]:
        """Those that have been asked for."""
        return self._live.values()

    def mend(self) -> None:
        """Has writes that failed tried again, now and then."""
        for keeper in self._keepers.values():
            keeper.mend()

    async def flush(self) -> None:
        """Waits until everything held is written."""
        await asyncio.gather(*(keeper.flush() for keeper in self._keepers.values()))

    def _make(self, identity: Identity) -> LiveIdentity:
        keeper = self.keeper(identity)
        source = self._source(identity, keeper)
        leases = LeaseCache(
            source=source,
            source_url=identity.url,
            minter=Minter(clock=self._clock),
            holder=keeper,
            failures=FailureMemory(clock=self._clock),
            clock=self._clock,
            report=self._report,
        )
        return LiveIdentity(identity, source, leases)

    def _source(self, identity: Identity, keeper: Keeper) -> TokenSource:
        broker = BrokerClient(url=identity.url, transport=self._transport)
        source = BrokerTokenSource(broker=broker, sessions=keeper, times=self._transport.times)
        if isinstance(identity, SandboxIdentity):
            email = identity.email
            return SandboxTokenSource(
                source=source, log_in=lambda: self._log_in(identity.name, broker, email, keeper)
            )
        return source

    async def _log_in(self, name: str, broker: BrokerClient, email: str, keeper: Keeper) -> None:
        """A made-up user's whole login: the development broker follows its own link."""
        async with asyncio.timeout(LOGIN_SECONDS):
            pending = await start_email_login(broker, email)
            session = await await_login(broker, pending, clock=self._clock)
            wallet = await take_managed_wallet(broker, broker, session)
        kept = parse_broker_session(wallet, url=broker.url)
        await keeper.keep_session(kept)
        self._logged_in(name, kept)
