"""Where things meet: what the daemon can be asked to do, whichever door the asker came through."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agentkeys.audit import Ledger
from agentkeys.clock import Clock
from agentkeys.config import Config, ConfigSource, Identity, Profile
from agentkeys.documents import DEFAULT_REGION, exec_variables
from agentkeys.errors import AgentkeysError, LoginFailed
from agentkeys.leases import Lease
from agentkeys.secret import Secret
from agentkeys.sessions import BrokerSession, parse_broker_session
from agentkeys.stores import sts_endpoint
from agentkeys.sts import StsClient
from agentkeys.transport import Transport
from agentkeys.vault import OpenedVault
from agentkeys_daemon.aws_files import AwsFiles
from agentkeys_daemon.identities import Identities
from agentkeys_daemon.peers import Peer, itself
from agentkeys_daemon.records import Recorder

__all__ = ["App", "LastError"]


@dataclass(frozen=True, slots=True)
class LastError:
    """Why a profile's last mint failed, kept until one succeeds."""

    code: str
    message: str
    hint: str
    at: datetime


class App:
    """The daemon's work. Every method raises AgentkeysError and its leaves."""

    def __init__(
        self,
        *,
        configuration: ConfigSource,
        opened: OpenedVault,
        transport: Transport,
        ledger: Ledger,
        clock: Clock,
        state: Path,
    ) -> None:
        self.clock = clock
        self.opened = opened
        self.last_errors: dict[str, LastError] = {}
        self._configuration = configuration
        self._transport = transport
        self._files = AwsFiles(state / "run" / "aws")
        self.identities = Identities(
            vault=opened.vault,
            transport=transport,
            clock=clock,
            state=state,
            report=self._minted,
            logged_in=lambda name, session: self.records.logged("login", name, session, itself()),
        )
        self.records = Recorder(
            ledger=ledger, session_of=lambda identity: self.identities.keeper(identity).held_session
        )

    @property
    def config(self) -> Config:
        """The configuration as it stands now."""
        return self._configuration.current()

    async def preload(self) -> None:
        """Reads what the vault keeps for every configured identity, so that status can tell."""
        for identity in self.config.identities.values():
            await self.identities.keeper(identity).load()

    async def credentials(self, profile: Profile, peer: Peer) -> Lease:
        """A lease for a peer that asks for credentials."""
        lease = await self._lease(profile)
        self.records.served(profile, lease, peer)
        return lease

    async def begin_run(
        self, profile: Profile, peer: Peer, *, inherited_region: str | None
    ) -> dict[str, str]:
        """The variables of a new run of `profile`, secrets in the clear."""
        lease = await self._lease(profile)
        variables = exec_variables(profile, lease, inherited_region=inherited_region)
        run_id = base64.b32encode(secrets.token_bytes(10)).decode().lower()
        self.records.run_started(profile, lease, peer, run_id)
        return {
            **variables,
            **self._files.variables(variables["AWS_REGION"], profile.store.s3_endpoint),
            "AGENTKEYS_RUN": run_id,
        }

    async def identify(self, identity: Identity) -> None:
        """Returns when it is known who is logged in; raises LoginRequired when nobody is."""
        await self.identities.of(identity).source.subject()

    async def log_in(self, identity: Identity, jwt: Secret, url: str, peer: Peer) -> BrokerSession:
        """Keeps a session that its owner has logged in for, at the broker `url`."""
        if url != identity.url:
            # The configuration has changed during the login: no broker is shown another's session.
            raise LoginFailed(
                f"that session is for {url}, and {identity.name} is now at {identity.url}",
                hint=f"run: agentkeys login {identity.name}",
            )
        session = parse_broker_session(jwt, url=url)
        if session.is_over(self.clock.now()):
            raise LoginFailed("that session has already expired", hint="log in again")
        keeper = self.identities.keeper(identity)
        await keeper.keep_session(session)
        self._forget_errors(identity)
        self.records.logged("login", identity.name, session, peer)
        return session

    async def log_out(self, identity: Identity, peer: Peer) -> datetime | None:
        """Forgets session and leases; returns until when what was handed out lives on."""
        keeper = self.identities.keeper(identity)
        handed_out = [lease.credentials.expires_at for lease in keeper.held_leases.values()]
        session = keeper.held_session
        await keeper.forget_session()
        self._forget_errors(identity)
        self.records.logged("logout", identity.name, session, peer)
        return max(handed_out, default=None)

    async def aclose(self) -> None:
        """Writes what is still to be written and ends helpers and connections."""
        await self.identities.flush()
        await self.opened.vault.aclose()
        await self._transport.aclose()

    def held(self, profile: Profile) -> Lease | None:
        """The lease in memory for `profile`, whatever its state."""
        return self.identities.of(profile.identity).leases.held(profile, self._endpoint(profile))

    def _endpoint(self, profile: Profile) -> str:
        """Where the profile's STS is; the client's environment has no say in it."""
        if profile.store.sts_endpoint:
            return profile.store.sts_endpoint
        return sts_endpoint(profile.store.kind, profile.region or DEFAULT_REGION)

    async def _lease(self, profile: Profile) -> Lease:
        endpoint = self._endpoint(profile)
        exchange = StsClient(
            transport=self._transport,
            clock=self.clock,
            store=profile.store.kind,
            endpoint=endpoint,
        )
        leases = self.identities.of(profile.identity).leases
        return await leases.lease(profile, exchange, endpoint)

    def _minted(self, profile: Profile, outcome: Lease | AgentkeysError) -> None:
        if isinstance(outcome, Lease):
            self.last_errors.pop(profile.name, None)
            self.records.minted(profile, outcome)
        else:
            self.last_errors[profile.name] = LastError(
                outcome.code, outcome.message, outcome.hint, self.clock.now()
            )
            self.records.mint_failed(profile, outcome)

    def _forget_errors(self, identity: Identity) -> None:
        for profile in self.config.profiles.values():
            if profile.identity.name == identity.name:
                self.last_errors.pop(profile.name, None)
