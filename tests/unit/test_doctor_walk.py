"""The whole walk, over HTTP on loopback: nothing stops it, and its credentials go nowhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.access_rules import AccessRule
from agentkeys.broker import BrokerClient
from agentkeys.claims import WALLET_CLAIM
from agentkeys.clock import SystemClock
from agentkeys.config import BrokerIdentity, Profile, Store
from agentkeys.doctor import STEPS, Finding
from agentkeys.doctor.patient import Patient
from agentkeys.doctor.walk import Doctor
from agentkeys.errors import AgentkeysError
from agentkeys.keeper import Keeper
from agentkeys.leases import Lease, LeaseTerms
from agentkeys.models import Confinement, RoleArn, WebIdentityToken
from agentkeys.scopes import profile_scope
from agentkeys.secret import Secret
from agentkeys.sessions import BrokerSession, parse_broker_session
from agentkeys.stores import STORE_KINDS
from agentkeys.sts.client import StsClient
from agentkeys.tokens import TokenSource
from agentkeys.tokens.broker import BrokerTokenSource
from agentkeys.transport import Transport
from agentkeys.vault.memory import MemoryVault
from tests.fakes.broker import MINT, FakeBroker
from tests.fakes.store import FakeStore
from tests.support.doctoring import public_key
from tests.support.tokens import ALICE, AUDIENCE, BOB

JWKS = "/.well-known/jwks.json"
DISCOVERY = "/.well-known/openid-configuration"
WALKED = STEPS[STEPS.index("clock") :]
WALLET = Confinement("claim", WALLET_CLAIM)
LAB = Store("lab", STORE_KINDS["seaweedfs"], None, None, None)


class StuckSource:
    """A command that hangs, or a server that takes its time."""

    async def subject(self) -> str:
        return ALICE.subject

    def held_subject(self) -> str | None:
        return ALICE.subject

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        await asyncio.Event().wait()
        raise AssertionError("nobody has set it")


@dataclass
class Clinic:
    """A broker, a store and a profile; what the doctor has found, and told of its mints."""

    broker: FakeBroker
    store: FakeStore
    profile: Profile
    is_logged_in: bool = True
    others: dict[str, str] | None = None
    token_seconds: float = 5.0
    source: TokenSource | None = None
    """Instead of the broker's."""
    mints: list[tuple[LeaseTerms, Lease | AgentkeysError]] = field(default_factory=list)
    found: dict[str, Finding] = field(default_factory=dict)

    def change(self, **changes: Any) -> None:
        self.profile = replace(self.profile, **changes)

    def examine(self) -> dict[str, tuple[str, str | None]]:
        """All that is not well."""
        findings = asyncio.run(self._walk())
        self.found = {finding.step: finding for finding in findings}
        assert sorted(self.found, key=STEPS.index) == list(WALKED)
        assert len(findings) == len(WALKED)
        return {
            step: (finding.outcome.value, finding.code)
            for step, finding in self.found.items()
            if finding.outcome.value != "ok"
        }

    async def _walk(self) -> list[Finding]:
        clock = SystemClock()
        async with Transport(clock=clock) as transport:
            keeper = Keeper(
                identity="me",
                account="me@test",
                vault=MemoryVault(),
                clock=clock,
                times=transport.times,
            )
            if self.is_logged_in:
                jwt = Secret(self.broker.session_jwt())
                await keeper.keep_session(parse_broker_session(jwt, url=self.broker.url))
            source = BrokerTokenSource(
                broker=BrokerClient(url=self.broker.url, transport=transport),
                sessions=keeper.of(BrokerSession),
                times=transport.times,
            )
            url = self.profile.store.sts_url("us-east-1")
            exchange = StsClient(
                transport=transport, clock=clock, store=self.profile.store.kind, endpoint=url
            )
            patient = Patient(
                terms=LeaseTerms(self.profile, url, exchange, profile_scope(self.profile)),
                source=self.source or source,
                held_session=lambda: keeper.held_session,
                s3_endpoint=self.profile.store.s3_endpoint or url,
                region="us-east-1",
                others=self.others,
                token_seconds=self.token_seconds,
            )
            doctor = Doctor(transport=transport, clock=clock, minted=self._minted)
            return await doctor.examine(patient)

    async def _minted(self, terms: LeaseTerms, what: Lease | AgentkeysError) -> None:
        self.mints.append((terms, what))


