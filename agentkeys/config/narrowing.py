"""What a profile leaves of its role's permissions: `allow`, or `policy` and `policy_arns`."""

from __future__ import annotations

import re

from agentkeys.access_rules import AccessRule, parse_access_rule
from agentkeys.config.tables import Table
from agentkeys.config.values import Store
from agentkeys.errors import ConfigError
from agentkeys.session_policy import check_raw_policy, compile_session_policy

__all__ = ["read_allow", "read_policy", "read_policy_arns"]

_MOST_ARNS = 10
# A managed policy is of an account, or of AWS itself, and may have a path.
_POLICY_ARN = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]{1,512}")


def read_allow(table: Table) -> tuple[AccessRule, ...]:
    """Rules that a session policy can hold; none where the key is absent."""
    texts = table.strings("allow")
    if texts is None:
        return ()
    for other in ("policy", "policy_arns"):
        if other in table:
            raise table.refuse(
                "allow",
                f"stands beside {other}, and each would be the whole session policy",
                f"keep allow, or write it all into {other}",
            )
    try:
        rules = tuple(map(parse_access_rule, texts))
        compile_session_policy(rules)
    except ConfigError as problem:
        raise table.refuse("allow", f"is wrong: {problem.message}", problem.hint) from None
    return rules


def read_policy(table: Table) -> str | None:
    """A session policy as somebody has written it, without its blanks."""
    text = table.text("policy")
    try:
        return None if text is None else check_raw_policy(text)
    except ConfigError as problem:
        raise table.refuse("policy", f"is wrong: {problem.message}", problem.hint) from None


def read_policy_arns(table: Table, store: Store) -> tuple[str, ...]:
    """Managed policies, on stores that heed them."""
    arns = table.strings("policy_arns")
    if arns is None:
        return ()
    if not store.kind.takes_policy_arns:
        raise table.refuse(
            "policy_arns",
            f"means nothing to {store.kind.title}, which would not narrow the session by it",
            "use allow or policy",
        )
    if len(arns) > _MOST_ARNS:
        raise table.refuse(
            "policy_arns", f"has {len(arns)} entries", f"a session takes at most {_MOST_ARNS}"
        )
    for arn in arns:
        if not _POLICY_ARN.fullmatch(arn):
            raise table.refuse(
                "policy_arns",
                f"has an entry that is not a policy ARN: {arn[:100]!r}",
                "write it as arn:aws:iam::<account>:policy/<name>",
            )
    return arns
