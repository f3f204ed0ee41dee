"""The steps about the login and the token that it gives."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.config import GithubIdentity, Identity
from agentkeys.config.identities import SandboxIdentity
from agentkeys.doctor.confinement import examine_confinement
from agentkeys.doctor.session import examine_session
from agentkeys.doctor.token import examine_token
from agentkeys.errors import AgentkeysError, LoginRequired, VaultLocked
from agentkeys.models import Confinement, WebIdentityToken
from agentkeys.secret import Secret
from agentkeys.sessions import DeviceProof, Session
from agentkeys.stores import AWS, CEPH, MINIO, SEAWEEDFS, StoreKind
from tests.support.doctoring import a_token, verdict
from tests.support.lease_place import session_of
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.profiles import IDENTITY, STORE, a_profile
from tests.support.tokens import ALICE, AUDIENCE, BOB, ISSUER, TAGS

SESSION = session_of(ALICE)
LAST = SESSION.expires_at - timedelta(minutes=5)
DEVICE = replace(SESSION, device=DeviceProof("0x" + "a" * 40, Secret("0x" + "b" * 130)))
SANDBOX = SandboxIdentity("alice", ISSUER, AUDIENCE, ISSUER, "alice@sandbox.invalid")


def on(store: StoreKind, **changes: Any) -> Any:
    """The sound profile, on another kind of store."""
    settings = {"confine": store.default_confine, **changes}
    return a_profile(store=replace(STORE, kind=store), **settings)


# the login


@pytest.mark.parametrize(
    ("identity", "session", "problem", "verdict_"),
    [
        (IDENTITY, SESSION, None, ("ok", None)),
        (IDENTITY, None, None, ("failed", "login_required")),
        (IDENTITY, SESSION, LoginRequired("it is over", hint="x"), ("failed", "login_required")),
        (IDENTITY, None, VaultLocked("locked", hint="x"), ("failed", "vault_locked")),
        (GithubIdentity("job", AUDIENCE), None, None, ("skipped", None)),
        (SANDBOX, SESSION, None, ("ok", None)),
        (SANDBOX, None, VaultLocked("locked", hint="x"), ("failed", "vault_locked")),
    ],
)
def test_a_login_is_there_or_somebody_is_asked_to(
    identity: Identity,
    session: Session | None,
    problem: AgentkeysError | None,
    verdict_: tuple[str, str | None],
) -> None:
    found = examine_session(identity, session, problem=problem, now=SAMPLE_NOW)
    assert verdict(found) == verdict_
    assert found.needs_user == (verdict_[0] == "failed")


@pytest.mark.parametrize(
    ("identity", "session", "verdict_"),
    [
        (IDENTITY, SESSION, ("warning", "session_ends_soon")),
        (IDENTITY, DEVICE, ("ok", None)),  # it gets another one by itself
        (SANDBOX, SESSION, ("ok", None)),
    ],
)
def test_a_login_that_is_nearly_over_is_told(
    identity: Identity, session: Session, verdict_: tuple[str, str | None]
) -> None:
    assert verdict(examine_session(identity, session, problem=None, now=LAST)) == verdict_


# the token


@pytest.mark.parametrize(
    ("token", "profile", "verdict_"),
    [
        (a_token(), a_profile(), ("ok", None)),
        (a_token(aud="vault"), a_profile(), ("failed", "wrong_audience")),
        (a_token(header={}), a_profile(), ("failed", "kid_missing")),
        (a_token(header={}), on(AWS), ("ok", None)),
        (a_token(), a_profile(expect_wallet=BOB.wallet), ("failed", "wrong_identity")),
        (a_token(), a_profile(expect_subject="somebody"), ("failed", "wrong_identity")),
        (a_token(aud=[AUDIENCE, "x"]), a_profile(), ("warning", "audience_list")),
        (a_token(aud=[AUDIENCE, "x"]), on(AWS), ("ok", None)),
        (a_token(aud=[AUDIENCE, "x"]), on(CEPH), ("ok", None)),
        (a_token(aud=["x", AUDIENCE]), on(CEPH), ("failed", "audience_not_first")),
        (
            a_token(exp=int((SAMPLE_NOW + timedelta(seconds=30)).timestamp())),
            a_profile(),
            ("warning", "token_short"),
        ),
        (
            replace(a_token(), algorithm="RS512"),
            on(CEPH),
            ("failed", "algorithm_refused"),
        ),
        # A list is a smaller matter than a wrong identity.
        (
            a_token(aud=[AUDIENCE, "x"]),
            a_profile(expect_subject="somebody"),
            ("failed", "wrong_identity"),
        ),
    ],
)
def test_a_token_is_held_against_what_the_store_needs(
    token: WebIdentityToken, profile: Any, verdict_: tuple[str, str | None]
) -> None:
    assert verdict(examine_token(token, profile)) == verdict_


@pytest.mark.parametrize("odd", ["soon", True, 1e300, None])
def test_a_token_may_not_say_when_it_was_issued(odd: object) -> None:
    found = examine_token(replace(a_token(), claims={**a_token().claims, "iat": odd}), a_profile())
    assert verdict(found) == ("ok", None)
    assert found.facts["lifetime_seconds"] is None


def test_the_facts_show_the_claims_and_never_the_token() -> None:
    token = a_token()
    facts = examine_token(token, a_profile()).facts
    assert facts["claims"] == {
        "agentkeys_user_wallet": ALICE.wallet,
        "agentkeys_actor_omni": ALICE.omni,
    }
    assert facts["tags"] == ["agentkeys_actor_omni", "agentkeys_user_wallet"]
    assert (facts["aud"], facts["lifetime_seconds"]) == ([AUDIENCE], 300)
    shown = json.dumps(facts)
    assert not any(part in shown for part in token.jwt.reveal().split("."))


# what confines


def tags(**values: Any) -> dict[str, Any]:
    return {"principal_tags": values, "transitive_tag_keys": list(values)}


WALLET, OMNI = "agentkeys_user_wallet", "agentkeys_actor_omni"
BOBS_TAGS = tags(agentkeys_user_wallet=[BOB.wallet])


@pytest.mark.parametrize(
    ("token", "profile", "verdict_"),
    [
        (a_token(), a_profile(), ("ok", None)),
        (a_token(), on(AWS), ("ok", None)),
        (a_token(), on(AWS, confine=Confinement("role")), ("ok", None)),
        (a_token(without=(TAGS,)), on(AWS), ("failed", "tags_missing")),
        (a_token(claims={TAGS: tags(x="y")}), on(AWS), ("failed", "tag_malformed")),
        (a_token(claims={TAGS: tags(x=["y"])}), on(AWS), ("failed", "tag_missing")),
        (
            a_token(claims={TAGS: tags(**{WALLET: [BOB.wallet]})}),
            on(AWS),
            ("failed", "tag_mismatch"),
        ),
        (a_token(without=(WALLET,)), a_profile(), ("failed", "claim_missing")),
        (a_token(claims={WALLET: "*"}), a_profile(), ("failed", "claim_malformed")),
        (a_token(), a_profile(prefix="{claim:team}/"), ("failed", "prefix_claim_missing")),
        (a_token(), a_profile(prefix="bots/{omni}/"), ("warning", "confine_beside_prefix")),
        (a_token(), a_profile(confine=Confinement("tags")), ("warning", "confine_ignored")),
        (
            a_token(),
            on(AWS, confine=Confinement("claim", WALLET)),
            ("warning", "confine_ignored"),
        ),
        # MinIO's policies know some claims only.
        (
            a_token(),
            on(MINIO, confine=Confinement("claim", WALLET)),
            ("warning", "confine_ignored"),
        ),
        (
            a_token(preferred_username="alice"),
            on(MINIO, prefix="{claim:preferred_username}/"),
            ("ok", None),
        ),
        (a_token(), on(CEPH, prefix=None), ("ok", None)),
    ],
)
def test_what_confines_a_user_depends_on_the_store(
    token: WebIdentityToken, profile: Any, verdict_: tuple[str, str | None]
) -> None:
    """A finding that leaves somebody unconfined comes before one that may."""
    assert verdict(examine_confinement(token, profile)) == verdict_


@pytest.mark.parametrize("changes", [{"prefix": None}, {"bucket": None}, {}])
def test_a_prefix_is_not_blamed_for_what_confines(changes: dict[str, Any]) -> None:
    """Its store does not read that, whatever the prefix is."""
    profile = on(MINIO, confine=Confinement("claim", WALLET), **changes)
    found = examine_confinement(a_token(), profile)
    assert verdict(found) == ("warning", "confine_ignored")
    assert "prefix" not in found.message
    assert found.hint == 'set confine = "claim:preferred_username" in the profile'


def test_the_usual_prefix_counts_for_nothing_without_a_bucket() -> None:
    """Nobody has written it."""
    token, named = a_token(preferred_username="alice"), Confinement("claim", "preferred_username")
    usual = {"prefix": "bots/{wallet}/", "confine": named}
    found = examine_confinement(token, on(MINIO, bucket="lab", **usual))
    assert verdict(found) == ("warning", "confine_ignored")
    assert verdict(examine_confinement(token, on(MINIO, bucket=None, **usual))) == ("ok", None)


def test_it_names_the_place_that_the_user_is_kept_to() -> None:
    found = examine_confinement(a_token(), on(SEAWEEDFS))
    assert found.facts["own_prefix"] == f"bots/{ALICE.wallet}/"
    assert f"bots/{ALICE.wallet}/" in found.message
