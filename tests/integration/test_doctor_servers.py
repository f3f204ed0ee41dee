"""The doctor's fault table, second part: what is wrong at a real broker or a real SeaweedFS.

Each row breaks one thing, and says which steps complain, by which code, and in which words.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
import pytest

from agentkeys_shell.sandbox.iam import BUCKET
from tests.support.diagnosing import Diagnosis, diagnose
from tests.support.faults import Answer, Drop
from tests.support.faults import Fault as Trouble
from tests.support.faulty_proxy import FaultyProxy
from tests.support.laboratory import STORE_AUDIENCE, Laboratory, role, running_laboratory
from tests.support.pages import running_pages
from tests.support.programs import Home
from tests.support.rewriting import Rewrite, with_words
from tests.support.signing_issuer import running_issuer
from tests.support.tokens import mismade_jwt, signing_key

PAGE = Answer("page", 200, b"<!doctype html><title>Sign in</title>", "text/html")
OF_THE_MACHINE = ("keyring", "memory")
"""Steps that tell of the machine that the tests run on."""

Damage = Callable[[Laboratory], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """A row of the table."""

    damage: Damage
    complaints: tuple[tuple[str, str, str], ...]
    words: str
    """What the first of them says, or advises."""
    skipped: tuple[str, ...] = ()
    """What rests on what is broken."""
    status: int = 1


@pytest.fixture(scope="module")
def laboratory(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with running_laboratory(home, tmp_path_factory.mktemp("laboratory")) as found:
        yield found


@pytest.fixture
def lab(laboratory: Laboratory) -> Laboratory:
    """Nothing is wrong, and somebody is logged in."""
    laboratory.mend()
    return laboratory


def complaints(found: Diagnosis) -> tuple[tuple[str, str, str], ...]:
    return tuple(entry for entry in found.complaints if entry[0] not in OF_THE_MACHINE)


def test_where_nothing_is_wrong_every_step_is_well(lab: Laboratory) -> None:
    """Up to the proof: one's own prefix can be listed, and another user's cannot."""
    found = diagnose(lab.home, sessions=[lab.session])
    assert complaints(found) == ()
    assert found.skipped == []
    assert (found.status, found.profile) == (0, "data")
    proof = found.steps["isolation"]["facts"]
    assert (proof["own"], proof["foreign"]) == ("allowed", "denied")
    assert found.steps["keyring"]["code"] == "vault_in_memory"


def test_another_user_s_own_prefix_is_the_foreign_one(lab: Laboratory) -> None:
    """Where somebody else is logged in at the same broker; a made-up one else."""
    assert not diagnose(lab.home).steps["isolation"]["facts"]["foreign_is_real"]
    lab.tables["profiles"]["theirs"] = {**lab.tables["profiles"]["data"], "identity": "other"}
    lab.configure()
    lab.log_in_as_other()
    lab.home.succeed("agentkeys-credential-process", "--profile", "theirs")
    mine, theirs = (
        diagnose(lab.home, name).steps["isolation"]["facts"] for name in ("data", "theirs")
    )
    assert mine["foreign_is_real"]
    assert (mine["own"], mine["foreign"]) == ("allowed", "denied")
    assert mine["foreign_prefix"] == theirs["own_prefix"] != mine["own_prefix"]


# How things are broken.


def _by(change: Callable[[Laboratory], object]) -> Damage:
    @contextmanager
    def damage(lab: Laboratory) -> Iterator[None]:
        change(lab)
        yield

    return damage


def _broker(*troubles: Trouble) -> Damage:
    """Between the daemon and the broker; the login is from before that."""

    @contextmanager
    def damage(lab: Laboratory) -> Iterator[None]:
        with FaultyProxy(lab.broker.url) as proxy:
            lab.change("identities", "me", url=proxy.url)
            lab.log_in(url=proxy.url)
            proxy.play(*troubles) if troubles else proxy.refuse()
            yield

    return damage


def _store(*troubles: Trouble) -> Damage:
    @contextmanager
    def damage(lab: Laboratory) -> Iterator[None]:
        with FaultyProxy(lab.store) as proxy:
            lab.change("stores", "lab", sts_endpoint=proxy.url, s3_endpoint=proxy.url)
            proxy.play(*troubles) if troubles else proxy.refuse()
            yield

    return damage


def _profile(**values: object) -> Damage:
    return _by(lambda lab: lab.profile(**values))


def _token(claims: dict[str, object], **options: object) -> Damage:
    """The token of another issuer, which the store knows."""
    return _by(lambda lab: lab.token(lab.sign(claims), role_arn=role("people"), **options))


def _claims(lab: Laboratory) -> dict[str, Any]:
    """Of a token that only its making is wrong about."""
    times: dict[str, Any] = {"iat": int(time.time()), "exp": 4_000_000_000}
    user = {"sub": "alice", "agentkeys_user_wallet": "0xa11ce"}
    return {"iss": lab.issuer.url, "aud": STORE_AUDIENCE, **user, **times}


def _signed_with_a_shared_secret(lab: Laboratory) -> None:
    token = mismade_jwt("signed with a shared secret", _claims(lab))
    lab.token(token, role_arn=role("people"))


def _no_file(lab: Laboratory) -> None:
    lab.change("identities", "file", path=None)
    lab.profile(identity="file")


def _without_kid(lab: Laboratory) -> None:
    token = jwt.encode(_claims(lab), signing_key("oidc"), algorithm="ES256")
    lab.token(token, role_arn=role("people"))


@contextmanager
def _stranger(lab: Laboratory) -> Iterator[None]:
    """Somebody of whom the store has not heard signs."""
    with running_issuer() as issuer:
        claims = {"sub": "x", "aud": STORE_AUDIENCE, "agentkeys_user_wallet": "0xa11ce"}
        lab.token(issuer.sign(claims), role_arn=role("people"))
        yield


@contextmanager
def _port_of_nobody() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def _keys_at_a_port_of_nobody(lab: Laboratory) -> Iterator[None]:
    with _port_of_nobody() as nobody:
        there = f"{lab.broker.url}/.well-known/jwks.json"
        with _broker(with_words(there, f"{nobody}/jwks"))(lab):
            yield


def _discovery(change: Callable[[dict[str, Any]], None]) -> Damage:
    """Something else in the document, and its tokens as they were."""

    def rewrite(head: bytes, body: bytes) -> tuple[bytes, bytes]:
        if b'"jwks_uri"' not in body:
            return head, body
        document = json.loads(body)
        change(document)
        return head, json.dumps(document).encode()

    return _broker(Rewrite(rewrite))


def _keys(keys: list[dict[str, str]]) -> Damage:
    """These published in place of the broker's own, for the doctor; the store has the own ones."""

    @contextmanager
    def damage(lab: Laboratory) -> Iterator[None]:
        with running_pages({"/jwks": json.dumps({"keys": keys}).encode()}) as pages:
            there = {"jwks_uri": f"{pages.url}/jwks"}
            with _discovery(lambda document: document.update(there))(lab):
                yield

    return damage


