"""What a store needs, as it is told to people: documents that parse and confine."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.config import Config, GithubIdentity, Profile, Store, parse_config
from agentkeys.errors import ConfigError, UnknownProfile
from agentkeys.explain import Part, choose_profile, explain_ending, explain_needs, setting_of
from agentkeys.models import Confinement, RoleArn
from agentkeys.stores import AWS, CEPH, MINIO, SEAWEEDFS, STORE_KINDS, StoreKind
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.policy_evaluator import Request, is_allowed
from tests.support.profiles import a_profile
from tests.support.tokens import ALICE, BOB

ROLE = "arn:aws:iam::111122223333:role/data"
KINDS = pytest.mark.parametrize("kind", STORE_KINDS.values(), ids=list(STORE_KINDS))


def profile_on(kind: StoreKind, **changes: Any) -> Profile:
    """A profile on a store of that kind, confined as is usual there."""
    usual = {
        "store": Store("there", kind, "https://sts.example.com", "https://s3.example.com", None),
        "role_arn": RoleArn(ROLE),
        "confine": kind.default_confine,
        "prefix": "{claim:preferred_username}/" if kind is MINIO else "bots/{wallet}/",
    }
    return a_profile(**{**usual, **changes})


def needs(kind: StoreKind, profile: Profile | None = None) -> dict[str, Part]:
    return {part.name: part for part in explain_needs(kind, setting_of(profile, kind))}


def ending(kind: StoreKind, profile: Profile | None = None) -> dict[str, Part]:
    parts = explain_ending(kind, setting_of(profile, kind), now=SAMPLE_NOW)
    return {part.name: part for part in parts}


def document(parts: dict[str, Part], name: str) -> dict[str, Any]:
    """As it would be read by whatever it is pasted into."""
    found: dict[str, Any] = json.loads(parts[name].text)
    return found


def statement(policy: dict[str, Any]) -> dict[str, Any]:
    [only] = policy["Statement"]
    found: dict[str, Any] = only
    return found


def trust_of(kind: StoreKind, profile: Profile | None = None) -> dict[str, Any]:
    return statement(document(needs(kind, profile), "trust-policy.json"))


def words_of(part: Part) -> str:
    return " ".join(part.why)


def permissions(kind: StoreKind, profile: Profile) -> dict[str, Any]:
    """The policy that lets its users do anything in S3."""
    parts = needs(kind, profile)
    if kind is SEAWEEDFS:
        [policy] = document(parts, "iam.json")["policies"]
        found: dict[str, Any] = policy["document"]
        return found
    names = {AWS: "bucket-policy.json", MINIO: "policy.json", CEPH: "role-policy.json"}
    return document(parts, names[kind])


def as_seen_by(policy: dict[str, Any], user: str) -> str:
    """The policy with its variables filled in, and without what the evaluator does not know."""
    statements = [
        {name: value for name, value in each.items() if name not in ("Sid", "Principal")}
        for each in policy["Statement"]
    ]
    text = json.dumps({**policy, "Statement": statements})
    for variable in (
        "${aws:PrincipalTag/agentkeys_user_wallet}",
        "${jwt:agentkeys_user_wallet}",
        "${jwt:preferred_username}",
    ):
        text = text.replace(variable, user)
    assert "${" not in text
    return text


# For every kind.


@KINDS
def test_nothing_has_to_be_configured(kind: StoreKind) -> None:
    """What nobody has said is a placeholder, and every document parses all the same."""
    for parts in (needs(kind), ending(kind)):
        for part in parts.values():
            assert part.title
            assert part.why
            if part.name.endswith(".json"):
                assert isinstance(json.loads(part.text), dict)
    text = "".join(part.text for part in needs(kind).values())
    assert "<issuer>" in text
    assert "<bucket>" in text


@KINDS
def test_a_profile_s_own_values_are_filled_in(kind: StoreKind) -> None:
    """Issuer, audience, role, bucket and prefix: no placeholder stands for what is known."""
    text = "".join(part.text for part in needs(kind, profile_on(kind)).values())
    assert "broker.example.com" in text
    assert "sts.amazonaws.com" in text
    assert "arn:aws:s3:::agentkeys" in text
    for placeholder in ("<issuer>", "<audience>", "<bucket>", "<role>", "<account>"):
        assert placeholder not in text


@pytest.mark.parametrize("kind", [AWS, MINIO, SEAWEEDFS], ids=lambda kind: kind.name)
def test_one_policy_confines_every_user(kind: StoreKind) -> None:
    """Their own prefix to write, read and list; nothing of another, and no listing of all."""
    policy = permissions(kind, profile_on(kind))
    folder = "" if kind is MINIO else "bots/"
    for user, other in ((ALICE.wallet, BOB.wallet), (BOB.wallet, ALICE.wallet)):
        text = as_seen_by(policy, user)
        own, foreign = f"{folder}{user}/", f"{folder}{other}/"
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            assert is_allowed(text, Request(action, "agentkeys", key=f"{own}x"))
            assert not is_allowed(text, Request(action, "agentkeys", key=f"{foreign}x"))
            assert not is_allowed(text, Request(action, "agentkeys", key="x"))
        assert is_allowed(text, Request("s3:ListBucket", "agentkeys", prefix=own))
        for prefix in (foreign, own.removesuffix("/"), "", None):
            assert not is_allowed(text, Request("s3:ListBucket", "agentkeys", prefix=prefix))


@KINDS
def test_no_family_of_actions_is_allowed(kind: StoreKind) -> None:
    """Each one is named."""
    for each in permissions(kind, profile_on(kind))["Statement"]:
        assert each["Effect"] == "Allow"
        assert not [action for action in each["Action"] if "*" in action]


@KINDS
def test_a_prefix_without_its_slash_gets_one(kind: StoreKind) -> None:
    """Or `data` would lead to `data2` as well."""
    profile = profile_on(kind, prefix="data", confine=Confinement("role"))
    text = json.dumps(permissions(kind, profile))
    assert "agentkeys/data/*" in text
    assert "data*" not in text


@KINDS
def test_a_prefix_that_names_nobody_is_pointed_out(kind: StoreKind) -> None:
    """It may be meant so, for what is shared."""
    parts = needs(kind, profile_on(kind, prefix="shared/"))
    assert any("names no user" in words_of(part) for part in parts.values())


@KINDS
def test_a_role_of_one_user_trusts_that_user_alone(kind: StoreKind) -> None:
    """And its prefix has no variable."""
    one = profile_on(
        kind, confine=Confinement("role"), expect_wallet=ALICE.wallet, expect_subject="svc:backup"
    )
    parts = needs(kind, replace(one, prefix="bots/{wallet}/"))
    text = "".join(part.text for part in parts.values())
    assert "${" not in text.replace("$AGENTKEYS", "")
    assert f"agentkeys/bots/{ALICE.wallet}/*" in text
    if kind is not MINIO:  # which knows no trust policies
        assert "svc:backup" in text


@KINDS
def test_the_proof_is_to_be_refused_at_another_s_prefix(kind: StoreKind) -> None:
    """By the profile that is meant."""
    lines = needs(kind, profile_on(kind))["proof"].text.splitlines()
    assert all(line.startswith("agentkeys exec -p data -- ") for line in lines)
    assert "0xdeadbeef/" in lines[1]


# AWS.


def test_aws_trusts_tagged_tokens_of_one_audience_alone() -> None:
    """A missing tag is what a positive test for its absence refuses."""
    trust = trust_of(AWS, profile_on(AWS))
    provider = "arn:aws:iam::111122223333:oidc-provider/broker.example.com"
    assert trust["Principal"] == {"Federated": provider}
    assert trust["Action"] == ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]
    assert trust["Condition"] == {
        "StringEquals": {"broker.example.com:aud": "sts.amazonaws.com"},
        "Null": {"aws:RequestTag/agentkeys_user_wallet": "false"},
    }


def test_aws_lets_the_role_in_by_the_bucket_s_policy() -> None:
    """By its own ARN, which leaves session policies their effect; the role itself grants no S3."""
    parts = needs(AWS, profile_on(AWS))
    policy = document(parts, "bucket-policy.json")
    assert all(each["Principal"] == {"AWS": ROLE} for each in policy["Statement"])
    assert parts["role-policy"].content is None
    assert "no S3" in words_of(parts["role-policy"])


@pytest.mark.parametrize("partition", ["aws-us-gov", "aws-cn"])
def test_every_arn_is_of_the_role_s_partition(partition: str) -> None:
    """GovCloud and China have their own."""
    role = RoleArn(f"arn:{partition}:iam::111122223333:role/team/data")
    parts = needs(AWS, profile_on(AWS, role_arn=role))
    text = parts["trust-policy.json"].text + parts["bucket-policy.json"].text
    assert text.count("arn:") == text.count(f"arn:{partition}:")
    assert "--role-name data --path /team/" in parts["commands"].text


def test_an_issuer_with_a_path_keeps_it() -> None:
    """In the provider's ARN and in the condition's key."""
    setting = replace(setting_of(profile_on(AWS), AWS), issuer="https://id.example.com/realms/x")
    [trust, *_] = explain_needs(AWS, setting)
    assert "oidc-provider/id.example.com/realms/x" in trust.text
    assert '"id.example.com/realms/x:aud"' in trust.text


@pytest.mark.parametrize(
    ("prefix", "tags"),
    [
        ("bots/{omni}/", ["agentkeys_actor_omni"]),
        ("{claim:team}/{wallet}/", ["team", "agentkeys_user_wallet"]),
        ("shared/", ["agentkeys_user_wallet"]),
    ],
)
def test_aws_wants_every_tag_that_the_prefix_is_made_of(prefix: str, tags: list[str]) -> None:
    """Where it is made of none, the user's."""
    trust = trust_of(AWS, profile_on(AWS, prefix=prefix))
    assert list(trust["Condition"]["Null"]) == [f"aws:RequestTag/{tag}" for tag in tags]


