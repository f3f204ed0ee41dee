"""What `exec` asks for reaches the daemon as it was typed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import AccessRuleInvalid, AgentkeysError, ProtocolError
from agentkeys_daemon.runs.asked import AskedRun
from agentkeys_shell.asked_run import asked_run, check_options

ANYTHING = st.text(st.characters(exclude_characters="\0"), min_size=1)
"""What a command line can hold: any character, and lone surrogates for bytes that are no text."""


@given(ANYTHING, st.lists(ANYTHING, min_size=1, max_size=5))
def test_json_reads_what_was_typed(program: str, rules: list[str]) -> None:
    """Quotes, controls, characters beyond the first plane, and what is no text at all."""
    sent = asked_run({"allow": "\0".join(rules)}, [program, "argument"])
    assert sent.isascii()
    assert json.loads(sent) == {"program": program, "allow": rules}


def test_a_surrogate_pair_stays_two() -> None:
    """Bytes that are no text must not become a character that was never typed."""
    assert json.loads(asked_run({}, ["\ud83d"])) == {"program": "\ud83d"}
    assert asked_run({}, ["😀é\udcff"]) == b'{"program":"\\ud83d\\ude00\\u00e9\\udcff"}'


@pytest.mark.parametrize(
    ("options", "command", "expected"),
    [
        ({}, [], {}),
        ({}, ["rclone", "--secret"], {"program": "rclone"}),
        ({"refresh": "yes", "read_only": "yes"}, [], {"refresh": True, "read_only": True}),
        ({"explain": "yes", "profile": "data", "json": "yes"}, [], {"explain": True}),
        ({"allow": "s3://a/:ro"}, [], {"allow": ["s3://a/:ro"]}),
        ({"legacy_mint": "URL:TOKEN"}, [], {"legacy_mint": ["URL", "TOKEN"]}),
    ],
)
def test_it_holds_what_concerns_the_daemon(
    options: dict[str, str], command: list[str], expected: dict[str, object]
) -> None:
    """And no argument of the program, which may be a secret."""
    assert json.loads(asked_run(options, command)) == expected


def test_nothing_asked_is_no_limit() -> None:
    """The whole of what the profile allows, with fixed keys."""
    assert AskedRun.parse({}) == AskedRun()


def test_what_is_asked_is_read_once() -> None:
    """Into rules that cannot be wrong."""
    sent = asked_run({"allow": "s3://lab/a/:ro\0s3://lab/b:rw", "read_only": "yes"}, ["sh"])
    asked = AskedRun.parse(json.loads(sent))
    assert [str(rule) for rule in asked.allow] == ["s3://lab/a/:ro", "s3://lab/b:rw"]
    assert (asked.program, asked.reads_only, asked.refresh) == ("sh", True, False)


@pytest.mark.parametrize("allow", [[], "s3://lab/:ro", {}, [1], [None], 0, "", [["s3://lab/:ro"]]])
def test_a_list_that_is_none_is_never_no_limit(allow: object) -> None:
    """Least of all an empty one."""
    with pytest.raises(ProtocolError):
        AskedRun.parse({"allow": allow})


def test_the_variables_to_mint_with_are_two() -> None:
    """The first for the URL, the second for the token; with or without the endpoint of SDKs."""
    asked = AskedRun.parse({"legacy_mint": ["BROKER_URL", "_t0ken"]})
    assert asked == AskedRun(legacy_mint=("BROKER_URL", "_t0ken"))
    assert asked.has_token
    assert AskedRun.parse({"refresh": True}).has_token
    assert not AskedRun.parse({"legacy_mint": None}).has_token


@pytest.mark.parametrize(
    "names",
    [
        [], ["A"], ["A", "B", "C"], ["A", "A"], "AB", {"A": "B"}, True, 0, "", [1, 2], ["A", None],
        ["A", ""], ["1A", "B"], ["A=B", "C"], ["A\0", "B"], ["A B", "C"], ["\u00e9", "B"],
        ["A\n", "B"],
        ["AWS_URL", "B"], ["A", "AGENTKEYS_RUN"], ["BOTO_CONFIG", "B"],
    ],
)  # fmt: skip
def test_what_names_no_variables_is_refused(names: object) -> None:
    """It would end up in the program's environment, secret and all."""
    with pytest.raises(ProtocolError, match="legacy_mint is not two variables"):
        AskedRun.parse({"legacy_mint": names})


