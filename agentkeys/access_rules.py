"""What a program may reach in a store, in S3's own words: `s3://bucket/prefix/:ro`.

A rule is compared byte by byte and put into policies as it is, so nothing gets into one that a
policy or a store could take for more than itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agentkeys.errors import AccessRuleInvalid

__all__ = ["AccessRule", "in_both", "is_within", "parse_access_rule", "read_only"]

_SCHEME = "s3://"
_MODES = ("ro", "rw")
_LONGEST_KEY = 1024  # S3's own limit
_SHOWN = 100
_NO_MODE = (
    "does not end in :ro or :rw",
    "add :ro to read and list, :rw to write and delete as well",
)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_MEANS_MORE = re.compile(r"[*?\[\]{}$\\]")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One place, and what may be done there; raises AccessRuleInvalid for what is none.

    Rules add up: none takes away what another one gives.
    """

    bucket: str
    key: str
    """Ends in `/`, or is empty for a whole bucket: everything that begins so. Else one object."""
    mode: str
    """`ro` to read and list, `rw` to write and delete as well."""

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise _invalid(str(self), *_NO_MODE)
        if not _is_bucket(self.bucket):
            raise _invalid(
                str(self),
                "does not name a bucket",
                "a bucket has 3 to 63 lower-case letters, digits, dots and dashes",
            )
        if problem := _key_problem(self.key):
            raise _invalid(str(self), *problem)

    @property
    def is_prefix(self) -> bool:
        """Whether it covers everything that begins with `key`, rather than one object."""
        return not self.key or self.key.endswith("/")

    def covers(self, key: str) -> bool:
        """Whether the object called `key`, of this bucket, is in this place."""
        return key.startswith(self.key) if self.is_prefix else key == self.key

    def __str__(self) -> str:
        """As `parse_access_rule` reads it."""
        return f"{_SCHEME}{self.bucket}/{self.key}:{self.mode}"


def parse_access_rule(text: str) -> AccessRule:
    """From `s3://bucket/prefix/:ro`, `s3://bucket/object:rw` or `s3://bucket/:ro`.

    The mode is what follows the last colon, since a key may hold others. Raises AccessRuleInvalid.
    """
    if not text.startswith(_SCHEME):
        raise _invalid(text, "does not begin with s3://", "write it as s3://bucket/prefix/:ro")
    place, _, mode = text.removeprefix(_SCHEME).rpartition(":")
    if mode not in _MODES:
        raise _invalid(text, *_NO_MODE)
    bucket, slash, key = place.partition("/")
    if not slash:  # nobody gives a whole bucket away by leaving something out
        raise _invalid(
            text,
            "has no slash after the bucket",
            f"write s3://bucket/:{mode} if you mean all of it",
        )
    return AccessRule(bucket, key, mode)


def is_within(rule: AccessRule, allowed: Iterable[AccessRule]) -> bool:
    """Whether one of `allowed` gives everything that `rule` gives.

    A rule that only several of them give together counts as outside.
    """
    return any(_gives_all_of(other, rule) for other in allowed)


def in_both(some: Iterable[AccessRule], others: Iterable[AccessRule]) -> tuple[AccessRule, ...]:
    """What both give; empty where that is nothing."""
    others = tuple(others)
    shared = (_shared(one, other) for one in some for other in others)
    return tuple(dict.fromkeys(rule for rule in shared if rule))


def read_only(rule: AccessRule) -> AccessRule:
    """The same place, to read and list."""
    return replace(rule, mode="ro")


def _gives_all_of(wider: AccessRule, rule: AccessRule) -> bool:
    return rule.mode in (wider.mode, "ro") and _holds(wider, rule)


def _shared(one: AccessRule, other: AccessRule) -> AccessRule | None:
    """Two places lie in one another or have nothing in common."""
    narrower = one if _holds(other, one) else other if _holds(one, other) else None
    return read_only(narrower) if narrower and "ro" in (one.mode, other.mode) else narrower


def _holds(place: AccessRule, rule: AccessRule) -> bool:
    """Whether all of what `rule` is about lies in `place`, whatever may be done there."""
    if place.bucket != rule.bucket or not place.covers(rule.key):
        return False
    return place.is_prefix or not rule.is_prefix


def _is_bucket(name: str) -> bool:
    shaped = _BUCKET.fullmatch(name) and not _IP_ADDRESS.fullmatch(name)
    return bool(shaped) and ".." not in name


def _key_problem(key: str) -> tuple[str, str] | None:
    """What is wrong with a key, and what to do."""
    if not _PRINTABLE.fullmatch(key):
        return (
            "has a character beyond printable ASCII",
            "name the folder above: two keys that look alike need not be the same",
        )
    if found := _MEANS_MORE.search(key):
        return (
            f"has a {found[0]}, which a policy or a store may take for more than itself",
            "write the place out; a rule that ends in / covers everything below",
        )
    if len(key) > _LONGEST_KEY:
        return f"has a key of {len(key)} characters", f"{_LONGEST_KEY} is the most"
    names = key.removesuffix("/").split("/") if key else []
    if {"", ".", ".."} & set(names):
        return "has an empty name, a . or a .. in its path", "write the path as the keys have it"
    if any(name != name.strip() for name in names):
        return "has a blank at the end of a name", "take it out, or name the folder above"
    return None


def _invalid(rule: str, problem: str, hint: str) -> AccessRuleInvalid:
    shown = rule if len(rule) <= _SHOWN else f"{rule[:_SHOWN]}…"
    return AccessRuleInvalid(f"access rule {shown!r} {problem}", hint=hint)