def test_a_job_of_github_is_known_by_its_subject() -> None:
    """Its tokens carry no tags, and anybody on GitHub gets some for the same audience."""
    profile = profile_on(
        AWS,
        identity=GithubIdentity("ci", "sts.amazonaws.com"),
        confine=Confinement("role"),
        prefix="ci/",
        expect_subject="repo:example/data:ref:refs/heads/main",
    )
    assert trust_of(AWS, profile)["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:example/data:ref:refs/heads/main",
        }
    }
    unpinned = trust_of(AWS, replace(profile, expect_subject=None))
    assert "<subject>" in json.dumps(unpinned["Condition"])


def test_sessions_of_aws_end_by_when_they_began() -> None:
    """All of the role, or one user's."""
    parts = ending(AWS, profile_on(AWS, expect_wallet=ALICE.wallet))
    everybody = statement(document(parts, "end-sessions.json"))
    began = {"DateLessThan": {"aws:TokenIssueTime": "2026-06-01T12:00:00Z"}}
    assert everybody["Effect"] == "Deny"
    assert everybody["Action"] == everybody["Resource"] == ["*"]
    assert everybody["Condition"] == began
    one = statement(document(parts, "end-one-user.json"))
    own = {"aws:PrincipalTag/agentkeys_user_wallet": ALICE.wallet}
    assert one["Condition"] == {**began, "StringEquals": own}
    assert "aws iam put-role-policy --role-name data" in parts["commands"].text
    assert "agentkeys forget data" in parts["commands"].text