def test_more_rules_than_a_policy_holds_are_refused() -> None:
    """Before each is compared with each."""
    with pytest.raises(ProtocolError, match="101 rules are too many"):
        AskedRun.parse({"allow": ["s3://lab/:ro"] * 101})
    with pytest.raises(AccessRuleInvalid):
        AskedRun.parse({"allow": ["s3://lab/:ro"] * 99 + ["s3://lab/*:ro"]})


@pytest.mark.parametrize("name", ["refresh", "read_only", "explain"])
def test_a_switch_is_on_or_off(name: str) -> None:
    """Each by itself; one that is not sent is off."""
    for value in (True, False):
        asked = AskedRun.parse({name: value})
        found = {
            "refresh": asked.refresh,
            "read_only": asked.reads_only,
            "explain": asked.is_explained,
        }
        assert found == dict.fromkeys(found, False) | {name: value}


@pytest.mark.parametrize("name", ["refresh", "read_only", "explain"])
@pytest.mark.parametrize("value", [0, 1, "true", "", "yes", [True], {}, None])
def test_what_is_no_switch_is_never_off(name: str, value: object) -> None:
    """Whoever means yes does not get a wider run for a way of writing it."""
    with pytest.raises(ProtocolError, match=f"{name} is not true or false"):
        AskedRun.parse({name: value})


@pytest.mark.parametrize("name", ["readonly", "read-only", "Allow", "rules", "", "\x1b[31m", "\0"])
def test_a_wish_that_is_not_known_is_not_passed_over(name: str) -> None:
    """It may have been meant to narrow the run."""
    with pytest.raises(ProtocolError, match="nothing is known of") as found:
        AskedRun.parse({"program": "sh", name: True})
    assert found.value.message.isprintable()
    assert "read_only" in found.value.hint


@pytest.mark.parametrize(
    ("options", "command", "words"),
    [
        ({}, [""], "the name of the program is empty"),
        ({"explain": "yes"}, ["", "argument"], "the name of the program is empty"),
        ({"json": "yes"}, ["sh"], "--json is for --explain"),
        ({"refresh": "yes", "inherit_aws": "yes"}, ["sh"], "--refresh and --inherit-aws exclude"),
        ({"keep_env": "PATH\0AWS_SECRET_ACCESS_KEY"}, ["sh"], "AWS_SECRET_ACCESS_KEY would mix"),
        ({"keep_env": "AWS_CONTAINER_AUTHORIZATION_TOKEN"}, ["sh"], "would mix"),
        ({"keep_env": "AGENTKEYS_CLIENT_SECRET"}, ["sh"], "holds the secret of an identity"),
        ({"keep_env": "PATH\0AGENTKEYS_CLIENT_SECRET_CI"}, ["sh"], "SECRET_CI holds the secret"),
        ({"legacy_mint": "BROKER_URL"}, ["sh"], "--legacy-mint 'BROKER_URL' is not URL_VARIABLE"),
        ({"legacy_mint": "A:B", "set": "C=region\0B=bucket"}, ["sh"], "--set both name B"),
    ],
)
def test_what_is_plainly_wrong_is_told_before_anybody_is_asked(
    options: dict[str, str], command: list[str], words: str
) -> None:
    """With what to do about it."""
    with pytest.raises(AgentkeysError, match=words) as found:
        check_options(options, command)
    assert found.value.hint


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({}, ["sh", ""]),
        ({"explain": "yes", "json": "yes"}, []),
        ({"refresh": "yes", "keep_env": "AWS_PROFILE"}, ["sh"]),
        ({"inherit_aws": "yes"}, ["sh"]),
        ({"keep_env": "ACTIONS_ID_TOKEN_REQUEST_TOKEN"}, ["sh"]),
        ({"legacy_mint": "A:B", "set": "C=region", "refresh": "yes"}, ["sh"]),
    ],
)
def test_what_is_not_wrong_passes(options: dict[str, str], command: list[str]) -> None:
    """Such as an argument that is empty."""
    check_options(options, command)


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("rclone", "rclone"),
        ("/opt/a b/tool", "/opt/a b/tool"),
        ("\x1b[31mred\n", "?[31mred?"),
        ("\ud83d", "?"),
        ("x" * 5000, "x" * 200),
        (7, None),
        (None, None),
    ],
)
def test_a_program_s_name_can_be_shown(program: object, shown: str | None) -> None:
    """On a terminal and in the ledger, whatever it is called."""
    assert AskedRun.parse({"program": program}).program == shown