# the login

LOGIN = {
    "nobody is logged in": Fault(
        _by(Laboratory.log_out),
        (("session", "failed", "login_required"),),
        "nobody is logged in as me | run: agentkeys login me",
        skipped=("token", "confinement", "role", "lifetime", "isolation"),
        status=3,
    ),
}

# the broker

BROKER = {
    "nobody listens at the broker's address": Fault(
        _broker(),
        (("server", "failed", "broker_unreachable"),),
        "the broker does not answer: ",
        skipped=("token", "confinement", "role", "lifetime", "isolation"),
    ),
    "a sign-in page in the broker's place": Fault(
        _broker(PAGE),
        (("discovery", "failed", "discovery_malformed"), ("token", "failed", "broker_unreachable")),
        "is no JSON object | see whether a proxy's sign-in page is in the way",
        skipped=("keys", "confinement", "role", "lifetime", "isolation"),
    ),
    "a slash at the end of the issuer": Fault(
        _discovery(lambda document: document.update(issuer=document["issuer"] + "/")),
        (("discovery", "failed", "issuer_mismatch"),),
        "compares them byte for byte",
    ),
    "keys without the token's own": Fault(
        _keys([{"kty": "EC", "crv": "P-256", "kid": "other-1"}]),
        (("keys", "failed", "kid_unknown"),),
        "which the issuer does not publish",
    ),
    "no keys at all": Fault(
        _keys([]),
        (("keys", "failed", "keys_empty"),),
        "the issuer publishes no keys",
    ),
    "keys where nobody listens": Fault(
        _keys_at_a_port_of_nobody,
        (("keys", "warning", "keys_unreachable"),),
        "the issuer's keys cannot be had from here: ",
        status=0,
    ),
    "a discovery document that names no keys": Fault(
        _discovery(lambda document: document.pop("jwks_uri")),
        (("discovery", "failed", "jwks_uri_missing"),),
        "says nowhere where the issuer's keys are",
        skipped=("keys",),
    ),
    "a broker that never answers": Fault(
        _broker(Drop()),
        (("server", "failed", "broker_unreachable"),),
        "the broker does not answer: ",
        skipped=("discovery", "keys", "token", "confinement", "role", "lifetime", "isolation"),
    ),
}

