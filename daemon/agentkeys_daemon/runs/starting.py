"""Begins runs: programs under exec, with no more than their profile or the run around them has."""

from __future__ import annotations

from collections.abc import Callable

from agentkeys.clock import Clock
from agentkeys.config import Profile
from agentkeys.documents import credential_variables
from agentkeys.errors import AgentkeysError, InsideRun, RunError, UnknownRun
from agentkeys.leases import Lease, LeaseTerms
from agentkeys.processes import ProcessId
from agentkeys.secret import Secret
from agentkeys_daemon.aws_files import AwsFiles
from agentkeys_daemon.endpoint import new_token, token_hash
from agentkeys_daemon.ledger.records import Recorder
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.profile_leases import ProfileLeases
from agentkeys_daemon.runs.asked import AskedRun
from agentkeys_daemon.runs.break_glass import BreakGlass
from agentkeys_daemon.runs.registry import RunRegistry
from agentkeys_daemon.runs.run import Run, new_run_id
from agentkeys_daemon.runs.terms import RunTerms

__all__ = ["ENDPOINT_VARIABLES", "RunStarter"]

ENDPOINT_VARIABLES = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
EXPLAINED = "(of the run)"
"""In place of what a run only has once it has begun."""


class RunStarter:
    """Begins a run, or tells what one would be given; raises AgentkeysError and its leaves."""

    def __init__(
        self,
        *,
        registry: RunRegistry,
        terms: RunTerms,
        leases: ProfileLeases,
        aws_files: AwsFiles,
        records: Recorder,
        clock: Clock,
        open_endpoint: Callable[[Run, Secret, AskedRun], dict[str, str]],
        drop_lease: Callable[[str], None],
        begun: Callable[[], None],
    ) -> None:
        """`open_endpoint` gives what a run finds the endpoint by; `drop_lease` takes a run's id.

        `begun` is called when there is one lease more to keep fresh.
        """
        self._registry = registry
        self._terms = terms
        self._leases = leases
        self._aws_files = aws_files
        self._records = records
        self._clock = clock
        self._open_endpoint = open_endpoint
        self._drop_lease = drop_lease
        self._begun = begun
        self._break_glass = BreakGlass(leases=leases, records=records)

    async def begin(
        self,
        profile: Profile,
        peer: Peer,
        asked: AskedRun,
        *,
        inside: Run | None,
        inherited_region: str | None,
    ) -> dict[str, str]:
        """The variables of a new run whose program `peer` is about to be, secrets in the clear."""
        if asked.reason is not None:
            self._break_glass.check(profile, peer, inside)
        run_id = new_run_id()
        terms, asked = self._terms.begin(profile, asked, run_id, inside=inside)
        try:
            lease = await self._lease(terms, peer, asked, run_id)
            if inside:
                self._check_still(inside)
            variables = self._aws_files.place(profile, lease, inherited_region=inherited_region)
            token = new_token() if asked.has_token else None
            run = self._run(run_id, terms, lease, peer, asked, inside, token)
            # First: whoever is refused for want of a ledger leaves no token behind.
            must = asked.reason is not None
            await self._records.run_started(profile, lease, peer, run_id, must=must)
            given = self._open(run, lease, asked, token)
        except AgentkeysError:
            # Nobody works with what was minted for it.
            self._drop_lease(run_id)
            raise
        self._terms.remember(run, profile)
        self._begun()
        return variables | given | {"AGENTKEYS_RUN": run_id, "AWS_SDK_UA_APP_ID": run_id}

    def _open(
        self, run: Run, lease: Lease, asked: AskedRun, token: Secret | None
    ) -> dict[str, str]:
        """The variables by which its program gets credentials; from now on it is a run."""
        given = {} if asked.refresh else credential_variables(lease)
        try:
            if token:
                given |= self._open_endpoint(run, token, asked)
            self._registry.begin(run)
        except AgentkeysError:
            # Its start is on record already.
            self._records.run_ended(run)
            raise
        return given

    async def _lease(self, terms: LeaseTerms, peer: Peer, asked: AskedRun, run_id: str) -> Lease:
        if asked.reason is None:
            return await self._leases.lease(terms)
        return await self._break_glass.mint(terms, peer, reason=asked.reason, run_id=run_id)

    async def explain(
        self,
        profile: Profile,
        asked: AskedRun,
        *,
        inside: Run | None,
        inherited_region: str | None,
    ) -> dict[str, str]:
        """The variables that such a run would have, none of them a secret."""
        terms, asked = self._terms.begin(profile, asked, "", inside=inside)
        shared = self._terms.of(inside) if inside else self._leases.terms(profile)
        lease = await self._leases.lease(shared)
        # What cannot be asked for at all is told now.
        terms.scope.session_policy(lease.claims, profile.role_arn)
        names = ENDPOINT_VARIABLES if asked.refresh else tuple(credential_variables(lease))
        return {
            **self._aws_files.place(profile, lease, inherited_region=inherited_region),
            **dict.fromkeys(
                (*names, *(asked.legacy_mint or ()), "AGENTKEYS_RUN", "AWS_SDK_UA_APP_ID"),
                EXPLAINED,
            ),
        }

    def _run(
        self,
        run_id: str,
        terms: LeaseTerms,
        lease: Lease,
        peer: Peer,
        asked: AskedRun,
        inside: Run | None,
        token: Secret | None,
    ) -> Run:
        now = self._clock.now()
        return Run(
            id=run_id,
            profile=terms.profile.name,
            identity=terms.profile.identity.name,
            issuer=lease.user.issuer,
            subject=lease.user.subject,
            process=_process(peer),
            program=asked.program,
            started_at=now,
            allow=asked.allow,
            reads_only=asked.reads_only,
            scope=terms.scope,
            lease_run=terms.run_id,
            outer=(*inside.outer, inside.id) if inside else (),
            fetches=asked.refresh,
            mints=asked.legacy_mint is not None,
            token_hash=token_hash(token.reveal()) if token else None,
            break_glass_until=None if asked.reason is None else now + lease.remaining(self._clock),
        )

    def _check_still(self, inside: Run) -> None:
        """Raises InsideRun where the run that a new one is in has ended during its mint."""
        try:
            is_gone = self._registry.find(inside.id).is_forgotten
        except UnknownRun:
            is_gone = True
        if is_gone:
            raise InsideRun(
                f"the credentials of run {inside.id} have been taken away",
                hint="start the program again, outside of it",
            )


def _process(peer: Peer) -> ProcessId:
    if peer.process is None:
        raise RunError("the system does not tell which process begins a run", hint="try again")
    return peer.process