@contextmanager
def clinic_of(kind: str, **options: Any) -> Iterator[Clinic]:
    with FakeBroker(ALICE, BOB) as broker, FakeStore(kind, **options) as store:
        broker.answer_with(JWKS, 200, {"keys": [public_key(x5c=["MIIB"])]}, times=9)
        lab = Store("lab", STORE_KINDS[kind], store.url, store.url, None)
        profile = Profile(
            name="data",
            identity=BrokerIdentity("me", broker.url, AUDIENCE, None),
            store=lab,
            role_arn=RoleArn("arn:aws:iam::111122223333:role/data"),
            region=None,
            duration=timedelta(hours=1),
            bucket="agentkeys",
            prefix="bots/{wallet}/",
            confine=Confinement("tags") if kind in ("aws", "ceph") else WALLET,
            expect_wallet=None,
            expect_subject=None,
        )
        yield Clinic(broker, store, profile)


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    with clinic_of("seaweedfs") as found:
        yield found


@pytest.mark.parametrize(
    ("kind", "but"),
    [
        ("seaweedfs", {}),
        ("ceph", {}),
        ("aws", {"discovery": ("failed", "issuer_not_public")}),
        ("minio", {"confinement": ("warning", "confine_ignored")}),
    ],
)
def test_a_sound_profile_is_well(kind: str, but: dict[str, tuple[str, str]]) -> None:
    """But for what no store of that kind could make of a broker on loopback."""
    with clinic_of(kind) as clinic:
        assert clinic.examine() == but
        assert clinic.store.listed == [OWN, FOREIGN]


DENIED, INVALID = "AccessDenied", "InvalidParameterValue"
OWN, FOREIGN = f"bots/{ALICE.wallet}/", "bots/0xdeadbeef/"
NEEDS_TOKEN = dict.fromkeys(("confinement", "role", "lifetime", "isolation"), ("skipped", None))
NEEDS_CREDENTIALS = dict.fromkeys(("lifetime", "isolation"), ("skipped", None))
NEEDS_STORE = {**NEEDS_CREDENTIALS, "role": ("skipped", None)}


def test_one_mint_is_enough_and_it_is_told(clinic: Clinic) -> None:
    """One token, one session, two listings."""
    clinic.examine()
    [(_, lease)] = clinic.mints
    assert isinstance(lease, Lease)
    assert clinic.broker.mints == 1
    assert len([r for r in clinic.store.requests if "WebIdentityToken" in r.form]) == 1


def test_a_narrow_profile_is_proven_with_a_session_that_is_whole(clinic: Clinic) -> None:
    """What narrows would hide what the store itself allows; both mints are told."""
    clinic.change(allow=(AccessRule("agentkeys", OWN, "ro"),))
    clinic.store.lists = lambda _prefix: True
    assert clinic.examine() == {"isolation": ("failed", "both_allowed")}
    sent = [r.form for r in clinic.store.requests if "WebIdentityToken" in r.form]
    assert ["Policy" in form for form in sent] == [True, False]
    assert len(clinic.mints) == 2


def test_a_second_identitys_prefix_is_used_where_it_is_known(clinic: Clinic) -> None:
    clinic.others = {WALLET_CLAIM: BOB.wallet}
    clinic.store.lists = lambda prefix: ALICE.wallet in prefix
    assert clinic.examine() == {}
    assert clinic.found["isolation"].facts["foreign_is_real"] is True
    assert clinic.store.listed == sorted([f"bots/{BOB.wallet}/", OWN])


@pytest.mark.parametrize(
    ("lists", "finds", "code", "words"),
    [
        (True, False, "both_allowed", "a broad grant"),
        (False, False, "both_denied", "no such bucket"),
        (False, True, "both_denied", "find the bucket"),
    ],
)
def test_both_allowed_and_both_denied_are_told_apart(
    clinic: Clinic, lists: bool, finds: bool, code: str, words: str
) -> None:
    clinic.store.lists = lambda _prefix: lists
    clinic.store.finds = finds
    assert clinic.examine() == {"isolation": ("failed", code)}
    assert words in clinic.found["isolation"].message


