"""One mint: a token, the checks, the STS call, and the few retries that can help."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.broker_refusals import refusal_of
from agentkeys.config import Profile
from agentkeys.errors import (
    AgentkeysError,
    BrokerRefused,
    BrokerUnreachable,
    DaemonTimeout,
    LoginRequired,
    StsAnswerInvalid,
    StsBusy,
    StsError,
    StsRefused,
    StsTokenRefused,
    StsUnreachable,
    TokenInvalid,
    TokenUnconfined,
    VaultLocked,
    WrongIdentity,
)
from agentkeys.leases import Lease, LeaseTerms, Minter
from agentkeys.leases.minting import check_expected
from agentkeys.models import Confinement, RoleArn, WebIdentityToken
from agentkeys.stores import CEPH, MINIO, StoreKind
from agentkeys.transport import Answer
from tests.fakes.exchange import FakeExchange
from tests.fakes.tokens import FakeTokenSource
from tests.support.hasty_loop import HastyLoop, run_hastily
from tests.support.moved_clock import MovedClock
from tests.support.profiles import PROFILE, STS_ENDPOINT, a_profile
from tests.support.tokens import ALICE, BOB, CAROL, TAGS, User


def terms(profile: Profile, sts: FakeExchange) -> LeaseTerms:
    return LeaseTerms(profile, STS_ENDPOINT, sts)


class Mint:
    """A minter with everything around it in memory; `naps` are the pauses that it made."""

    def __init__(self, user: User = ALICE) -> None:
        self.clock = MovedClock()
        self.source = FakeTokenSource(clock=self.clock, user=user)
        self.sts = FakeExchange(clock=self.clock)
        self.naps: list[float] = []
        self._minter = Minter(clock=self.clock, sleep=self._sleep, jitter=lambda: 0.5)

    async def _sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.clock.move(timedelta(seconds=seconds))

    def __call__(self, profile: Profile = PROFILE) -> Lease:
        subject = self.source.held_subject() or ""
        return asyncio.run(
            self._minter.mint(terms(profile, self.sts), self.source, subject=subject)
        )


def test_a_token_becomes_a_lease() -> None:
    """With the facts that it was minted under."""
    mint = Mint()
    lease = mint()
    [request] = mint.sts.requests
    assert request.duration == timedelta(hours=1)
    assert request.role_arn == PROFILE.role_arn
    assert request.role_session_name == f"agentkeys-{ALICE.wallet[:24]}-1780315200"
    assert lease.role_session_name == request.role_session_name
    assert lease.credentials.access_key_id == "ASIA0000000000000001"
    assert lease.sts_request_id == "request-1"
    assert lease.minted_at == mint.clock.now()
    assert lease.subject == f"agentkeys:agent:{ALICE.wallet}"
    assert lease.claims["agentkeys_actor_omni"] == ALICE.omni
    assert all(isinstance(value, str) for value in lease.claims.values())


def test_the_store_hears_both_audiences() -> None:
    """For the hint of its refusal."""
    mint = Mint()
    mint()
    [audiences] = mint.sts.audiences
    assert audiences is not None
    assert (audiences.of_token, audiences.expected) == (("sts.amazonaws.com",), "sts.amazonaws.com")


def test_a_session_without_a_wallet_is_named_by_its_omni() -> None:
    """In the store's trail."""
    mint = Mint(CAROL)
    assert mint().role_session_name == f"agentkeys-{CAROL.omni[:24]}-1780315200"


def test_a_token_without_a_wallet_claim_is_named_by_its_subject() -> None:
    """Tokens of other issuers have none."""
    mint = Mint()
    mint.source.claims = {"agentkeys_user_wallet": None, "sub": "svc/backup"}
    lease = mint(a_profile(confine=Confinement("role")))
    assert lease.role_session_name == "agentkeys-svcbackup-1780315200"
    assert "agentkeys_user_wallet" not in lease.claims


# What is checked before a store sees anything.


