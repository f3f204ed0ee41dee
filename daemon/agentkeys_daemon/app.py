"""Where things meet: what the daemon can be asked to do, whichever door the asker came through."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from agentkeys.audit import ChainedLedger, FileHeadKeeper, VaultHeadKeeper, head_account
from agentkeys.clock import Clock
from agentkeys.config import Config, ConfigSource, Profile
from agentkeys.documents import credential_variables
from agentkeys.errors import AgentkeysError
from agentkeys.leases import Lease, LeaseTerms
from agentkeys.paths import Paths
from agentkeys.secret import Secret
from agentkeys.server_times import ServerTimes
from agentkeys.transport import Transport
from agentkeys.vault import OpenedVault
from agentkeys_daemon.aws_files import AwsFiles
from agentkeys_daemon.closing import Closing
from agentkeys_daemon.diagnosis import Diagnosis
from agentkeys_daemon.forgetting import Forgetting
from agentkeys_daemon.identities import Identities, LiveIdentity
from agentkeys_daemon.last_errors import LastErrors
from agentkeys_daemon.ledger.disk_sync import DiskSync
from agentkeys_daemon.ledger.head import LedgerHead
from agentkeys_daemon.ledger.records import Recorder
from agentkeys_daemon.logins import Logins
from agentkeys_daemon.memory import keep_what_is_loaded
from agentkeys_daemon.peers import Peer, itself
from agentkeys_daemon.profile_leases import ProfileLeases
from agentkeys_daemon.repeating import Repeats
from agentkeys_daemon.runs.files import RunFiles
from agentkeys_daemon.runs.run import Run
from agentkeys_daemon.runs.service import Runs
from agentkeys_daemon.token_sources import TokenSources
from agentkeys_daemon.watches import ProcessWatch

__all__ = ["App", "LeftBehind"]


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What would be lost with this daemon, unless another one takes it over."""

    endpoint: socket.socket | None
    """Still listening."""
    blobs: Mapping[str, Secret]
    """What the vault kept by account, where it was memory."""
    runs: Sequence[Run]
    waiting: Sequence[str]
    """The ledger's records that could not be written."""


