"""What a policy allows by the words of the IAM user guide, apart from the code that makes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Request", "is_allowed"]


@dataclass(frozen=True)
class Request:
    """What somebody asks of S3, as IAM sees it."""

    action: str
    bucket: str
    key: str | None = None
    """The object's; None for what concerns the bucket."""
    prefix: str | None = None
    """Of a listing, which may have none."""

    @property
    def resource(self) -> str:
        return f"arn:aws:s3:::{self.bucket}" + ("" if self.key is None else f"/{self.key}")


def is_allowed(policy: str, request: Request) -> bool:
    """Whether one of the statements allows it; fails for anything that it does not know."""
    document = json.loads(policy)
    assert document.keys() == {"Version", "Statement"}
    assert document["Version"] == "2012-10-17"
    answers = [_allows(statement, request) for statement in document["Statement"]]
    return any(answers)


def _allows(statement: dict[str, Any], request: Request) -> bool:
    assert statement.keys() <= {"Effect", "Action", "Resource", "Condition"}
    assert statement["Effect"] == "Allow"
    actions, resources = _many(statement["Action"]), _many(statement["Resource"])
    assert not any(set(action) & set("*?") for action in actions)
    return (
        request.action in actions
        and any(_is_like(request.resource, pattern) for pattern in resources)
        and all(
            _holds(operator, keys, request)
            for operator, keys in statement.get("Condition", {}).items()
        )
    )


def _holds(operator: str, keys: dict[str, Any], request: Request) -> bool:
    """A condition on something that the request does not have does not hold."""
    compare = {"StringEquals": str.__eq__, "StringLike": _is_like}[operator]
    assert keys.keys() == {"s3:prefix"}
    prefix = request.prefix
    return prefix is not None and any(compare(prefix, each) for each in _many(keys["s3:prefix"]))


def _many(values: str | list[str]) -> list[str]:
    return [values] if isinstance(values, str) else values


def _is_like(text: str, pattern: str) -> bool:
    """`*` is any number of characters, `?` is one; `${` would be a variable."""
    assert "${" not in pattern
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_is_like(text[start:], pattern[1:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and _is_like(text[1:], pattern[1:])