@pytest.mark.parametrize(
    ("claims", "changes", "kind"),
    [
        pytest.param({"aud": "vault"}, {}, TokenUnconfined, id="another audience"),
        pytest.param({"aud": ["vault", "x"]}, {}, TokenUnconfined, id="two other audiences"),
        pytest.param({TAGS: None}, {"confine": Confinement("tags")}, TokenUnconfined, id="no tags"),
        pytest.param(
            {"agentkeys_user_wallet": "*"}, {}, TokenUnconfined, id="a wildcard for a wallet"
        ),
        pytest.param({"agentkeys_user_wallet": None}, {}, TokenUnconfined, id="no wallet"),
        pytest.param(
            {}, {"confine": Confinement("claim", "team")}, TokenUnconfined, id="no such claim"
        ),
        pytest.param({}, {"expect_wallet": BOB.wallet}, WrongIdentity, id="another wallet"),
        pytest.param({}, {"expect_subject": "somebody"}, WrongIdentity, id="another subject"),
    ],
)
def test_a_token_that_does_not_confine_reaches_no_store(
    claims: dict[str, Any], changes: dict[str, Any], kind: type[AgentkeysError]
) -> None:
    """And is not tried again: the next one would be the same."""
    mint = Mint()
    mint.source.claims = claims
    with pytest.raises(kind) as refusal:
        mint(a_profile(**changes))
    assert (mint.source.fetches, mint.sts.calls, mint.naps) == (1, 0, [])
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("kind", "need"),
    [
        pytest.param(replace(CEPH, algorithms=frozenset({"RS256"})), "RS256", id="algorithm"),
        pytest.param(replace(MINIO, algorithms=frozenset({"ES512"})), "ES512", id="another"),
    ],
)
def test_a_token_of_a_form_that_the_store_refuses_is_not_shown_to_it(
    kind: StoreKind, need: str
) -> None:
    """The hint says what that kind of store needs."""
    mint = Mint()
    store = replace(PROFILE.store, kind=kind)
    with pytest.raises(TokenInvalid, match="signed with ES256") as refusal:
        mint(a_profile(store=store))
    assert (mint.source.fetches, mint.sts.calls, mint.naps) == (1, 0, [])
    assert refusal.value.hint == f"have the issuer sign with {need}"


def test_one_of_several_audiences_is_enough() -> None:
    """The store looks for its own in the list, too."""
    mint = Mint()
    mint.source.claims = {"aud": ["vault", "sts.amazonaws.com"]}
    assert mint()


def test_a_token_renewed_on_the_way_is_checked_again() -> None:
    """The first one's being good says nothing about the second."""

    class Turning(FakeTokenSource):
        async def fetch_token(self, subject: str) -> WebIdentityToken:
            token = await super().fetch_token(subject)
            self.claims = {"agentkeys_user_wallet": "*"}
            return token

    mint = Mint()
    mint.source = Turning(clock=mint.clock)
    mint.sts.problems.append(StsTokenRefused("expired"))
    with pytest.raises(TokenUnconfined):
        mint()
    assert mint.sts.calls == 1


def test_a_token_of_whoever_logged_in_meanwhile_is_not_fetched() -> None:
    """Between two attempts the session may have become another one."""

    class Changing(FakeTokenSource):
        async def fetch_token(self, subject: str) -> WebIdentityToken:
            token = await super().fetch_token(subject)
            self.user = BOB
            return token

    mint = Mint()
    mint.source = Changing(clock=mint.clock)
    mint.sts.problems.append(StsTokenRefused("expired"))
    with pytest.raises(WrongIdentity):
        mint()
    assert mint.sts.calls == 1


@pytest.mark.parametrize(
    ("changes", "subject", "wallet", "fits"),
    [
        pytest.param({}, "s", None, True, id="no pins"),
        pytest.param({"expect_wallet": "0xab"}, "s", "0xab", True, id="the wallet"),
        pytest.param({"expect_wallet": "0xAB"}, "s", "0xab", True, id="the wallet in upper case"),
        pytest.param({"expect_wallet": "0xab"}, "s", "0xac", False, id="another wallet"),
        pytest.param({"expect_wallet": "0xab"}, "s", None, False, id="no wallet"),
        pytest.param({"expect_wallet": "None"}, "s", None, False, id="no wallet, oddly pinned"),
        pytest.param({"expect_subject": "s"}, "s", None, True, id="the subject"),
        pytest.param({"expect_subject": "S"}, "s", None, False, id="the subject in upper case"),
        pytest.param(
            {"expect_subject": "s", "expect_wallet": "0xab"}, "s", "0xac", False, id="one of two"
        ),
    ],
)
def test_a_pinned_profile_is_for_one_identity(
    changes: dict[str, str], subject: str, wallet: str | None, fits: bool
) -> None:
    """Whoever else is logged in gets a clear refusal, and no credentials of theirs."""
    profile = a_profile(**changes)
    if fits:
        check_expected(profile, subject, wallet)
        return
    with pytest.raises(WrongIdentity, match="the profile data is for") as refusal:
        check_expected(profile, subject, wallet)
    assert "agentkeys login me" in refusal.value.hint


