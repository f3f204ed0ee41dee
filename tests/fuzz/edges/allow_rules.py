"""Access rules as `--allow` takes them, and the session policies that are made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentkeys.access_rules import AccessRule, in_both, is_within, parse_access_rule, read_only
from agentkeys.errors import AccessRuleInvalid
from agentkeys.session_policy import MOST_CHARACTERS, compile_session_policy
from tests.fuzz.edges.edge import Edge, hold
from tests.support.policy_evaluator import Request, is_allowed

__all__ = ["ALLOW_RULES"]

_READ, _WRITE = "s3:GetObject", "s3:PutObject"


def _seeds() -> Sequence[bytes]:
    """Rules, a line each."""
    return [
        b"s3://bucket/data/:ro",
        b"s3://bucket/data/:ro\ns3://bucket/data/out/:rw",
        b"s3://bucket/:rw\ns3://other.bucket/a b/x:y:ro",
        b"s3://bucket/*:ro\ns3://192.168.1.1/:rw",
        b"s3://bucket/${aws:username}/:ro",
        "s3://bucket/caf\u00e9/:ro\ns3://bucket/../x:rw".encode(),
    ]


def _check(data: bytes) -> None:
    rules = [rule for line in data.split(b"\n")[:20] if (rule := _parse(line))]
    for rule in rules:
        hold(read_only(rule).mode == "ro", "reading that writes")
        hold(is_within(rule, [rule]), "a rule that does not hold itself")
    _check_meeting(rules)
    _check_policy(rules)


def _parse(line: bytes) -> AccessRule | None:
    text = line.decode("utf-8", "replace")
    try:
        rule = parse_access_rule(text)
    except AccessRuleInvalid as problem:
        hold(f"{problem.message}{problem.hint}".isprintable(), "an error for the terminal to obey")
        return None
    hold(str(rule) == text, "a rule that means something else than it says")
    return rule


def _check_meeting(rules: Sequence[AccessRule]) -> None:
    """What two lists have in common is in both."""
    some, others = rules[::2], rules[1::2]
    for rule in in_both(some, others):
        hold(is_within(rule, some) and is_within(rule, others), "more than both lists give")


def _check_policy(rules: Sequence[AccessRule]) -> None:
    try:
        policy = compile_session_policy(rules)
    except AccessRuleInvalid:
        return
    hold(len(policy) <= MOST_CHARACTERS, "a policy that no STS takes")
    for rule in rules:
        for request in _around(rule):
            is_given = any(_gives(each, request) for each in rules)
            hold(is_allowed(policy, request) == is_given, f"{request} is not as the rules say")


def _around(rule: AccessRule) -> Iterator[Request]:
    """In the place, beside it and above it."""
    for key in (rule.key + "x", rule.key, rule.key.rstrip("/") + "2/x", "x", rule.key.swapcase()):
        for bucket in (rule.bucket, rule.bucket + "2"):
            if key:
                yield Request(_READ, bucket, key=key)
                yield Request(_WRITE, bucket, key=key)


def _gives(rule: AccessRule, request: Request) -> bool:
    is_there = request.bucket == rule.bucket and rule.covers(request.key or "")
    return is_there and (request.action == _READ or rule.mode == "rw")


ALLOW_RULES = Edge("allow", "access rules", _seeds, _check)
