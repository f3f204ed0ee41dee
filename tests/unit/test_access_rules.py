"""Rules of access: what can be said in one, and what never gets into one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.access_rules import (
    AccessRule,
    in_both,
    is_within,
    parse_access_rule,
    read_only,
)
from agentkeys.errors import AccessRuleInvalid, ConfigError
from tests.support.rule_strategies import access_rules


def rules(*texts: str) -> list[AccessRule]:
    return [parse_access_rule(text) for text in texts]


def refusal(text: str) -> AccessRuleInvalid:
    with pytest.raises(AccessRuleInvalid) as found:
        parse_access_rule(text)
    return found.value


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("s3://lab/data/:ro", AccessRule("lab", "data/", "ro"), id="a prefix"),
        pytest.param("s3://lab/data:rw", AccessRule("lab", "data", "rw"), id="an object"),
        pytest.param("s3://lab/:ro", AccessRule("lab", "", "ro"), id="a whole bucket"),
        pytest.param("s3://lab/a:b/c:ro", AccessRule("lab", "a:b/c", "ro"), id="a colon"),
        pytest.param("s3://lab/a b/:ro", AccessRule("lab", "a b/", "ro"), id="a blank within"),
        pytest.param("s3://lab/.../:ro", AccessRule("lab", ".../", "ro"), id="three dots"),
        pytest.param("s3://lab/.env:ro", AccessRule("lab", ".env", "ro"), id="a hidden file"),
        pytest.param("s3://a.b-c.9/x:ro", AccessRule("a.b-c.9", "x", "ro"), id="a long bucket"),
        pytest.param(
            "s3://lab/t=1/100%/\"q'+&#~,;@|<>^()!`:ro",
            AccessRule("lab", "t=1/100%/\"q'+&#~,;@|<>^()!`", "ro"),
            id="signs that mean nothing",
        ),
        pytest.param(f"s3://lab/{'k' * 1024}:ro", AccessRule("lab", "k" * 1024, "ro"), id="long"),
    ],
)
def test_a_rule_names_a_place_and_what_may_be_done_there(text: str, rule: AccessRule) -> None:
    """Everything below it where it ends in a slash, one object where it does not."""
    assert parse_access_rule(text) == rule
    assert str(rule) == text


@given(access_rules())
def test_a_rule_is_read_as_it_is_written(rule: AccessRule) -> None:
    """Its text says all of it."""
    assert parse_access_rule(str(rule)) == rule


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        # Which place.
        pytest.param("", "does not begin with s3://", "s3://bucket/prefix/:ro", id="nothing"),
        pytest.param("lab/data/:ro", "does not begin with s3://", "s3://", id="no scheme"),
        pytest.param("S3://lab/data/:ro", "does not begin with s3://", "s3://", id="S3"),
        pytest.param(" s3://lab/data/:ro", "does not begin with s3://", "s3://", id="a blank"),
        pytest.param("s3a://lab/data/:ro", "does not begin with s3://", "s3://", id="s3a"),
        pytest.param("s3://lab:ro", "no slash after the bucket", "s3://bucket/:ro", id="bucket"),
        pytest.param("s3://:ro", "no slash after the bucket", "s3://bucket/:ro", id="neither"),
        pytest.param("s3:///data/:ro", "does not name a bucket", "3 to 63", id="no bucket"),
        # What may be done there.
        pytest.param("s3://lab/data/", "does not end in :ro or :rw", "add :ro", id="no mode"),
        pytest.param("s3://lab", "does not end in :ro or :rw", "add :ro", id="only a bucket"),
        pytest.param("s3://", "does not end in :ro or :rw", "add :ro", id="only a scheme"),
        pytest.param("s3://lab/data/:", "does not end in :ro", "add :ro", id="an empty mode"),
        pytest.param("s3://lab/data/:wo", "does not end in :ro", "add :ro", id="another mode"),
        pytest.param("s3://lab/data/:RO", "does not end in :ro", "add :ro", id="upper case"),
        pytest.param("s3://lab/data/:ro ", "does not end in :ro", "add :ro", id="a blank behind"),
        pytest.param("s3://lab/data/:ro\n", "does not end in :ro", "add :ro", id="a line's end"),
        pytest.param("s3://lab/data/:ro,rw", "does not end in :ro", "add :ro", id="two modes"),
        # Paths that lead elsewhere, or to nowhere.
        pytest.param("s3://lab/../x/:ro", "a . or a .. in its path", "as the keys", id="up"),
        pytest.param("s3://lab/x/..:ro", "a . or a .. in its path", "as the keys", id="up last"),
        pytest.param("s3://lab/./x/:ro", "a . or a .. in its path", "as the keys", id="here"),
        pytest.param("s3://lab//:ro", "an empty name", "as the keys have it", id="two slashes"),
        pytest.param("s3://lab//x/:ro", "an empty name", "as the keys have it", id="first empty"),
        pytest.param("s3://lab/x//:ro", "an empty name", "as the keys have it", id="last empty"),
        pytest.param("s3://lab/x//y:ro", "an empty name", "as the keys have it", id="empty"),
        pytest.param("s3://lab/ /:ro", "a blank at the end of a name", "take it out", id="blank"),
        pytest.param("s3://lab/x /y:ro", "a blank at the end of a name", "take it out", id="after"),
        pytest.param("s3://lab/ x:ro", "a blank at the end of a name", "take it out", id="before"),
        pytest.param("s3://lab/x :ro", "a blank at the end of a name", "take it out", id="last"),
        # Signs that mean something, and such as nobody can tell from others.
        pytest.param("s3://lab/bots/{wallet}/:ro", "has a {", "write the place out", id="wallet"),
        pytest.param("s3://lab/${aws:userid}/:ro", "has a $", "write the place out", id="variable"),
        pytest.param("s3://lab/*:ro", "has a *", "covers everything below", id="star"),
        pytest.param("s3://lab/a\tb/:ro", "beyond printable ASCII", "folder above", id="a tab"),
        pytest.param("s3://lab/a\x00/:ro", "beyond printable ASCII", "folder above", id="NUL"),
        pytest.param("s3://lab/a\x7f/:ro", "beyond printable ASCII", "folder above", id="DEL"),
        pytest.param("s3://lab/a\xa0b/:ro", "beyond printable ASCII", "above", id="no-break space"),
        pytest.param("s3://lab/\u202edata/:ro", "beyond printable ASCII", "above", id="backwards"),
        pytest.param("s3://lab/d\u0430ta/:ro", "beyond printable ASCII", "above", id="Cyrillic"),
        pytest.param("s3://lab/\ud800/:ro", "beyond printable ASCII", "above", id="half a pair"),
        pytest.param(f"s3://lab/{'k' * 1025}:ro", "1025 characters", "1024", id="a long key"),
    ],
)
def test_what_is_no_rule_is_told_with_what_to_do(text: str, words: str, hint: str) -> None:
    """On one bounded line, whatever was in it."""
    problem = refusal(text)
    assert words in problem.message
    assert hint in problem.hint
    assert problem.message.isprintable()
    assert len(problem.message) < 300
    assert (problem.code, isinstance(problem, ConfigError)) == ("access_rule_invalid", True)


@pytest.mark.parametrize(
    "bucket",
    [
        "ab", "x" * 64, "Lab", "la_b", "-lab", "lab-", ".lab", "lab.", "l..b", "lab ", " lab",
        "192.168.5.4", "l*b", "la\n", "lab\n", "läb", "l%61b", "arn:aws:s3:::lab", "l@b",
        "la?b", "lab#",
    ],
)  # fmt: skip
def test_what_is_no_bucket_is_refused(bucket: str) -> None:
    """By the rules that S3 has for new buckets."""
    assert "does not name a bucket" in refusal(f"s3://{bucket}/data/:ro").message
    with pytest.raises(AccessRuleInvalid):
        AccessRule(bucket, "", "ro")


@given(st.sampled_from("*?[]{}$\\\n\r\t\x00\x1b\x7f"), st.text("ab/", max_size=5), st.data())
def test_no_sign_that_means_more_gets_into_a_rule(sign: str, key: str, data: st.DataObject) -> None:
    """Wherever it stands, and whether the rule is read or made."""
    at = data.draw(st.integers(0, len(key)))
    with pytest.raises(AccessRuleInvalid):
        AccessRule("lab", key[:at] + sign + key[at:], "rw")
    for text in (f"s3://lab/{key}{sign}:rw", f"s3://l{sign}b/{key}:rw", f"s3://lab/:rw{sign}"):
        assert refusal(text).message.isprintable()


def test_a_rule_is_checked_however_it_is_made() -> None:
    """From a profile's bucket and prefix, for example."""
    for mode in ("", "RO", "ro ", "wr"):
        with pytest.raises(AccessRuleInvalid, match="does not end in :ro or :rw"):
            AccessRule("lab", "data/", mode)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    """A rule that is read back the same, or a refusal."""
    for whole in (text, f"s3://{text}", f"s3://lab/{text}:ro"):
        with contextlib.suppress(AccessRuleInvalid):
            assert str(parse_access_rule(whole)) == whole


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        pytest.param("s3://lab/data/:ro", "s3://lab/data/:ro", id="the same"),
        pytest.param("s3://lab/data/:ro", "s3://lab/data/:rw", id="only to read"),
        pytest.param("s3://lab/data/x/:rw", "s3://lab/data/:rw", id="below"),
        pytest.param("s3://lab/data/x:ro", "s3://lab/data/:ro", id="an object below"),
        pytest.param("s3://lab/x:rw", "s3://lab/:rw", id="in the bucket"),
        pytest.param("s3://lab/x:ro", "s3://lab/x:rw", id="the same object"),
    ],
)
def test_what_lies_within(inner: str, outer: str) -> None:
    """Of one of the rules that are there; not the other way round, unless they are the same."""
    (rule,), allowed = rules(inner), rules("s3://other/:rw", outer)
    assert is_within(rule, allowed)
    assert is_within(allowed[1], [rule]) == (inner == outer)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        pytest.param("s3://lab/data/:rw", "s3://lab/data/:ro", id="to write"),
        pytest.param("s3://lab/data2/x:ro", "s3://lab/data:rw", id="a neighbour of an object"),
        pytest.param("s3://lab/data/x:ro", "s3://lab/data:rw", id="below an object"),
        pytest.param("s3://lab/data/:ro", "s3://lab/data:rw", id="a prefix like an object"),
        pytest.param("s3://lab/data:ro", "s3://lab/data/:rw", id="an object like a prefix"),
        pytest.param("s3://lab/data2/:ro", "s3://lab/data/:rw", id="a neighbour"),
        pytest.param("s3://lab/Data/:ro", "s3://lab/data/:rw", id="upper case"),
        pytest.param("s3://lab2/data/:ro", "s3://lab/:rw", id="another bucket"),
    ],
)
def test_what_lies_outside(inner: str, outer: str) -> None:
    """By its mode, its bucket or its place."""
    assert not is_within(rules(inner)[0], rules(outer))