# Retries.


def test_a_refused_token_is_renewed_once() -> None:
    """It may have expired on its way."""
    mint = Mint()
    mint.sts.problems.append(StsTokenRefused("expired"))
    mint()
    assert (mint.source.fetches, mint.sts.calls, mint.naps) == (2, 2, [])
    first, second = mint.sts.requests
    assert first.token != second.token


def test_a_token_refused_twice_is_an_error() -> None:
    """A second refusal has another reason than its age."""
    mint = Mint()
    mint.sts.problems.extend([StsTokenRefused("expired"), StsTokenRefused("wrong key")])
    with pytest.raises(StsTokenRefused, match="wrong key"):
        mint()
    assert (mint.source.fetches, mint.sts.calls) == (2, 2)


@pytest.mark.parametrize("problem", [StsRefused("no"), StsAnswerInvalid("what?"), StsError("?")])
def test_what_no_retry_can_help_is_not_retried(problem: StsError) -> None:
    """The store is asked once."""
    mint = Mint()
    mint.sts.problems.append(problem)
    with pytest.raises(type(problem)):
        mint()
    assert (mint.source.fetches, mint.sts.calls, mint.naps) == (1, 1, [])


@pytest.mark.parametrize("problem", [StsBusy("later"), StsUnreachable("down")])
def test_a_store_that_is_away_is_asked_three_times(problem: StsError) -> None:
    """With growing pauses, and with the same token."""
    mint = Mint()
    mint.sts.problems.extend([problem] * 3)
    with pytest.raises(type(problem)):
        mint()
    assert (mint.source.fetches, mint.sts.calls) == (1, 3)
    assert mint.naps == pytest.approx([0.2, 0.8])


def test_a_store_that_comes_back_gives_a_lease() -> None:
    """Nobody has to know that it was away."""
    mint = Mint()
    mint.sts.problems.extend([StsUnreachable("down"), StsBusy("later")])
    assert mint().credentials.access_key_id == "ASIA0000000000000003"


def test_a_busy_store_says_how_long_to_wait() -> None:
    """Its word counts, not our own pauses."""
    mint = Mint()
    mint.sts.problems.extend([StsBusy("later", retry_after=3.0), StsBusy("later", retry_after=0.0)])
    mint()
    assert mint.naps == [3.0, 0.0]


@pytest.mark.parametrize(("seconds", "naps"), [(3, [3.0]), (1740, [])])
def test_a_broker_s_rate_limit_is_waited_for_where_there_is_time(
    seconds: int, naps: list[float]
) -> None:
    """It comes as a 400 like any mistake of ours, and says when to come back."""
    words = {"error": "bad_request", "message": f"rate limited: mints; retry in {seconds}s"}
    answer = Answer(400, {}, json.dumps(words).encode(), None)
    url = "https://broker.example.com"
    mint = Mint()
    mint.source.problems.append(
        refusal_of(answer, url=url, sent=(), known={}, now=mint.clock.now())
    )
    if naps:
        mint()
    else:
        with pytest.raises(BrokerRefused, match="limits how often"):
            mint()
    assert mint.naps == naps


def test_a_store_that_wants_us_back_much_later_is_taken_at_its_word() -> None:
    """Whoever waits hears it now, rather than that nothing happened in time."""
    mint = Mint()
    mint.sts.problems.append(StsBusy("later", retry_after=3600.0))
    with pytest.raises(StsBusy):
        mint()
    assert (mint.sts.calls, mint.naps) == (1, [])


