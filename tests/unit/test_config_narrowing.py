"""What a profile's table says about how much its sessions may do."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.access_rules import AccessRule
from agentkeys.config import Profile, parse_config
from agentkeys.errors import ConfigError

ARN = "arn:aws:iam::111122223333:policy/team/ReadOnly"
PROFILE = """
[identities.me]
source = "broker"
url = "https://broker.example.com"

[stores.lab]
kind = "seaweedfs"
sts_endpoint = "http://127.0.0.1:18333"

[profiles.data]
identity = "me"
store = "%s"
role_arn = "arn:aws:iam::000000000001:role/agentkeys-data"
"""


def read(lines: str, store: str = "lab") -> Profile:
    text = PROFILE % store + lines
    return parse_config(text, file="config.toml", origin="test", path=None).profile("data")


def refusal(lines: str, store: str = "lab") -> ConfigError:
    with pytest.raises(ConfigError) as found:
        read(lines, store)
    return found.value


def test_a_profile_leaves_all_that_its_role_may() -> None:
    """Unless it says otherwise; and its runs share a lease."""
    profile = read("")
    assert (profile.allow, profile.policy, profile.policy_arns) == ((), None, ())
    assert not profile.own_lease
    assert not read('lease = "shared"').own_lease


def test_a_profile_names_the_places_that_it_allows() -> None:
    """As rules, in its own order."""
    assert read('allow = ["s3://lab/b/:ro", "s3://lab/a:rw"]').allow == (
        AccessRule("lab", "b/", "ro"),
        AccessRule("lab", "a", "rw"),
    )


def test_a_profile_brings_a_policy_of_its_own() -> None:
    """On as many lines as it likes; they do not travel."""
    lines = """
    policy = '''
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]
    }
    '''
    """
    assert read(lines).policy == (
        '{"Version":"2012-10-17",'
        '"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'
    )


def test_a_profile_names_managed_policies() -> None:
    """On AWS, where they narrow a session as well as a policy does, and beside one."""
    aws_s_own = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    policy = '{"Version":"2012-10-17","Statement":[{}]}'
    profile = read(f"policy_arns = ['{ARN}', '{aws_s_own}']\npolicy = '{policy}'", store="aws")
    assert profile.policy_arns == (ARN, aws_s_own)
    assert profile.policy == policy


def test_each_run_can_have_a_lease_of_its_own() -> None:
    """Where the profile wants it."""
    assert read('lease = "run"').own_lease


@pytest.mark.parametrize(
    ("lines", "words", "hint"),
    [
        # `allow` that is no list of rules.
        pytest.param("allow = []", "allow is an empty list", "remove the line", id="no rules"),
        pytest.param('allow = "s3://lab/:ro"', "is a string, not a list", "allow = [", id="text"),
        pytest.param("allow = {}", "allow is a table, not a list", "allow = [", id="a table"),
        pytest.param("allow = true", "allow is a boolean, not a list", "allow = [", id="yes"),
        pytest.param("allow = [1]", "allow holds a number, not", "quotes", id="a number"),
        pytest.param('allow = [["s3://lab/:ro"]]', "allow holds a list", "quotes", id="nested"),
        pytest.param('allow = [""]', "allow is wrong: access rule ''", "s3://", id="empty"),
        pytest.param(
            'allow = ["s3://lab/a/:ro", "s3://lab/b/"]',
            "allow is wrong: access rule 's3://lab/b/' does not end in :ro or :rw",
            "add :ro",
            id="no mode",
        ),
        pytest.param('allow = ["s3://lab/*:ro"]', "has a *", "write the place out", id="wildcard"),
        pytest.param(
            'allow = ["s3://lab/bots/{wallet}/:ro"]', "has a {", "write the place out", id="wallet"
        ),
        pytest.param('allow = ["s3://lab/a\\n:ro"]', "printable ASCII", "above", id="a line's end"),
        pytest.param(
            f"allow = {[f's3://lab/folder-{number}/:ro' for number in range(99)]}",
            "more than an STS takes",
            "name fewer places",
            id="too many rules",
        ),
        # `policy`.
        pytest.param("policy = {}", "policy is a table, not a string", "in quotes", id="policy {}"),
        pytest.param('policy = ""', "policy is wrong: the session policy is not valid JSON", "mend",
                     id="no policy"),
        pytest.param('policy = "[]"', "policy is wrong: the session policy has no Statement",
                     '"Statement": [...]', id="a list for a policy"),
        pytest.param("policy = '{\"Statement\":[\"%s\"]}'" % ("x" * 2048), "has 2066 characters",
                     "shorten it to 2048", id="a long policy"),
        # `policy_arns`.
        pytest.param(f"policy_arns = ['{ARN}']", "policy_arns means nothing to SeaweedFS",
                     "use allow or policy", id="managed policies elsewhere"),
        # Together.
        pytest.param("allow = ['s3://lab/:ro']\npolicy = '{\"Statement\":[1]}'",
                     "allow stands beside policy,", "keep allow", id="allow and policy"),
        pytest.param(f"allow = ['s3://lab/:ro']\npolicy_arns = ['{ARN}']",
                     "allow stands beside policy_arns,", "keep allow", id="allow and arns"),
        # `lease`.
        pytest.param('lease = "own"', "lease is not a kind of lease: 'own'", '"run"', id="lease"),
        pytest.param('lease = ""', "lease is empty", "remove the line", id="an empty lease"),
        pytest.param("lease = true", "lease is a boolean", "quotes", id="a lease of yes"),
        # Keys that are nearly these.
        pytest.param("allows = []", "allows is not a known key", "allow?", id="allows"),
        pytest.param("policy_arn = 1", "policy_arn is not a known", "policy_arns?", id="arn"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(lines: str, words: str, hint: str) -> None:
    """The file, the key, and what would be right, on one line each."""
    problem = refusal(lines)
    assert problem.message.startswith("config.toml: profiles.data.")
    assert words in problem.message
    assert hint in problem.hint
    assert (problem.message + problem.hint).isprintable()
    assert problem.code == "config_invalid"


@pytest.mark.parametrize(
    ("arns", "words"),
    [
        pytest.param("[]", "policy_arns is an empty list", id="none"),
        pytest.param(f"'{ARN}'", "policy_arns is a string", id="no list"),
        pytest.param(str([ARN] * 11), "policy_arns has 11 entries", id="eleven"),
        pytest.param("['ReadOnlyAccess']", "not a policy ARN: 'ReadOnlyAccess'", id="a name"),
        pytest.param(
            "['arn:aws:iam::111122223333:role/data']", "not a policy ARN: 'arn:", id="a role"
        ),
        pytest.param(f"['{ARN}\\n']".replace("'", '"'), "not a policy ARN", id="a line's end"),
    ],
)
def test_managed_policies_that_aws_would_refuse(arns: str, words: str) -> None:
    """Are told before it is asked."""
    assert words in refusal(f"policy_arns = {arns}", store="aws").message


@given(
    st.sampled_from(["allow", "policy", "policy_arns", "lease"]),
    st.sampled_from(["1", "{}", "[]", "[1]", "nan", "2030-01-01", '["s3://lab/:ro"]', '"{}"'])
    | st.text(st.characters(codec="utf-8", exclude_characters="'\r\n"), max_size=20).map(
        lambda text: f"'{text}'"
    ),
)
def test_no_value_breaks_the_parser(key: str, value: str) -> None:
    """A profile, or an error with a hint."""
    for store in ("lab", "aws"):
        with contextlib.suppress(ConfigError):
            assert read(f"{key} = {value}", store).name == "data"