def test_a_bucket_that_is_not_there_is_no_verdict(clinic: Clinic) -> None:
    clinic.store.s3_answers(404, "NoSuchBucket")
    assert clinic.examine() == {"isolation": ("failed", "no_such_bucket")}


# what is broken, and what goes on all the same


def test_nobody_is_logged_in(clinic: Clinic) -> None:
    """The servers are looked at all the same."""
    clinic.is_logged_in = False
    assert clinic.examine() == {
        **NEEDS_TOKEN,
        "session": ("failed", "login_required"),
        "token": ("skipped", None),
    }
    assert clinic.found["session"].needs_user


def test_a_session_that_the_broker_takes_no_more(clinic: Clinic) -> None:
    clinic.broker.answer_with(MINT, 401, {"error": "unauthorized", "message": "no"})
    found = clinic.examine()
    assert found["session"] == ("failed", "login_required")
    assert found["token"] == ("skipped", None)


def test_a_broker_that_is_down(clinic: Clinic) -> None:
    """What needs it says so, and is not blamed; the store is looked at all the same."""
    clinic.change(identity=BrokerIdentity("me", "http://127.0.0.1:9", AUDIENCE, None))
    clinic.is_logged_in = False
    found = clinic.examine()
    assert found["server"] == ("failed", "broker_unreachable")
    assert found["discovery"] == found["keys"] == ("skipped", None)
    assert "store" not in found


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("signed with a shared secret", "token_invalid"),
        ("not a token", "token_invalid"),
        ("expired", "token_invalid"),
        ("with another's wallet", "token_unconfined"),
        ("by another issuer", "token_unconfined"),
    ],
)
def test_a_token_that_nobody_may_use(clinic: Clinic, how: str, code: str) -> None:
    clinic.broker.mint_mismade(how)
    found = clinic.examine()
    assert found == {**NEEDS_TOKEN, "token": ("failed", code)}


def test_a_token_for_another_audience_is_shown_to_no_store(clinic: Clinic) -> None:
    clinic.broker.audience = "vault"
    assert clinic.examine() == {"token": ("failed", "wrong_audience"), **NEEDS_STORE}
    assert "shown to no store" in clinic.found["role"].message
    assert clinic.mints == []


def test_an_issuer_that_names_itself_otherwise(clinic: Clinic) -> None:
    document = {"issuer": f"{clinic.broker.url}/", "jwks_uri": clinic.broker.url + JWKS}
    clinic.broker.answer_with(DISCOVERY, 200, document)
    assert clinic.examine() == {"discovery": ("failed", "issuer_mismatch")}


def test_keys_that_lack_the_tokens() -> None:
    with clinic_of("ceph") as clinic:
        clinic.broker.forget_answers()
        clinic.broker.answer_with(JWKS, 200, {"keys": [public_key(kid="other")]})
        assert clinic.examine() == {"keys": ("failed", "kid_unknown")}


def test_ceph_without_certificates_is_told_by_the_keys() -> None:
    """Its own refusal says nothing."""
    with clinic_of("ceph") as clinic:
        clinic.broker.forget_answers()
        clinic.broker.answer_with(JWKS, 200, {"keys": [public_key()]})
        clinic.store.refuse_with(403, "AccessDenied")
        found = clinic.examine()
    expected = ("failed", "x5c_missing")
    assert found == {"keys": expected, "role": expected, **NEEDS_CREDENTIALS}


def test_a_token_without_tags_is_shown_to_no_store() -> None:
    """The broker's source says so before anybody else."""
    with clinic_of("aws") as clinic:
        clinic.broker.mint_mismade("without tags")
        found = clinic.examine()
    assert found["token"] == ("failed", "token_unconfined")
    assert clinic.mints == []


def test_a_store_that_is_down(clinic: Clinic) -> None:
    dead = replace(clinic.profile.store, sts_endpoint="http://127.0.0.1:9")
    clinic.change(store=dead)
    assert clinic.examine() == {"store": ("failed", "store_unreachable"), **NEEDS_STORE}


def test_an_s3_that_is_down_costs_the_proof_alone(clinic: Clinic) -> None:
    clinic.change(store=replace(clinic.profile.store, s3_endpoint="http://127.0.0.1:9"))
    found = clinic.examine()
    assert found == {"store": ("failed", "s3_unreachable"), "isolation": ("skipped", None)}


