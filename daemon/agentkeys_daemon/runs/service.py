"""The life of runs: taken over, kept fresh, forgotten, ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from agentkeys.clock import Clock
from agentkeys.config import Config
from agentkeys.errors import AgentkeysError, DaemonError, RunsLive
from agentkeys.leases import Lease, LeaseTerms
from agentkeys.secret import Secret
from agentkeys_daemon.aws_files import AwsFiles
from agentkeys_daemon.endpoint import Endpoint, adopt, listen
from agentkeys_daemon.ledger.records import Recorder
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.profile_leases import ProfileLeases
from agentkeys_daemon.repeating import Repeats
from agentkeys_daemon.runs.asked import AskedRun
from agentkeys_daemon.runs.door import RunDoor
from agentkeys_daemon.runs.files import RunFiles
from agentkeys_daemon.runs.registry import Inside, RunRegistry
from agentkeys_daemon.runs.run import Run
from agentkeys_daemon.runs.starting import ENDPOINT_VARIABLES, RunStarter
from agentkeys_daemon.runs.terms import RunTerms
from agentkeys_daemon.watches import ProcessWatch

__all__ = ["Runs"]

LAST_SECONDS = 1.0


class Runs:
    """The daemon's runs; whatever is asked of them raises AgentkeysError and its leaves."""

    def __init__(
        self,
        *,
        files: RunFiles,
        watch: ProcessWatch,
        config: Callable[[], Config],
        leases: ProfileLeases,
        records: Recorder,
        aws_files: AwsFiles,
        repeats: Repeats,
        clock: Clock,
        begun: Callable[[], None],
    ) -> None:
        """`begun` is called when there is one lease more to keep fresh."""
        self.trouble: DaemonError | None = None
        """Why the endpoint of an earlier daemon could not be opened again."""
        self._files = files
        self._leases = leases
        self._records = records
        self._repeats = repeats
        self._terms = RunTerms(config=config, leases=leases)
        self._registry = RunRegistry(files=files, watch=watch, ended=self._ended)
        self.endpoint = Endpoint(
            runs=RunDoor(
                registry=self._registry,
                terms=self._terms,
                leases=leases,
                repeats=repeats,
                records=records,
                clock=clock,
            )
        )
        self.starter = RunStarter(
            registry=self._registry,
            terms=self._terms,
            leases=leases,
            aws_files=aws_files,
            records=records,
            clock=clock,
            open_endpoint=self._open,
            drop_lease=lambda run_id: self._begin_clearing(leases.drop_run(run_id)),
            begun=begun,
        )
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def all(self) -> Iterable[Run]:
        """Those whose process lives."""
        return self._registry.runs

    @property
    def live(self) -> list[Run]:
        """Those that have credentials to lose."""
        return self._registry.live

    def check_none_live(self) -> None:
        """Raises RunsLive while programs run that would lose their credentials."""
        # Of one that has just ended its watch may not have told yet.
        live = [run for run in self.live if run.process.is_alive]
        if live:
            first = live[0]
            others = f" and {len(live) - 1} more run" if len(live) > 1 else " runs"
            raise RunsLive(
                f"{first.program or 'a program'} (pid {first.process.pid}){others} with"
                " credentials from this daemon",
                hint="restart keeps them; to stop in any case: agentkeys daemon stop --force",
            )

    def around(self, peer: Peer) -> Inside | None:
        """The run that `peer` is in, None where it is in none."""
        return self._registry.around(peer)

    def terms(self, run: Run) -> LeaseTerms:
        """What its lease is asked for; raises ConfigError and its leaves, WrongIdentity."""
        return self._terms.of(run)

    def held(self, run: Run) -> Lease | None:
        """Its lease in memory, None where there is none or nobody can tell."""
        with suppress(AgentkeysError):
            if lease := self._leases.held(self._terms.of(run)):
                return lease
        # Its profile may have become another one meanwhile, or nobody may know it any more.
        return self._leases.held_of_run(run.id) if run.has_own_lease else None

    def restore(self, endpoint: int | None = None, runs: Iterable[Run] = ()) -> None:
        """Takes over the runs of an earlier daemon, and opens the endpoint where it was.

        Those on record, and the `runs` that it has handed over; `endpoint` is the descriptor of its
        socket, if it still listens.
        """
        self._registry.restore(runs)
        port = self._files.load_port()
        try:
            if endpoint is not None:
                self.endpoint.start(adopt(endpoint))
            elif port is not None and any(run.has_token for run in self.live):
                self.endpoint.start(listen(port))
        except DaemonError as problem:
            self.trouble = problem

    def refresh(self) -> list[timedelta | None]:
        """Begins to mint what is due, and tells for each how long until it will be."""
        pauses = []
        for run in self.live:
            if run.has_token:
                # A program may sleep for hours, and then has a second for its answer.
                with suppress(AgentkeysError):
                    pauses.append(self._leases.refresh(self._terms.of(run), is_needed=True))
        return pauses

    async def forget(self, run_id: str, peer: Peer) -> datetime | None:
        """Takes the credentials of a run, and of those begun in it, away.

        Returns until when what they were given lives on.
        """
        forgotten = self._registry.forget(self._registry.find(run_id))
        ends = [run.break_glass_until for run in forgotten if run.break_glass_until]
        ends += [lease.credentials.expires_at for run in forgotten if (lease := self.held(run))]
        for run in forgotten:
            self._repeats.drop(run.id)
            self._records.run_forgotten(run, peer)
            if run.has_own_lease:
                await self._leases.drop_run(run.id)
        return max(ends, default=None)

    async def aclose(self) -> socket.socket | None:
        """Returns the endpoint's socket, which still listens.

        The runs go on, and so does what is on record of them.
        """
        self._registry.close()
        listening = await self.endpoint.hand_on()
        if self._ending:
            # One that waits for a mint to end must not hold up our own end.
            await asyncio.wait(self._ending, timeout=LAST_SECONDS)
        return listening

    def _open(self, run: Run, token: Secret, asked: AskedRun) -> dict[str, str]:
        """The variables by which the run's program finds the endpoint, secrets in the clear."""
        self._listen()
        given: dict[str, str] = {}
        if asked.refresh:
            path = self._files.save_token(run.id, token)
            values = (self.endpoint.url(run.id), token.reveal(), str(path))
            given |= dict(zip(ENDPOINT_VARIABLES, values, strict=True))
        if asked.legacy_mint:
            found = (self.endpoint.base_url, token.reveal())
            given |= dict(zip(asked.legacy_mint, found, strict=True))
        return given

    def _listen(self) -> None:
        if self.endpoint.port is None:
            listening = listen()
            self._files.save_port(listening.getsockname()[1])
            self.endpoint.start(listening)
            self.trouble = None

    def _ended(self, run: Run) -> None:
        self._repeats.drop(run.id)
        self._records.run_ended(run)
        self._begin_clearing(self._clear(run))

    def _begin_clearing(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(_quietly(work))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _clear(self, run: Run) -> None:
        self._terms.release(run)
        if run.lease_run and not self._is_shared(run.lease_run):
            await self._leases.drop_run(run.lease_run)

    def _is_shared(self, lease_run: str) -> bool:
        """Whether a run still works with that run's own lease, as one that it has begun does."""
        return any(run.lease_run == lease_run for run in self.live)


async def _quietly(work: Coroutine[None, None, None]) -> None:
    # What stays in a vault that fails ends by itself, and the vault's trouble is told anyway.
    with suppress(AgentkeysError):
        await work