# MinIO.


def test_minio_finds_its_policy_by_a_claim() -> None:
    """Where the profile has no role."""
    parts = needs(MINIO, profile_on(MINIO, role_arn=None))
    assert "claim_name=policy" in parts["commands"].text
    assert "MINIO_IDENTITY_OPENID_CLAIM_NAME=policy" in parts["environment"].text
    assert "role_policy" not in parts["commands"].text


def test_minio_finds_its_policy_by_the_role() -> None:
    """Where the profile has one."""
    parts = needs(MINIO, profile_on(MINIO))
    commands = parts["commands"].text.splitlines()
    assert "mc admin policy create '<alias>' agentkeys-own-prefix policy.json" in commands
    assert "role_policy=agentkeys-own-prefix" in commands[1]
    assert "config_url=https://broker.example.com/.well-known/openid-configuration" in commands[1]
    assert "client_id=sts.amazonaws.com" in commands[1]
    assert "MINIO_IDENTITY_OPENID_ROLE_POLICY=agentkeys-own-prefix" in parts["environment"].text


def test_minio_s_sessions_are_ended_by_its_revoke_call() -> None:
    """By mc, or by whatever else can sign it."""
    parts = ending(MINIO, profile_on(MINIO))
    assert "mc admin accesskey sts-revoke '<alias>' '<parent user>' --all" in parts["commands"].text
    assert "/minio/admin/v3/revoke-tokens/" in parts["call"].text