def test_an_sts_that_is_a_web_page(clinic: Clinic) -> None:
    clinic.change(store=replace(clinic.profile.store, sts_endpoint=clinic.broker.url))
    assert clinic.examine() == {"store": ("failed", "not_an_sts"), **NEEDS_STORE}


@pytest.mark.parametrize(
    ("kind", "refusals", "code"),
    [
        ("aws", [(403, DENIED, "perform: sts:TagSession")], "tag_session_missing"),
        ("aws", [(403, DENIED, "Not authorized to perform sts:…")], "trust_policy"),
        ("aws", [(400, "InvalidIdentityToken", "Incorrect token audience")], "wrong_audience"),
        ("ceph", [(403, DENIED, "")], "refused_unsaid"),
        ("minio", [(400, INVALID, "groups claim missing from the JWT")], "claim_refused"),
        (
            "seaweedfs",
            [
                (403, DENIED, "trust policy validation failed"),
                (403, DENIED, "RoleArn is required"),
            ],
            "trust_policy",
        ),
        (
            "seaweedfs",
            [
                (403, DENIED, "trust policy validation failed"),
                (403, DENIED, "no identity provider registered for issuer: x"),
            ],
            "unknown_provider",
        ),
    ],
)  # fmt: skip
def test_a_refusal_is_explained_and_told(
    kind: str, refusals: list[tuple[int, str, str]], code: str
) -> None:
    """Once, however often the store is asked to explain itself."""
    with clinic_of(kind) as clinic:
        for refusal in refusals:
            clinic.store.refuse_with(*refusal)
        found = clinic.examine()
        asked = [r.form for r in clinic.store.requests if "WebIdentityToken" in r.form]
    assert found["role"] == ("failed", code)
    assert found.items() >= NEEDS_CREDENTIALS.items()
    assert len(asked) == len(refusals)
    [(_, problem)] = clinic.mints
    assert isinstance(problem, AgentkeysError)


def test_what_was_given_on_trial_is_told_as_well() -> None:
    """Credentials that nobody uses are credentials."""
    with clinic_of("aws") as clinic:
        clinic.change(duration=timedelta(hours=12))
        clinic.store.refuse_with(400, "ValidationError", "DurationSeconds exceeds the maximum")
        found = clinic.examine()
        assert found["role"] == ("failed", "duration_too_long")
    refused, *given = [what for _, what in clinic.mints]
    assert isinstance(refused, AgentkeysError)
    assert [isinstance(each, Lease) for each in given] == [True] * 3


@pytest.mark.parametrize(
    ("longest", "code"),
    [(30, "session_clamped"), (15, "session_short"), (5, "session_below_mandatory")],
)
def test_a_short_session_is_a_warning(longest: int, code: str) -> None:
    with clinic_of("seaweedfs", longest=timedelta(minutes=longest)) as clinic:
        assert clinic.examine() == {"lifetime": ("warning", code)}


def test_a_break_glass_profile_is_not_minted_for(clinic: Clinic) -> None:
    """Along the way, that is: its token is looked at."""
    clinic.change(is_break_glass=True)
    assert clinic.examine() == NEEDS_STORE
    assert "break-glass" in clinic.found["role"].message
    assert clinic.mints == []


def test_a_token_that_does_not_come_is_left_after_a_while(clinic: Clinic) -> None:
    """The rest is told all the same."""
    clinic.source = StuckSource()
    clinic.token_seconds = 0.1
    assert clinic.examine() == {**NEEDS_TOKEN, "token": ("failed", "token_timeout")}


@pytest.mark.parametrize("kind", ["aws", "seaweedfs"])
def test_no_finding_holds_a_secret(kind: str) -> None:
    """Neither the session nor the token, nor what the store gave."""
    with clinic_of(kind) as clinic:
        clinic.examine()
        told = json.dumps([finding.to_document() for finding in clinic.found.values()])
        sent = [r.headers.get("authorization", "") for r in clinic.broker.requests]
        tokens = [r.form.get("WebIdentityToken", "") for r in clinic.store.requests]
    parts = [part for text in sent + tokens for part in text.replace(" ", ".").split(".")]
    assert not any(part in told for part in parts if len(part) > 20)
    assert "secret-" not in told
    assert "session-1" not in told
