"""The session policy that access rules become."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.access_rules import AccessRule, is_within, parse_access_rule
from agentkeys.errors import AccessRuleInvalid, ConfigError
from agentkeys.session_policy import MOST_CHARACTERS, check_raw_policy, compile_session_policy
from tests.support.policy_evaluator import Request, is_allowed
from tests.support.rule_strategies import READING, WRITING, access_rules, requests

VERSION = '{"Version":"2012-10-17","Statement":['
SOME_RULES = st.lists(access_rules(), min_size=1, max_size=4)


def compiled(*texts: str, partition: str = "aws") -> str:
    return compile_session_policy(map(parse_access_rule, texts), partition=partition)


def allow(policy: str, action: str, key: str | None = None, prefix: str | None = None) -> bool:
    return is_allowed(policy, Request(action, "lab", key, prefix))


def test_a_prefix_to_read() -> None:
    """Its objects, its listing and where the bucket is, in as few characters as they take."""
    assert compiled("s3://lab/data/:ro") == (
        VERSION
        + '{"Effect":"Allow","Action":"s3:GetBucketLocation","Resource":"arn:aws:s3:::lab"},'
        '{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::lab/data/*"},'
        '{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::lab",'
        '"Condition":{"StringLike":{"s3:prefix":"data/*"}}}]}'
    )


def test_an_object_to_write() -> None:
    """Nothing is listed: a listing of `data` would name `data2/x` as well."""
    assert compiled("s3://lab/data:rw") == (
        VERSION + '{"Effect":"Allow","Action":["s3:AbortMultipartUpload","s3:DeleteObject",'
        '"s3:GetObject","s3:ListMultipartUploadParts","s3:PutObject"],'
        '"Resource":"arn:aws:s3:::lab/data"},'
        '{"Effect":"Allow","Action":"s3:GetBucketLocation","Resource":"arn:aws:s3:::lab"}]}'
    )


def test_a_whole_bucket_to_read() -> None:
    """It may be listed from the top, without any prefix."""
    assert compiled("s3://lab/:ro") == (
        VERSION + '{"Effect":"Allow","Action":["s3:GetBucketLocation","s3:ListBucket"],'
        '"Resource":"arn:aws:s3:::lab"},'
        '{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::lab/*"}]}'
    )


def test_several_places_share_their_statements() -> None:
    """Those of one bucket one listing, those of one mode one statement for objects."""
    policy = compiled("s3://lab/b/:ro", "s3://lab/a/:rw", "s3://lab/c:ro", "s3://lab2/d:ro")
    statements = json.loads(policy)["Statement"]
    assert [statement["Resource"] for statement in statements] == [
        "arn:aws:s3:::lab/a/*",
        ["arn:aws:s3:::lab", "arn:aws:s3:::lab2"],
        ["arn:aws:s3:::lab/b/*", "arn:aws:s3:::lab/c", "arn:aws:s3:::lab2/d"],
        "arn:aws:s3:::lab",
    ]
    assert statements[3]["Condition"] == {"StringLike": {"s3:prefix": ["a/*", "b/*"]}}


def test_a_bucket_is_not_listed_by_the_prefix_of_another() -> None:
    """Different prefixes stay apart; equal ones do not."""
    policy = compiled("s3://lab/a/:ro", "s3://lab2/b/:ro")
    assert allow(policy, "s3:ListBucket", prefix="a/")
    assert not allow(policy, "s3:ListBucket", prefix="b/")
    listing = json.loads(compiled("s3://lab/a/:ro", "s3://lab2/a/:ro"))["Statement"][2]
    assert listing["Resource"] == ["arn:aws:s3:::lab", "arn:aws:s3:::lab2"]


def test_a_place_is_not_named_twice() -> None:
    """A rule within another one takes no characters."""
    assert compiled("s3://lab/a/:rw", "s3://lab/a/b/:ro", "s3://lab/a/:ro", "s3://lab/a/:rw") == (
        compiled("s3://lab/a/:rw")
    )
    policy = compiled("s3://lab/a/:ro", "s3://lab/a/b/:rw")
    assert json.loads(policy)["Statement"][3]["Condition"]["StringLike"] == {"s3:prefix": "a/*"}


def test_an_object_does_not_reach_its_neighbours() -> None:
    """Whose keys begin with its own."""
    policy = compiled("s3://lab/data:rw")
    assert allow(policy, "s3:GetObject", "data")
    for key in ("data2/x", "data/x", "data/", "dat", "Data"):
        assert not allow(policy, "s3:GetObject", key)
    for prefix in (None, "", "data", "data/"):
        assert not allow(policy, "s3:ListBucket", prefix=prefix)


def test_a_prefix_is_listed_from_its_last_slash_on() -> None:
    """Without it, the answer would name what is beside it."""
    policy = compiled("s3://lab/data/:ro")
    for below in ("data/", "data/x", "data/x/"):
        assert allow(policy, "s3:ListBucket", prefix=below)
    for prefix in (None, "", "d", "data", "data2/"):
        assert not allow(policy, "s3:ListBucket", prefix=prefix)


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_other_partitions_have_arns_of_their_own(partition: str) -> None:
    """In every statement."""
    policy = compiled("s3://lab/data/:ro", partition=partition)
    assert policy.count(f'"arn:{partition}:s3:::') == policy.count("arn:") == 3


def expected(rules: list[AccessRule], request: Request) -> bool:
    """By the words of the rules alone."""
    return any(_gives(rule, request) for rule in rules if rule.bucket == request.bucket)


def _gives(rule: AccessRule, request: Request) -> bool:
    below = rule.key == "" or rule.key.endswith("/")
    if request.key is not None:
        inside = request.key.startswith(rule.key) if below else request.key == rule.key
        return inside and request.action in (*READING, *(WRITING if rule.mode == "rw" else ()))
    if request.action == "s3:ListBucket":
        return below and (rule.key == "" or (request.prefix or "").startswith(rule.key))
    return request.action == "s3:GetBucketLocation"


@given(SOME_RULES, requests())
def test_a_policy_allows_what_its_rules_say(rules: list[AccessRule], request_: Request) -> None:
    """Exactly, for whatever is asked."""
    assert is_allowed(compile_session_policy(rules), request_) == expected(rules, request_)


@given(access_rules(), SOME_RULES, requests())
def test_a_rule_within_others_allows_nothing_that_they_do_not(
    rule: AccessRule, allowed: list[AccessRule], request_: Request
) -> None:
    """So the rules of a command line can be compared with those of its profile."""
    if is_within(rule, allowed) and is_allowed(compile_session_policy([rule]), request_):
        assert is_allowed(compile_session_policy(allowed), request_)


@given(SOME_RULES, st.data())
def test_a_policy_is_the_same_for_the_same_rules(
    rules: list[AccessRule], data: st.DataObject
) -> None:
    """In any order and however often they are said: leases are told apart by it."""
    again = data.draw(st.permutations([*rules, rules[0]]))
    assert compile_session_policy(again) == compile_session_policy(rules)


@given(SOME_RULES)
def test_a_policy_is_minimal(rules: list[AccessRule]) -> None:
    """JSON in ASCII without blanks; no list of one, nothing twice, only what allows."""
    policy = compile_session_policy(rules)
    document = json.loads(policy)
    assert json.dumps(document, separators=(",", ":")) == policy
    assert policy.isascii()
    assert policy.isprintable()
    assert "${" not in policy
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        for values in (statement["Action"], statement["Resource"]):
            assert isinstance(values, str) or len(values) == len(set(values)) > 1


def test_no_rules_are_no_policy() -> None:
    """A policy that allows nothing is refused by every store; one that limits nothing is none."""
    with pytest.raises(AccessRuleInvalid, match="there are no access rules"):
        compile_session_policy([])


def test_a_policy_that_is_too_long_is_refused() -> None:
    """With how much too long it is; it is never widened to fit."""

    def of(count: int) -> str:
        return compiled(*(f"s3://lab/folder-{number:03}/:ro" for number in range(count)))

    most = next(count for count in range(1, 99) if 2048 - len(of(count)) < 49)
    assert len(of(most)) <= MOST_CHARACTERS
    with pytest.raises(AccessRuleInvalid) as found:
        of(most + 1)
    assert f"a session policy of {most + 1} access rules has 20" in found.value.message
    assert "more than an STS takes" in found.value.message
    assert "name fewer places" in found.value.hint


def test_a_crowd_of_rules_is_refused_at_once() -> None:
    """Before they are compared; rules that are the same count as one."""
    with pytest.raises(AccessRuleInvalid, match="101 access rules are more than a session"):
        compiled(*(f"s3://lab/{number}:ro" for number in range(101)))
    assert compiled(*["s3://lab/x:ro"] * 1000) == compiled("s3://lab/x:ro")


# What somebody has written.

RAW = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'


def test_a_raw_policy_loses_its_blanks() -> None:
    """And nothing else."""
    spaced = json.dumps(json.loads(RAW), indent=4)
    assert check_raw_policy(spaced) == check_raw_policy(RAW) == RAW
    assert "\\u00fc" in check_raw_policy(RAW.replace('"*"', '"ü"'))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "not valid JSON", id="nothing"),
        pytest.param("{", "not valid JSON", id="half"),
        pytest.param("s3://lab/:ro", "not valid JSON", id="a rule"),
        pytest.param("[" * 100_000, "not valid JSON", id="deep"),
        pytest.param('{"Statement":[NaN]}', "NaN is no JSON", id="NaN"),
        pytest.param('{"Statement":[1],"Statement":[2]}', "a name stands twice", id="twice"),
        pytest.param("[]", "has no Statement", id="a list"),
        pytest.param('"Statement"', "has no Statement", id="a string"),
        pytest.param("{}", "has no Statement", id="an empty object"),
        pytest.param('{"Version":"2012-10-17","Statement":[]}', "has no Statement", id="none"),
    ],
)
def test_what_is_no_policy_is_refused(text: str, words: str) -> None:
    """Before a store sees it."""
    with pytest.raises(ConfigError) as found:
        check_raw_policy(text)
    assert words in found.value.message
    assert found.value.hint


def test_a_raw_policy_has_2048_characters_at_most() -> None:
    """Its blanks do not count."""
    fitting = RAW.replace('"*"', f'"{"x" * (MOST_CHARACTERS - len(RAW) + 1)}"')
    assert len(check_raw_policy(json.dumps(json.loads(fitting), indent=8))) == MOST_CHARACTERS
    with pytest.raises(ConfigError, match="has 2049 characters"):
        check_raw_policy(fitting.replace('"x', '"xx'))
