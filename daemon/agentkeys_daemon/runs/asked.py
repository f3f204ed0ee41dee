"""What `agentkeys exec` asks for when it begins a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentkeys.access_rules import AccessRule, parse_access_rule
from agentkeys.errors import ProtocolError

__all__ = ["AskedRun", "printable"]

MOST_RULES = 100
LONGEST_PROGRAM = 200
_KEYS = {"program", "refresh", "allow", "read_only", "explain"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRun:
    """The options of one `exec`."""

    program: str | None = None
    refresh: bool = False
    """Whether it wants the endpoint rather than fixed keys."""
    allow: tuple[AccessRule, ...] = ()
    reads_only: bool = False
    is_explained: bool = False
    """Whether none is to begin."""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> AskedRun:
        """From a request's JSON; raises ProtocolError, and AccessRuleInvalid for a rule."""
        if unknown := set(document) - _KEYS:
            raise ProtocolError(
                f"nothing is known of {min(unknown)[:40]!r} in a run",
                hint=f"send {', '.join(sorted(_KEYS))}",
            )
        program, rules = document.get("program"), document.get("allow")
        if rules is None:
            rules = []
        elif not isinstance(rules, list) or not all(isinstance(r, str) for r in rules) or not rules:
            # An empty list must not read as no limit at all.
            raise ProtocolError("allow is not a list of rules", hint="send a list of strings")
        if len(rules) > MOST_RULES:
            raise ProtocolError(
                f"{len(rules)} rules are too many", hint=f"give at most {MOST_RULES}"
            )
        return cls(
            program=printable(program) if isinstance(program, str) else None,
            refresh=_switch(document, "refresh"),
            allow=tuple(map(parse_access_rule, rules)),
            reads_only=_switch(document, "read_only"),
            is_explained=_switch(document, "explain"),
        )


def _switch(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        # Whoever means yes must not get the opposite for a way of writing it.
        raise ProtocolError(f"{name} is not true or false", hint="send a JSON boolean")
    return value


def printable(program: str) -> str:
    """It comes back in tables and in the ledger."""
    shown = program[:LONGEST_PROGRAM]
    return "".join(letter if letter.isprintable() else "?" for letter in shown)