# the token

TOKEN = {
    "an audience that the configuration does not mean": Fault(
        _by(lambda lab: lab.change("identities", "me", audience="vault.example.com")),
        (("token", "failed", "wrong_audience"),),
        "the token is for sts.amazonaws.com, not for vault.example.com",
    ),
    "a token file that the client's environment does not name": Fault(
        _by(_no_file),
        (("token", "failed", "source_absent"),),
        "AWS_WEB_IDENTITY_TOKEN_FILE is not set",
        skipped=("discovery", "keys", "confinement", "role", "lifetime", "isolation"),
    ),
    "a token signed with a shared secret": Fault(
        _by(_signed_with_a_shared_secret),
        (("token", "failed", "token_invalid"),),
        "is signed with HS256, which proves nothing to a store",
    ),
    "a token whose header names no key": Fault(
        _by(_without_kid),
        (("token", "failed", "kid_missing"),),
        "kid",
        skipped=("role",),
    ),
    "a token without the claim that confines": Fault(
        _token({"agentkeys_user_wallet": None}),
        (("confinement", "failed", "claim_missing"),),
        "agentkeys_user_wallet",
    ),
    "a token whose claim is a wildcard": Fault(
        _token({"agentkeys_user_wallet": "*"}),
        (("confinement", "failed", "claim_malformed"),),
        "agentkeys_user_wallet",
    ),
    "a profile that is confined by tags on a store that reads none": Fault(
        _profile(confine="tags"),
        (("confinement", "warning", "confine_ignored"),),
        "",
        status=0,
    ),
    "a wallet that the profile does not expect": Fault(
        _profile(expect_wallet="0x" + "1" * 40),
        (("token", "failed", "wrong_identity"),),
        "",
    ),
}

# the store

