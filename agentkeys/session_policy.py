"""Turns access rules into the inline session policy of AssumeRoleWithWebIdentity.

A session may do what both its role and this policy allow. The policy is of the plainest kind, so
that AWS, MinIO, Ceph and SeaweedFS read it alike: it only allows, and an action stands in one
statement with the kind of resource that it acts upon, bucket or object.

`ro` is s3:GetObject, and s3:ListBucket where `s3:prefix` is below the rule's prefix. The prefix
without its last `/` cannot be listed, since the answer would name the neighbours: `data` lists
`data2/` as well. For the same reason a rule for one object lists nothing; where the object is not
there, AWS then says 403 instead of 404. Every bucket named may be asked where it is
(s3:GetBucketLocation): that tells nothing of what is inside, and many clients ask it first.

SeaweedFS (4.48) compares Resource without regard to upper and lower case, in a role's own policies
too: there a rule for `data/` also reaches the objects below `Data/`, though it does not list them.
No form of a policy changes that.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from agentkeys.access_rules import AccessRule, is_within
from agentkeys.errors import AccessRuleInvalid, ConfigError

__all__ = ["MOST_CHARACTERS", "check_raw_policy", "compile_session_policy"]

MOST_CHARACTERS = 2048
"""What an STS takes; AWS has a second limit, which it alone can measure: PackedPolicySize."""
_MOST_RULES = 100  # more do not fit, however short: '"arn:aws:s3:::abc/x",' has 21 characters
VERSION = "2012-10-17"
_OBJECT_ACTIONS = {
    "ro": ("s3:GetObject",),
    "rw": (
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    ),
}
_NAME_FEWER = "name fewer places: a rule that ends in / covers everything below it"
_FIND = "s3:GetBucketLocation"
_LIST = "s3:ListBucket"

_Grant = tuple[tuple[str, ...], tuple[str, ...]]
"""Actions, and the patterns that `s3:prefix` must be like; without a pattern it may be anything."""


def compile_session_policy(rules: Iterable[AccessRule], *, partition: str = "aws") -> str:
    """JSON without blanks that allows what the rules do, the same for the same rules in any order.

    `partition` is the second part of the store's ARNs. Raises AccessRuleInvalid when there is no
    rule, or for a policy longer than an STS takes: it is never widened to fit.
    """
    needed = _needed(rules)
    if not needed:
        raise AccessRuleInvalid("there are no access rules", hint="name at least one place")
    resources = defaultdict(list)
    for grant, resource in (*_object_grants(needed), *_bucket_grants(needed)):
        resources[grant].append(f"arn:{partition}:s3:::{resource}")
    statements = [_statement(grant, named) for grant, named in sorted(resources.items())]
    policy = _spell({"Version": VERSION, "Statement": statements})
    if len(policy) > MOST_CHARACTERS:
        raise AccessRuleInvalid(
            f"a session policy of {len(needed)} access rules has {len(policy)} characters,"
            f" {len(policy) - MOST_CHARACTERS} more than an STS takes",
            hint=_NAME_FEWER,
        )
    return policy


def check_raw_policy(text: str) -> str:
    """A policy that somebody has written, without its blanks; raises ConfigError.

    It is for the store to judge what it says: what is checked is that every store reads the same.
    """
    try:
        document = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except (ValueError, RecursionError) as problem:
        reason = "" if isinstance(problem, RecursionError) else f": {problem}"
        raise ConfigError(
            f"the session policy is not valid JSON{reason}", hint="mend it, or use allow instead"
        ) from None
    if not isinstance(document, dict) or not document.get("Statement"):
        raise ConfigError(
            "the session policy has no Statement",
            hint=f'write {{"Version": "{VERSION}", "Statement": [...]}}',
        )
    policy = _spell(document)
    if len(policy) > MOST_CHARACTERS:
        raise ConfigError(
            f"the session policy has {len(policy)} characters without its blanks",
            hint=f"shorten it to {MOST_CHARACTERS}",
        )
    return policy


def _needed(rules: Iterable[AccessRule]) -> list[AccessRule]:
    """The rules, sorted, without those that another one makes superfluous.

    Raises AccessRuleInvalid for too many.
    """
    distinct = sorted(set(rules), key=str)
    if len(distinct) > _MOST_RULES:  # each is compared with each
        raise AccessRuleInvalid(
            f"{len(distinct)} access rules are more than a session policy holds", hint=_NAME_FEWER
        )
    return [
        rule
        for rule in distinct
        if not is_within(rule, (other for other in distinct if other != rule))
    ]


def _object_grants(rules: Iterable[AccessRule]) -> Iterator[tuple[_Grant, str]]:
    for rule in rules:
        everything_below = "*" if rule.is_prefix else ""
        yield (_OBJECT_ACTIONS[rule.mode], ()), f"{rule.bucket}/{rule.key}{everything_below}"


def _bucket_grants(rules: Collection[AccessRule]) -> Iterator[tuple[_Grant, str]]:
    """Each bucket's place, and its listings, whoever may write there."""
    for bucket in sorted({rule.bucket for rule in rules}):
        prefixes = [rule.key for rule in rules if rule.bucket == bucket and rule.is_prefix]
        if "" in prefixes:
            yield ((_FIND, _LIST), ()), bucket
            continue
        yield ((_FIND,), ()), bucket
        if prefixes:
            yield ((_LIST,), tuple(_outermost(prefixes))), bucket


def _outermost(prefixes: Collection[str]) -> Iterator[str]:
    """Patterns for the prefixes that no other one covers; `p/*` is like `p/` too."""
    for prefix in sorted(set(prefixes)):
        if not any(prefix != other and prefix.startswith(other) for other in prefixes):
            yield f"{prefix}*"


def _statement(grant: _Grant, resources: list[str]) -> dict[str, Any]:
    actions, patterns = grant
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": _one_or_many(actions),
        "Resource": _one_or_many(resources),
    }
    if patterns:
        statement["Condition"] = {"StringLike": {"s3:prefix": _one_or_many(patterns)}}
    return statement


def _one_or_many(values: Collection[str]) -> str | list[str]:
    return next(iter(values)) if len(values) == 1 else list(values)


def _spell(document: dict[str, Any]) -> str:
    """ASCII alone: an STS takes no character beyond U+00FF, but takes its escape."""
    return json.dumps(document, separators=(",", ":"))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that stands twice, one store would take the first and another the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