class App:
    """The daemon's work. Every method raises AgentkeysError and its leaves."""

    def __init__(
        self,
        *,
        configuration: ConfigSource,
        opened: OpenedVault,
        transport: Transport,
        ledger: ChainedLedger,
        clock: Clock,
        paths: Paths,
        watch: ProcessWatch,
        environ: Mapping[str, str],
    ) -> None:
        """`environ` is where client secrets may be."""
        self.clock = clock
        self.opened = opened
        self.last_errors = LastErrors(clock=clock)
        self.changed = asyncio.Event()
        """Set whenever a lease may have to be refreshed sooner than it seemed."""
        self._configuration = configuration
        self._known_config: Config | None = None
        self._has_minted = False
        self._transport = transport
        self._files = AwsFiles(paths.run / "aws")
        self._repeats = Repeats(clock=clock)
        self._sources = TokenSources(
            transport=transport,
            clock=clock,
            environ=environ,
            logged_in=lambda name, session: self.records.logged("login", name, session, itself()),
        )
        self.identities = Identities(
            vault=opened.vault,
            times=transport.times,
            clock=clock,
            state=paths.state,
            report=self._minted,
            sources=self._sources,
        )
        self.leases = ProfileLeases(
            identities=self.identities,
            transport=transport,
            clock=clock,
            as_now=self._profile_as_now,
        )
        self._closing = Closing(leases=self.leases, reachable=self._open_terms)
        disk = DiskSync(ledger.sync)
        self.ledger = ledger
        self.ledger_head = LedgerHead(
            ledger=ledger,
            keeper=VaultHeadKeeper(
                vault=opened.vault,
                account=head_account(paths.state),
                beside=FileHeadKeeper(paths.ledger_head),
            ),
            settle=disk.settle,
        )
        self.records = Recorder(
            ledger=ledger,
            session_of=lambda identity: self.identities.keeper(identity).held_session,
            is_required=lambda: bool(self._known_config and self._known_config.is_audit_required),
            settle=disk.settle,
            appended=self.ledger_head.appended,
        )
        self.logins = Logins(
            identities=self.identities,
            transport=transport,
            records=self.records,
            changed=self._became_another,
        )
        self.diagnosis = Diagnosis(
            config=lambda: self.config,
            opened=opened,
            identities=self.identities,
            leases=self.leases,
            records=self.records,
            head=self.ledger_head,
            transport=transport,
            clock=clock,
        )
        self.runs = Runs(
            files=RunFiles(paths.runs),
            watch=watch,
            config=lambda: self.config,
            leases=self.leases,
            records=self.records,
            aws_files=self._files,
            repeats=self._repeats,
            clock=clock,
            begun=self.changed.set,
        )
        self.forgetting = Forgetting(
            config=lambda: self.config,
            identities=self.identities,
            leases=self.leases,
            runs=self.runs,
            records=self.records,
            repeats=self._repeats,
            last_errors=self.last_errors,
        )

    @property
    def config(self) -> Config:
        """The configuration as it stands now; what failed under another one may be tried again."""
        config = self._configuration.current()
        if config is not self._known_config:
            self._closing.note(self._known_config, config)
            self._known_config = config
            self._start_over(self.identities.live)
        return config

    @property
    def times(self) -> ServerTimes:
        """The clocks of brokers and stores."""
        return self._transport.times

    @property
    def is_minting(self) -> bool:
        """Whether any mint is under way."""
        return any(live.leases.is_minting for live in self.identities.live)

    async def preload(self) -> None:
        """Reads what the vault keeps for every configured identity, so that status can tell."""
        for identity in self.config.identities.values():
            # What fails here fails again, and is told, when a request needs it.
            with suppress(AgentkeysError):
                await self.identities.keeper(identity).load()
        self.changed.set()

    def refresh(self) -> timedelta | None:
        """Begins to mint what is due; returns how long until something will be, None if nothing."""
        self.identities.mend()
        self._closing.begin(self.config)
        pauses = [*self._refresh_profiles(), *self.runs.refresh()]
        return min((pause for pause in pauses if pause is not None), default=None)

    async def credentials(
        self, profile: Profile, peer: Peer, *, inside: Run | None = None
    ) -> Lease:
        """A lease for a peer that asks for credentials; one in a run gets what the run has."""
        lease = await self.leases.lease(self._terms(profile, inside))
        run_id = inside.id if inside else None
        # The same process may have become a narrower run since it asked last.
        lease = self._repeats.answer((profile.name, run_id, peer.parent()), lease)
        await self.records.served(profile, lease, peer, run_id=run_id)
        return lease

    async def environment(
        self, profile: Profile, peer: Peer, *, inside: Run | None, inherited_region: str | None
    ) -> dict[str, str]:
        """The variables of a program that becomes no run, secrets in the clear."""
        lease = await self.leases.lease(self._terms(profile, inside))
        variables = self._files.place(profile, lease, inherited_region=inherited_region)
        await self.records.served(profile, lease, peer, run_id=inside.id if inside else None)
        return variables | credential_variables(lease)

    async def ensure(
        self, profile: Profile, at_least: timedelta, *, inside: Run | None = None
    ) -> None:
        """Returns when the lease of `profile` has `at_least` left, or is as new as can be."""
        terms = self._terms(profile, inside)
        await self.leases.lease(terms, at_least=at_least)
        if self.leases.held(terms) is None:
            # Forgotten, or somebody else's, since then: the caller is told of what counts now.
            await self.leases.lease(terms)

    async def aclose(self) -> LeftBehind:
        """Writes what is still to be written and ends helpers and connections."""
        endpoint = await self.runs.aclose()
        await self._sources.settle()
        await self.identities.flush()
        # Of what the runs' ends and the last mints have left.
        await self.ledger_head.aclose()
        waiting = self.ledger.waiting
        left = LeftBehind(endpoint, self.opened.in_memory(), tuple(self.runs.all), waiting)
        await self.opened.vault.aclose()
        await self._transport.aclose()
        return left

    def _profile_as_now(self, profile: Profile) -> Profile:
        try:
            return self.config.profiles.get(profile.name, profile)
        except AgentkeysError:
            return profile  # nobody can read the configuration

    def _terms(self, profile: Profile, inside: Run | None) -> LeaseTerms:
        return self.runs.terms(inside) if inside else self.leases.terms(profile)

    def _open_terms(self, config: Config) -> Iterator[LeaseTerms]:
        """Of everything that is served without breaking a glass."""
        for profile in config.profiles.values():
            if not profile.is_break_glass:
                with suppress(AgentkeysError):
                    yield self.leases.terms(profile)
        for run in self.runs.live:
            with suppress(AgentkeysError):
                terms = self.runs.terms(run)
                if not terms.profile.is_break_glass:
                    yield terms

    def _refresh_profiles(self) -> Iterator[timedelta | None]:
        for profile in self.config.profiles.values():
            # What is wrong with one is told to whoever asks for it, and is no harm to the others.
            with suppress(AgentkeysError):
                yield self.leases.refresh(self.leases.terms(profile))

    def _start_over(self, identities: Iterable[LiveIdentity]) -> None:
        self._repeats.clear()
        for live in identities:
            live.leases.start_over()
        self.changed.set()

    def _became_another(self, live: LiveIdentity) -> None:
        self._start_over([live])
        self.last_errors.forget_of(live.identity, self.config.profiles.values())

    async def _minted(self, terms: LeaseTerms, outcome: Lease | AgentkeysError) -> None:
        profile = terms.profile
        if not self._has_minted:
            # What speaks HTTP and reads tokens has just been loaded.
            keep_what_is_loaded()
            self._has_minted = True
        if isinstance(outcome, Lease):
            self.last_errors.forget(profile)
            await self.records.minted(profile, outcome, run_id=terms.run_id)
        else:
            self.last_errors.note(profile, outcome)
            self.records.mint_failed(profile, outcome, run_id=terms.run_id)
        # Once it is held, which it is right after this.
        asyncio.get_running_loop().call_soon(self.changed.set)