def test_a_claim_that_minio_does_not_know_is_refused() -> None:
    """Its variables are a fixed list, and another one would stay as it is written."""
    with pytest.raises(ConfigError, match="cannot read the claim agentkeys_user_wallet") as found:
        needs(MINIO, profile_on(MINIO, prefix="bots/{wallet}/"))
    assert 'prefix = "{claim:preferred_username}/"' in found.value.hint


# Ceph.


def test_ceph_has_a_statement_for_each_user() -> None:
    """Their tag is compared, since no resource can hold a variable."""
    policy = permissions(CEPH, profile_on(CEPH, expect_wallet=ALICE.wallet))
    tag = {"aws:PrincipalTag/agentkeys_user_wallet": ALICE.wallet}
    for each in policy["Statement"]:
        assert each["Condition"]["StringEquals"] == tag
    text = json.dumps(policy)
    assert "${" not in text
    assert f"agentkeys/bots/{ALICE.wallet}/*" in text
    assert "<wallet>" in json.dumps(permissions(CEPH, profile_on(CEPH)))


def test_ceph_trusts_tokens_with_tags_for_one_audience() -> None:
    """It calls the audience app_id."""
    trust = trust_of(CEPH, profile_on(CEPH, role_arn=RoleArn("arn:aws:iam:::role/data")))
    assert trust["Principal"] == {"Federated": ["arn:aws:iam:::oidc-provider/broker.example.com"]}
    assert trust["Action"] == ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]
    app = {"broker.example.com:app_id": "sts.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": app}


def test_ceph_cannot_end_a_session() -> None:
    """What there is takes the permissions away."""
    parts = ending(CEPH, profile_on(CEPH))
    assert "cannot end a session" in words_of(parts["nothing"])
    assert "delete-role-policy --role-name data" in parts["everybody"].text


# SeaweedFS.


def test_seaweedfs_is_told_of_one_issuer_and_one_role() -> None:
    """As its configuration file has them, the trust bound to the provider by its name."""
    iam = document(needs(SEAWEEDFS, profile_on(SEAWEEDFS)), "iam.json")
    [provider], [role] = iam["providers"], iam["roles"]
    assert provider["config"]["issuer"] == "https://broker.example.com"
    assert provider["config"]["jwksUri"] == "https://broker.example.com/.well-known/jwks.json"
    trust = statement(role["trustPolicy"])
    assert trust["Principal"] == {"Federated": provider["name"]}
    assert trust["Condition"] == {"StringEquals": {"oidc:aud": "sts.amazonaws.com"}}
    assert role["roleArn"] == ROLE
    assert role["attachedPolicies"] == [policy["name"] for policy in iam["policies"]]
    assert iam["policy"]["defaultEffect"] == "Deny"


def test_seaweedfs_takes_no_list_of_audiences() -> None:
    """Its trust policy compares one value; an issuer may give several."""
    assert "a list of several is refused" in words_of(needs(SEAWEEDFS)["iam.json"])


def test_the_key_that_seals_sessions_is_not_made_up() -> None:
    """A secret is nothing to be printed."""
    iam = document(needs(SEAWEEDFS, profile_on(SEAWEEDFS)), "iam.json")
    assert iam["sts"]["signingKey"] == "<output of: openssl rand -base64 32>"


def test_nothing_ends_a_session_of_seaweedfs() -> None:
    """It is said rather than left out."""
    assert "cannot end a session" in words_of(ending(SEAWEEDFS)["nothing"])


# What cannot be.


