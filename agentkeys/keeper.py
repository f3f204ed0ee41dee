"""What is held for one identity: its session and its leases, in memory and in the vault.

Memory is what requests are answered from. The vault is read once and written after every change,
so that a restarted daemon goes on where this one stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Generic, TypeVar

from agentkeys.clock import Clock
from agentkeys.errors import LoginRequired, VaultError
from agentkeys.flights import Flights
from agentkeys.kept import Kept, decode_kept, encode_kept
from agentkeys.leases.lease import Lease
from agentkeys.server_times import ServerTimes
from agentkeys.sessions import Session
from agentkeys.vault import Vault

__all__ = ["HeldSessions", "Keeper"]

S = TypeVar("S", bound=Session)

WRITE_AGAIN = 10.0
"""Seconds before a write that failed is tried again, when somebody asks for something."""


class Keeper:
    """Holds one identity's session and leases.

    A failing vault never costs what is in memory: writing goes on failing quietly, and `trouble`
    says why until a write succeeds.
    """

    def __init__(
        self, *, identity: str, account: str, vault: Vault, clock: Clock, times: ServerTimes
    ) -> None:
        """`times` knows the clocks of servers, which decide when a session of theirs is over."""
        self.identity = identity
        self.trouble: VaultError | None = None
        self._account = account
        self._vault = vault
        self._clock = clock
        self._times = times
        self._session: Session | None = None
        self._refused: Session | None = None
        self._leases: dict[str, Lease] = {}
        self._loaded = False
        self._loading: Flights[str, None] = Flights()
        self._writing = asyncio.Lock()
        self._writes: set[asyncio.Task[None]] = set()
        self._write_again_at = 0.0

    @property
    def held_session(self) -> Session | None:
        """The session in memory, over or not, without asking the vault."""
        return self._session

    @property
    def is_loaded(self) -> bool:
        """Whether the vault has been read, so that no session means that there is none."""
        return self._loaded

    @property
    def held_leases(self) -> Mapping[str, Lease]:
        """The leases in memory by the digest of their key."""
        return self._leases

    @property
    def is_refused(self) -> bool:
        """Whether whoever gave the held session has said no to it."""
        return self._session is not None and self._session is self._refused

    async def load(self) -> None:
        """Reads the vault, once; raises VaultError while that is impossible."""
        if self._loaded:
            self.mend()
        else:
            # Once for all who wait: a vault that hangs must not hang for each in turn.
            await asyncio.shield(self._loading.join(self._account, self._read))

    async def last_session(self) -> Session:
        """The session, over or not; raises LoginRequired, VaultError."""
        await self.load()
        if self._session is None:
            raise self.login_required(f"nobody is logged in as {self.identity}")
        return self._session

    async def session(self) -> Session:
        """A session to mint with; raises LoginRequired, VaultError.

        By our own clock alone, which may be wrong, none counts as over: until the server that it is
        of has told what time it has, it decides.
        """
        session = await self.last_session()
        is_sure = self.is_refused or self._times.skew(session.url) is not None
        if is_sure and self.is_over(session):
            raise self.login_required(f"the session of {self.identity} has expired")
        if self.is_refused:
            raise self.login_required(
                f"{_giver(session)} no longer accepts {self.identity}'s session"
            )
        return session

    def of(self, kind: type[S]) -> HeldSessions[S]:
        """The session for those who know one kind alone."""
        return HeldSessions(self, kind)

    def is_over(self, session: Session) -> bool:
        """Whether it has expired by its server's clock, as far as that is known."""
        return session.is_over(self._times.now(session.url))

    def refuse_session(self, session: Session) -> None:
        """Remembers that nobody takes `session` any more; it stays kept, unused."""
        if session is self._session:
            self._refused = session

    async def keep_session(self, session: Session) -> None:
        """Replaces the session; leases of another user go with the old one.

        Returns when it is written; where the vault fails, `trouble` says so.
        """
        self._replace(session)
        await self._write()

    def hold_session(self, session: Session) -> None:
        """The same for one that can be had again: it counts at once and is written behind."""
        self._replace(session)
        self._begin_write()

    def _replace(self, session: Session) -> None:
        previous, self._session = self._session, session
        if previous is None or previous.owner != session.owner:
            self._leases.clear()
        self._loaded = True

    async def forget_session(self) -> None:
        """Drops session and leases, here and in the vault; raises VaultError if they stay there."""
        self._session = None
        self._leases.clear()
        self._loaded = True
        async with self._writing:
            try:
                await self._vault.delete(self._account)
            except VaultError as problem:
                self._failed(problem)
                raise
            self.trouble = None

    def keep_lease(self, digest: str, lease: Lease) -> None:
        """Keeps a lease; it is served at once and written behind."""
        self._leases[digest] = lease
        self._begin_write()

    async def drop_leases(self, digests: Collection[str]) -> None:
        """Drops the leases under `digests`; raises VaultError if they stay in the vault."""
        for digest in digests:
            self._leases.pop(digest, None)
        await self._write()
        if self.trouble is not None:
            raise self.trouble

    async def flush(self) -> None:
        """Waits for writes under way, and tries once more what has failed."""
        await asyncio.gather(*self._writes)
        if self.trouble is not None:
            await self._write()

    async def _read(self) -> None:
        blob = await self._vault.load(self._account)
        if not self._loaded:
            kept = decode_kept(blob, clock=self._clock)
            self._session, self._leases = kept.session, dict(kept.leases)
            self._loaded = True

    def _begin_write(self) -> None:
        task = asyncio.get_running_loop().create_task(self._write())
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    def mend(self) -> None:
        """Begins a write that failed once more, if that is some time ago."""
        if self.trouble is None or self._writes:
            return
        if self._clock.monotonic() >= self._write_again_at:
            self._begin_write()

    async def _write(self) -> None:
        async with self._writing:
            self._leases = {
                digest: lease
                for digest, lease in self._leases.items()
                if lease.remaining(self._clock) > timedelta(0)
            }
            try:
                await self._save(Kept(self._session, self._leases))
            except VaultError as problem:
                self._failed(problem)
            else:
                self.trouble = None

    def _failed(self, problem: VaultError) -> None:
        self.trouble = problem
        self._write_again_at = self._clock.monotonic() + WRITE_AGAIN

    async def _save(self, kept: Kept) -> None:
        if kept.session or kept.leases:
            await self._vault.save(self._account, encode_kept(kept))
        else:
            # Forgotten while this write waited: no empty entry is left behind.
            await self._vault.delete(self._account)

    def login_required(self, message: str) -> LoginRequired:
        """The error to raise where somebody has to log in."""
        return LoginRequired(message, hint=f"run: agentkeys login {self.identity}")


class HeldSessions(Generic[S]):
    """A keeper's session as far as it is of one kind; one of another kind counts as none.

    The configuration may have given the identity another source since somebody logged in.
    """

    def __init__(self, keeper: Keeper, kind: type[S]) -> None:
        self._keeper = keeper
        self._kind = kind

    @property
    def held_session(self) -> S | None:
        session = self._keeper.held_session
        return session if isinstance(session, self._kind) else None

    async def session(self) -> S:
        """Raises LoginRequired, VaultError."""
        return self._checked(await self._keeper.session())

    async def last_session(self) -> S:
        """Raises LoginRequired, VaultError."""
        return self._checked(await self._keeper.last_session())

    def refuse_session(self, session: S) -> None:
        self._keeper.refuse_session(session)

    async def keep_session(self, session: S) -> None:
        await self._keeper.keep_session(session)

    def _checked(self, session: Session) -> S:
        if isinstance(session, self._kind):
            return session
        name = self._keeper.identity
        raise self._keeper.login_required(f"the login of {name} is from before its source changed")


def _giver(session: Session) -> str:
    return "the broker" if session.kind == "broker" else session.url or "nobody"
