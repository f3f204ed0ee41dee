"""Makes one lease: a token, the checks, the STS call, and the few retries that can help."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from agentkeys.claims import WALLET_CLAIM
from agentkeys.clock import Clock, Sleep
from agentkeys.config import Profile
from agentkeys.confinement import check_confined
from agentkeys.errors import (
    AgentkeysError,
    DaemonTimeout,
    StsError,
    StsTokenRefused,
    TokenUnconfined,
    WrongIdentity,
)
from agentkeys.leases.lease import Lease
from agentkeys.leases.schedule import Plan, first_refresh
from agentkeys.leases.skew import believed_skew
from agentkeys.leases.terms import LeaseTerms
from agentkeys.models import AssumedRole, TokenUser, WebIdentityToken
from agentkeys.scopes import policy_hash
from agentkeys.stores import check_token_form
from agentkeys.sts import role_session_name
from agentkeys.sts.refusals import Audiences
from agentkeys.sts.request import AssumeRoleRequest
from agentkeys.tokens import TokenSource

__all__ = ["Minter", "check_expected", "check_token", "check_user", "plain_claims"]

log = logging.getLogger("agentkeys.leases")

MINT_LIMIT = timedelta(seconds=20)
"""A mint ends before its waiting clients do, so that they hear why it failed."""

ATTEMPTS = 3
REUSABLE = timedelta(seconds=60)
"""A token with less than this left is not shown to a store a second time."""


T = TypeVar("T")


class Minter:
    """Mints leases. It keeps nothing: whoever calls it twice gets two leases."""

    def __init__(
        self,
        *,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    async def mint(
        self,
        terms: LeaseTerms,
        source: TokenSource,
        *,
        subject: str,
        plan: Plan = first_refresh,
    ) -> Lease:
        """Credentials on `terms`, confined as they say, or an error and no credentials at all.

        `subject` is the source's word for whom they must be for; `plan` says when they are to be
        refreshed.

        Raises TokenError, StsError and their leaves, VaultError, DaemonTimeout.
        """
        end = self._clock.monotonic() + MINT_LIMIT.total_seconds()
        try:
            async with asyncio.timeout(MINT_LIMIT.total_seconds()):
                minted = await self._mint(terms, source, subject, end)
        except AgentkeysError as problem:
            log.debug("no mint for %s: %s", terms.profile.name, problem.code)
            raise
        except TimeoutError:
            raise DaemonTimeout(
                f"no credentials for {terms.profile.name} within {MINT_LIMIT.seconds} s",
                hint="check that broker and store are up, then try again",
            ) from None
        return self._lease(minted, terms, plan)

    async def mint_once(self, terms: LeaseTerms, token: WebIdentityToken) -> Lease:
        """The same for a token at hand, by one call: nothing is waited for or tried again.

        It checks the token as `mint` does. Raises TokenError, StsError and their leaves.
        """
        check_token(terms.profile, token)
        return self._lease(await self._assume(terms, token), terms, first_refresh)

    async def _mint(
        self, terms: LeaseTerms, source: TokenSource, subject: str, end: float
    ) -> _Minted:
        token: WebIdentityToken | None = None
        renewed = False
        retries_left = ATTEMPTS
        while True:
            retries_left -= 1
            token = token or await self._fetch(terms, source, subject, end)
            try:
                return await self._assume(terms, token)
            except StsTokenRefused:
                # A token can expire on its way to the store; a second refusal has another reason.
                if renewed or not retries_left:
                    raise
                token, renewed = None, True
            except StsError as problem:
                pause = self._pause(problem, ATTEMPTS - 1 - retries_left)
                if not problem.retryable or not retries_left or not self._has(pause, end):
                    raise
                await self._sleep(pause)
                if token.expires_at - self._clock.now() < REUSABLE:
                    token = None

    async def _assume(self, terms: LeaseTerms, token: WebIdentityToken) -> _Minted:
        asked_at = self._clock.monotonic()
        request = _request(terms, token, self._clock.now())
        role = await terms.exchange.assume_role_with_web_identity(
            request, audiences=Audiences(token.audiences, terms.profile.identity.audience)
        )
        return _Minted(asked_at, request, token, role)

    async def _fetch(
        self, terms: LeaseTerms, source: TokenSource, subject: str, end: float
    ) -> WebIdentityToken:
        token = await self._patiently(lambda: source.fetch_token(subject), end)
        check_token(terms.profile, token)
        if terms.run_id:
            # Nobody shares the mint, so that it can be refused before it is made.
            check_user(terms, token.user)
        return token

    async def _patiently(self, call: Callable[[], Awaitable[T]], end: float) -> T:
        """Runs `call`, and again after a growing pause where its error says it may help."""
        for retry in range(ATTEMPTS - 1):
            try:
                return await call()
            except AgentkeysError as problem:
                pause = self._pause(problem, retry)
                if not problem.retryable or not self._has(pause, end):
                    raise
                await self._sleep(pause)
        return await call()

    def _pause(self, problem: AgentkeysError, retry: int) -> float:
        asked = problem.retry_after
        return asked if asked is not None else 0.2 * 4**retry * (0.5 + self._jitter())

    def _has(self, pause: float, end: float) -> bool:
        """Whether there is time for a pause; if not, its reason says more than a time-out would."""
        return self._clock.monotonic() + pause < end

    def _lease(self, minted: _Minted, terms: LeaseTerms, plan: Plan) -> Lease:
        role, now = minted.role, self._clock.now()
        expires_at = role.credentials.expires_at
        skew = believed_skew(role, minted.token, terms.profile.duration, now)
        taken = timedelta(seconds=self._clock.monotonic() - minted.asked_at)
        log.debug("minted for %s in %.0f ms", terms.profile.name, 1000 * taken.total_seconds())
        minted_at = now + skew - taken
        return Lease(
            credentials=role.credentials,
            minted_at=minted_at,
            refresh_at=minted_at + plan(expires_at - minted_at, self._jitter()),
            skew=skew,
            deadline=self._clock.monotonic() + (expires_at - (now + skew)).total_seconds(),
            role_session_name=minted.request.role_session_name,
            subject=minted.token.subject,
            claims=plain_claims(minted.token.claims),
            sts_request_id=role.request_id,
            policy_hash=policy_hash(minted.request.policy),
            run_id=terms.run_id,
        )


@dataclass(frozen=True, slots=True)
class _Minted:
    """What a mint brought home."""

    asked_at: float
    """On the monotonic clock."""
    request: AssumeRoleRequest
    token: WebIdentityToken
    role: AssumedRole


def plain_claims(claims: Mapping[str, Any]) -> dict[str, str]:
    """The top-level ones that are strings: what prefixes are made of."""
    return {name: value for name, value in claims.items() if isinstance(value, str)}


def check_token(profile: Profile, token: WebIdentityToken) -> None:
    """Raises TokenError for one that the profile's store must not be shown."""
    store, audience = profile.store.kind, profile.identity.audience
    if audience not in (None, *token.audiences):
        raise TokenUnconfined(
            f"the token is for {', '.join(token.audiences)}, not for {audience}",
            hint=f"have the issuer make it for {audience} or, if {store.title} takes the one"
            " that it has, set the identity's audience to that",
        )
    check_token_form(store, algorithm=token.algorithm, key_id=token.key_id)
    check_confined(token, profile.confine)
    check_expected(profile, token.subject, token.claims.get(WALLET_CLAIM))