@pytest.mark.parametrize(
    ("kind", "confine", "hint"),
    [
        (AWS, Confinement("claim", "team"), 'confine = "tags"'),
        (CEPH, Confinement("claim", "team"), 'confine = "tags"'),
        (SEAWEEDFS, Confinement("tags"), 'confine = "claim:agentkeys_user_wallet"'),
        (MINIO, Confinement("tags"), 'confine = "claim:preferred_username"'),
    ],
)
def test_what_a_store_cannot_read_confines_nobody_there(
    kind: StoreKind, confine: Confinement, hint: str
) -> None:
    """So there is no policy for it."""
    with pytest.raises(ConfigError, match=f"policies of {kind.title} cannot read") as found:
        needs(kind, profile_on(kind, confine=confine))
    assert hint in found.value.hint


@pytest.mark.parametrize(("kind", "part"), [(MINIO, "policy.json"), (SEAWEEDFS, "iam.json")])
def test_a_name_that_is_a_pattern_is_warned_of(kind: StoreKind, part: str) -> None:
    """We refuse such tokens; the store would let their owner in everywhere. A literal is none."""
    words = "have a * or ? in it"
    assert words in words_of(needs(kind)[part])
    own = profile_on(kind, confine=Confinement("role"), expect_subject="alice")
    assert words not in words_of(needs(kind, own)[part])


def test_a_prefix_by_another_claim_than_the_checked_one_is_pointed_out() -> None:
    """What is checked in tokens should be what the store reads."""
    profile = profile_on(SEAWEEDFS, confine=Confinement("claim", "team"))
    words = words_of(needs(SEAWEEDFS, profile)["iam.json"])
    assert "filled in from agentkeys_user_wallet" in words
    assert "confined by team" in words


# Whose values they are.


def configured(*profiles: tuple[str, str], default: str | None = None) -> Config:
    """Profiles by name and kind of store."""
    text = f'default_profile = "{default}"\n' if default else ""
    text += '[identities.me]\nsource = "broker"\nurl = "https://broker.example.com"\n'
    for name, kind in profiles:
        text += f'[stores.{name}]\nkind = "{kind}"\nsts_endpoint = "https://{name}.example.com"\n'
        text += f'[profiles.{name}]\nidentity = "me"\nstore = "{name}"\nrole_arn = "{ROLE}"\n'
    return parse_config(text, file="config.toml", origin="test", path=None)


@pytest.mark.parametrize(
    ("default", "asked", "chosen"),
    [
        pytest.param("b", None, "b", id="the default one"),
        pytest.param("b", "a", "a", id="the one in the environment"),
        pytest.param("c", None, None, id="a default of another kind"),
    ],
)
def test_without_a_name_the_default_profile_counts(
    default: str, asked: str | None, chosen: str | None
) -> None:
    """If its store is of that kind; of several others none is guessed."""
    config = configured(("a", "ceph"), ("b", "ceph"), ("c", "minio"), default=default)
    found = choose_profile(config, CEPH, name=None, default=asked)
    assert (found and found.name) == chosen


def test_the_only_profile_of_a_kind_counts() -> None:
    """Whatever the default one is."""
    config = configured(("a", "ceph"), ("c", "minio"), default="a")
    found = choose_profile(config, MINIO, name=None)
    assert found is config.profile("c")
    assert choose_profile(config, AWS, name=None) is None


def test_a_profile_of_another_kind_is_refused() -> None:
    """With the command that it would be right for."""
    config = configured(("a", "ceph"))
    with pytest.raises(ConfigError, match="the store of the profile a is Ceph, not AWS") as found:
        choose_profile(config, AWS, name="a")
    assert found.value.hint == "run: agentkeys stores explain ceph --profile a"
    with pytest.raises(UnknownProfile):
        choose_profile(config, AWS, name="b")


def test_a_role_may_give_sessions_as_long_as_the_profile_asks_for() -> None:
    """And never less than the hour that is usual."""
    for asked, said in ((timedelta(hours=2), "7200"), (timedelta(minutes=15), "3600")):
        text = needs(AWS, profile_on(AWS, duration=asked))["commands"].text
        assert f"--max-session-duration {said}" in text
