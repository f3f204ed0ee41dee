"""Who is logged in: sessions kept, taken over from a client's environment, and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from agentkeys.broker import BrokerClient
from agentkeys.config import BrokerIdentity, FileIdentity, GithubIdentity, Identity, OidcIdentity
from agentkeys.errors import LoginFailed, ProtocolError, VaultError
from agentkeys.secret import Secret
from agentkeys.sessions import (
    BrokerSession,
    DeviceProof,
    OidcSession,
    Session,
    parse_broker_session,
)
from agentkeys.tokens.file import no_token_file
from agentkeys.tokens.github import no_job
from agentkeys.transport import Transport
from agentkeys_daemon.identities import Identities, LiveIdentity
from agentkeys_daemon.ledger.records import Recorder
from agentkeys_daemon.peers import Peer

__all__ = ["Logins"]


class Logins:
    """Keeps and forgets sessions. Every method raises AgentkeysError and its leaves."""

    def __init__(
        self,
        *,
        identities: Identities,
        transport: Transport,
        records: Recorder,
        changed: Callable[[LiveIdentity], None],
    ) -> None:
        """`changed` hears of every identity that somebody else may be from now on."""
        self._identities = identities
        self._transport = transport
        self._records = records
        self._changed = changed

    async def identify(self, identity: Identity) -> None:
        """Returns when it is known who is logged in; raises LoginRequired when nobody is."""
        await self._identities.of(identity).source.subject()

    async def log_in(self, identity: Identity, document: Mapping[str, Any], peer: Peer) -> Session:
        """Keeps the session in a request's JSON, for which its owner has logged in."""
        if isinstance(identity, BrokerIdentity):
            session: Session = await self._of_broker(identity, document)
        elif isinstance(identity, OidcIdentity) and not identity.is_service:
            session = _of_issuer(identity, document)
        else:
            raise LoginFailed(
                f"nobody logs in as {identity.name}: its tokens need no login",
                hint=f"just use it; to see whom it names: agentkeys whoami {identity.name}",
            )
        await self._keep(identity, session, peer)
        return session

    async def take_over(self, identity: Identity, sessions: Iterable[Session], peer: Peer) -> None:
        """Keeps what a client's environment has to fetch tokens with, if that is news.

        Raises SourceAbsent where it has nothing that the identity needs: what another client has
        handed over is that one's alone.
        """
        session = next((each for each in sessions if _takes(identity, each)), None)
        if session is None:
            _check_not_needed(identity)
            return
        keeper = self._identities.keeper(identity)
        with suppress(VaultError):
            await keeper.load()
        if keeper.held_session != session:
            # Nobody is waited for from here on, the vault neither: the request that has brought it
            # must find it, and not what another one brings meanwhile.
            keeper.hold_session(session)
            self._kept(identity, session, peer)

    async def log_out(self, identity: Identity, peer: Peer) -> datetime | None:
        """Forgets session and leases; returns until when what was handed out lives on."""
        keeper = self._identities.keeper(identity)
        live = self._identities.of(identity)
        with suppress(VaultError):
            # What an earlier daemon has handed out lives on as well.
            await keeper.load()
        until = live.leases.handed_out_until()
        session = keeper.held_session
        self._changed(live)
        try:
            await keeper.forget_session()
        except VaultError as problem:
            problem.hint = f"{problem.hint}; until it answers, it still keeps the session"
            raise
        self._records.logged("logout", identity.name, session, peer)
        return until

    async def _keep(self, identity: Identity, session: Session, peer: Peer) -> None:
        await self._identities.keeper(identity).keep_session(session)
        self._kept(identity, session, peer)

    def _kept(self, identity: Identity, session: Session, peer: Peer) -> None:
        self._changed(self._identities.of(identity))
        self._records.logged("login", identity.name, session, peer)

    async def _of_broker(
        self, identity: BrokerIdentity, document: Mapping[str, Any]
    ) -> BrokerSession:
        jwt, url = document.get("session_jwt"), document.get("url")
        if not isinstance(jwt, str) or not isinstance(url, str):
            raise ProtocolError(
                "the request holds no session_jwt and url", hint="send both as strings"
            )
        if url != identity.url:
            raise _elsewhere(identity, url)
        device = document.get("device")
        proof = DeviceProof.from_document(device) if isinstance(device, dict) else None
        session = parse_broker_session(Secret(jwt), url=url, device=proof)
        await self._check_alive(session, self._transport.trusting(identity.ca_file))
        return session

    async def _check_alive(self, session: BrokerSession, transport: Transport) -> None:
        """Raises LoginFailed for a session that has expired, by its broker's clock."""
        times = transport.times
        if session.is_over(times.now(session.url)) and times.skew(session.url) is None:
            # It may be our clock that is wrong. Whatever the broker answers, it tells the time.
            await BrokerClient(url=session.url, transport=transport).tell_time()
        if session.is_over(times.now(session.url)):
            raise LoginFailed("that session has already expired", hint="log in again")


def _of_issuer(identity: OidcIdentity, document: Mapping[str, Any]) -> OidcSession:
    found = document.get("oidc")
    if not isinstance(found, dict):
        raise ProtocolError("the request holds no login at an issuer", hint="send it as oidc")
    session = OidcSession.from_document(found)
    if (session.issuer, session.client_id) != (identity.issuer, identity.client_id):
        raise _elsewhere(identity, session.issuer)
    return session


def _elsewhere(identity: Identity, url: str) -> LoginFailed:
    # The configuration has changed during the login: nobody is shown another one's session.
    return LoginFailed(
        f"that session is for {url}, and {identity.name} is now at {identity.url}",
        hint=f"run: agentkeys login {identity.name}",
    )


def _check_not_needed(identity: Identity) -> None:
    if isinstance(identity, GithubIdentity):
        raise no_job()
    if isinstance(identity, FileIdentity) and identity.path is None:
        raise no_token_file(identity.name)


def _takes(identity: Identity, session: Session) -> bool:
    """Whether the identity's tokens come from what the session leads to."""
    if session.kind == "github":
        return isinstance(identity, GithubIdentity)
    return isinstance(identity, FileIdentity) and identity.path is None