STORE = {
    "nobody listens at the store's address": Fault(
        _store(),
        (("store", "failed", "store_unreachable"),),
        "the STS of SeaweedFS does not answer: ",
    ),
    "an STS that is none": Fault(
        _store(PAGE),
        (("store", "failed", "not_an_sts"),),
        "see whether the STS endpoint (sts_endpoint) is the store's",
    ),
    "an issuer of which the store has not heard": Fault(
        _stranger,
        (("role", "failed", "unknown_provider"),),
        "SeaweedFS knows no identity provider http://127.0.0.1:",
    ),
    "a token for somebody else than the store": Fault(
        _token({"aud": "another-store"}),
        (("role", "failed", "wrong_audience"),),
        "takes no tokens for another-store | add another-store to the clients",
    ),
    "a role that trusts others": Fault(
        _profile(role_arn=role("of-others")),
        (("role", "failed", "trust_policy"),),
        "SeaweedFS takes the token, and arn:aws:iam::000000000001:role/of-others does not trust it",
    ),
    "a role that is not there": Fault(
        _profile(role_arn=role("agentkeys-dta")),
        (("role", "failed", "role_unknown"),),
        "SeaweedFS has no role arn:aws:iam::000000000001:role/agentkeys-dta | correct role_arn",
    ),
    "a duration above what the store gives": Fault(
        _profile(duration="4h"),
        (("role", "failed", "duration_too_long"),),
        '60 min are given | set duration = "60m"',
        skipped=("lifetime", "isolation"),
    ),
    "a session as short as SDKs' windows": Fault(
        _profile(duration="15m"),
        (("lifetime", "warning", "session_short"),),
        "sessions last 15 min: AWS SDKs ask again at every call",
        status=0,
    ),
}

# the proof

PROOF = {
    "a role with a broad grant": Fault(
        _profile(role_arn=role("broad")),
        (("isolation", "failed", "both_allowed"),),
        "a broad grant hides the isolation",
    ),
    "a role that grants nothing": Fault(
        _profile(role_arn=role("bare")),
        (("isolation", "failed", "both_denied"),),
        "the session may not even list its own ",
    ),
    "a bucket that is not there": Fault(
        _profile(bucket="agentkeyz", role_arn=role("broad")),
        (("isolation", "failed", "no_such_bucket"),),
        "there is no bucket agentkeyz",
    ),
}

FAULTS = {**LOGIN, **BROKER, **TOKEN, **STORE, **PROOF}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_at_a_server_has_its_own_diagnosis(lab: Laboratory, fault: Fault) -> None:
    """The step that it belongs to tells it; nothing that works is complained of."""
    with fault.damage(lab):
        found = diagnose(lab.home, sessions=[lab.session])
    assert complaints(found) == fault.complaints, found
    assert fault.words in found.said(fault.complaints[0][0])
    assert found.status == fault.status
    assert set(fault.skipped) <= set(found.skipped)


NOTHING_TO_PROVE = {
    "no bucket": ({"bucket": None}, "the profile data names no bucket to list"),
    "a prefix of nobody": ({"prefix": "all/"}, "the prefix all/ names no user"),
}


@pytest.mark.parametrize(("values", "why"), NOTHING_TO_PROVE.values(), ids=NOTHING_TO_PROVE)
def test_what_cannot_be_proven_is_skipped_with_why(
    lab: Laboratory, values: dict[str, object], why: str
) -> None:
    """It is no fault, and no proof either."""
    lab.profile(**values)
    found = diagnose(lab.home)
    assert (complaints(found), found.status) == ((), 0)
    assert found.skipped == ["isolation"]
    assert why in found.steps["isolation"]["message"]


def test_seaweedfs_looks_at_no_account(lab: Laboratory) -> None:
    """A role of another account is the same role there, so there is nothing to complain of."""
    lab.profile(role_arn=role("agentkeys-data", "999999999999"))
    found = diagnose(lab.home)
    assert (complaints(found), found.status) == ((), 0)


def test_a_profile_for_break_glass_is_not_minted_for(lab: Laboratory) -> None:
    """Nothing is minted along the way, so there is nothing to prove."""
    lab.profile(break_glass=True, duration="15m")
    found = diagnose(lab.home)
    assert (complaints(found), found.status) == ((), 0)
    assert found.skipped == ["role", "lifetime", "isolation"]
    assert "is for break-glass" in found.steps["role"]["message"]


def test_a_narrowed_profile_is_proven_by_what_the_store_itself_allows(lab: Laboratory) -> None:
    """Its own session policy would hide a broad grant."""
    lab.profile(role_arn=role("broad"), allow=[f"s3://{BUCKET}/bots/0x1/:ro"])
    found = diagnose(lab.home)
    assert complaints(found) == (("isolation", "failed", "both_allowed"),)