def test_nothing_lies_within_nothing() -> None:
    """Nor in two rules that only together give it."""
    writing = rules("s3://lab/:rw")[0]
    assert not is_within(writing, [])
    assert not is_within(writing, rules("s3://lab/:ro", "s3://lab/a/:rw"))


@given(access_rules())
def test_reading_is_less_than_writing(rule: AccessRule) -> None:
    """At the same place."""
    assert is_within(read_only(rule), [rule])
    assert read_only(rule).mode == "ro"
    assert is_within(rule, [read_only(rule)]) == (rule.mode == "ro")


@given(access_rules(), access_rules(), access_rules())
def test_what_is_within_the_inner_is_within_the_outer(
    inner: AccessRule, middle: AccessRule, outer: AccessRule
) -> None:
    """However many are between; and two that are within each other are the same."""
    if is_within(inner, [middle]) and is_within(middle, [outer]):
        assert is_within(inner, [outer])
    if is_within(inner, [outer]) and is_within(outer, [inner]):
        assert inner == outer


# what two lists have in common


@pytest.mark.parametrize(
    ("some", "others", "both"),
    [
        (["s3://lab/:rw"], ["s3://lab/a/:ro"], ["s3://lab/a/:ro"]),
        (["s3://lab/:ro"], ["s3://lab/a/:rw"], ["s3://lab/a/:ro"]),
        (["s3://lab/a/:rw"], ["s3://lab/a/:rw"], ["s3://lab/a/:rw"]),
        (["s3://lab/a/:rw"], ["s3://lab/a/b:rw", "s3://lab/c:rw"], ["s3://lab/a/b:rw"]),
        (["s3://lab/a/:rw", "s3://lab/:ro"], ["s3://lab/a/:rw"], ["s3://lab/a/:rw", "s3://lab/a/:ro"]),
        (["s3://lab/a:rw"], ["s3://lab/a/:rw"], []),
        (["s3://lab/a/:rw"], ["s3://lab/ab/:rw"], []),
        (["s3://lab/:rw"], ["s3://lab2/:rw"], []),
        (["s3://lab/:rw"], [], []),
    ],
)  # fmt: skip
def test_what_is_in_both(some: list[str], others: list[str], both: list[str]) -> None:
    """The narrower place and the narrower mode; nothing where the places lie apart."""
    assert {*in_both(rules(*some), rules(*others))} == {*rules(*both)}
    assert {*in_both(rules(*others), rules(*some))} == {*rules(*both)}


SEVERAL = st.lists(access_rules(), max_size=4)


@given(SEVERAL, SEVERAL, access_rules())
def test_what_is_within_both_is_within_what_is_in_both(
    some: list[AccessRule], others: list[AccessRule], rule: AccessRule
) -> None:
    """And nothing else is."""
    is_in_both = is_within(rule, some) and is_within(rule, others)
    assert is_within(rule, in_both(some, others)) is is_in_both


@given(SEVERAL)
def test_a_list_and_itself_have_all_in_common(some: list[AccessRule]) -> None:
    """No rule is lost."""
    assert {*some} <= {*in_both(some, some)}