@pytest.mark.parametrize(("left", "fetches"), [(70, 1), (60, 2)])
def test_a_token_near_its_end_is_not_shown_twice(left: int, fetches: int) -> None:
    """With under a minute left it would only be refused for its age."""
    mint = Mint()
    mint.source.lifetime = timedelta(seconds=left)
    mint.sts.problems.append(StsBusy("later", retry_after=5.0))
    mint()
    assert (mint.source.fetches, mint.sts.calls) == (fetches, 2)


@given(
    st.lists(
        st.sampled_from([StsTokenRefused, StsBusy, StsUnreachable, StsRefused, StsAnswerInvalid]),
        max_size=8,
    )
)
def test_one_lease_costs_at_most_three_calls(kinds: list[type[StsError]]) -> None:
    """Whatever the store answers, in whatever order; and at most two tokens."""
    mint = Mint()
    mint.sts.problems.extend(kind("no") for kind in kinds)
    try:
        mint()
    except StsError:
        assert mint.sts.calls == len(kinds) - len(mint.sts.problems)
    assert mint.sts.calls <= 3
    assert mint.source.fetches <= 2


def test_a_broker_that_is_away_is_asked_three_times() -> None:
    """As a store is."""
    mint = Mint()
    mint.source.problems.extend([BrokerUnreachable("down")] * 3)
    with pytest.raises(BrokerUnreachable):
        mint()
    assert (mint.source.fetches, mint.sts.calls) == (3, 0)
    assert mint.naps == pytest.approx([0.2, 0.8])


def test_a_broker_that_comes_back_gives_a_lease() -> None:
    """A restart of the broker takes a moment."""
    mint = Mint()
    mint.source.problems.append(BrokerUnreachable("restarting"))
    assert mint()


@pytest.mark.parametrize(
    "problem", [LoginRequired("who?"), BrokerRefused("no"), VaultLocked("locked")]
)
def test_what_only_a_person_can_mend_is_not_retried(problem: AgentkeysError) -> None:
    """A 401 that is asked again stays one."""
    mint = Mint()
    mint.source.problems.append(problem)
    with pytest.raises(type(problem)):
        mint()
    assert (mint.source.fetches, mint.sts.calls, mint.naps) == (1, 0, [])


def test_pauses_differ_between_machines() -> None:
    """Or a fleet that lost its store together would come back together."""

    async def pauses(jitter: float) -> list[float]:
        clock = MovedClock()
        naps: list[float] = []

        async def sleep(seconds: float) -> None:
            naps.append(seconds)

        sts = FakeExchange(clock=clock)
        sts.problems.extend([StsUnreachable("down")] * 2)
        minter = Minter(clock=clock, sleep=sleep, jitter=lambda: jitter)
        await minter.mint(terms(PROFILE, sts), FakeTokenSource(clock=clock), subject=ALICE.subject)
        return naps

    assert asyncio.run(pauses(0.0)) == pytest.approx([0.1, 0.4])
    assert asyncio.run(pauses(1.0)) == pytest.approx([0.3, 1.2])


def test_a_mint_that_takes_too_long_is_given_up() -> None:
    """Before its clients give up, so that they hear why."""

    async def story() -> None:
        clock = MovedClock()
        sts = FakeExchange(clock=clock)
        sts.open.clear()
        minting = asyncio.ensure_future(
            Minter(clock=clock).mint(
                terms(PROFILE, sts), FakeTokenSource(clock=clock), subject=ALICE.subject
            )
        )
        await sts.called()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HastyLoop)
        loop.skip(20)
        await minting

    with pytest.raises(DaemonTimeout, match="no credentials for data within 20 s") as refusal:
        run_hastily(story())
    assert refusal.value.retryable


def test_a_store_without_roles_gets_no_arn() -> None:
    """MinIO takes the policy from the token."""
    mint = Mint()
    mint(a_profile(role_arn=None))
    assert mint.sts.requests[0].role_arn is None


def test_a_role_s_path_stays_whole() -> None:
    """It is part of the ARN."""
    mint = Mint()
    arn = RoleArn.parse("arn:aws:iam::000000000001:role/a/b/data")
    mint(a_profile(role_arn=arn))
    assert mint.sts.requests[0].role_arn == arn