def check_expected(profile: Profile, subject: str, wallet: object) -> None:
    """Raises WrongIdentity unless the profile's pins, where it has any, name this very identity."""
    if profile.expect_subject is not None and subject != profile.expect_subject:
        raise _wrong(profile, subject, profile.expect_subject)
    if profile.expect_wallet is not None and wallet != profile.expect_wallet.lower():
        raise _wrong(profile, str(wallet), profile.expect_wallet)


def check_user(terms: LeaseTerms, user: TokenUser) -> None:
    """Raises WrongIdentity unless that is whom the terms are for."""
    if terms.user not in (None, user):
        raise WrongIdentity(
            f"the program runs as {_named(terms.user, user)}, but {_named(user, terms.user)} is"
            " logged in by now",
            hint="start the program again",
        )


def _named(user: TokenUser, other: TokenUser) -> str:
    """With the issuer only where that is what tells the two apart."""
    return f"{user.subject} of {user.issuer}" if user.subject == other.subject else user.subject


def _wrong(profile: Profile, found: str, expected: str) -> WrongIdentity:
    return WrongIdentity(
        f"the profile {profile.name} is for {expected}, but {found} is logged in",
        hint=f"run: agentkeys login {profile.identity.name}, as {expected}",
    )


def _request(terms: LeaseTerms, token: WebIdentityToken, now: datetime) -> AssumeRoleRequest:
    profile, owner = terms.profile, token.claims.get(WALLET_CLAIM)
    suffix = terms.run_id or str(int(now.timestamp()))
    return AssumeRoleRequest(
        role_arn=profile.role_arn,
        role_session_name=role_session_name(
            owner if isinstance(owner, str) else token.subject, suffix
        ),
        token=token.jwt,
        duration=profile.duration,
        policy=terms.scope.session_policy(plain_claims(token.claims), profile.role_arn),
        policy_arns=terms.scope.policy_arns,
    )
