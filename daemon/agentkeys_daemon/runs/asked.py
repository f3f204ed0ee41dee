"""What `agentkeys exec` asks for when it begins a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentkeys.access_rules import AccessRule, parse_access_rule
from agentkeys.errors import BreakGlassRefused, ProtocolError
from agentkeys.variable_names import is_variable_name, may_lead_to_mint

__all__ = ["AskedRun", "printable"]

MOST_RULES = 100
LONGEST_PROGRAM = 200
LONGEST_REASON = 500
_KEYS = {
    "program",
    "refresh",
    "allow",
    "read_only",
    "explain",
    "legacy_mint",
    "break_glass",
    "reason",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRun:
    """The options of one `exec`."""

    program: str | None = None
    refresh: bool = False
    """Whether it wants the endpoint rather than fixed keys."""
    legacy_mint: tuple[str, str] | None = None
    """The variables for a URL and a token to mint with as at a broker, None where it does not."""
    allow: tuple[AccessRule, ...] = ()
    reads_only: bool = False
    is_explained: bool = False
    """Whether none is to begin."""
    reason: str | None = None
    """Why the glass is to be broken, verbatim; None where it is not."""

    @property
    def has_token(self) -> bool:
        """Whether it is to be served at the endpoint, one way or the other."""
        return self.refresh or self.legacy_mint is not None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> AskedRun:
        """From a request's JSON; raises ProtocolError, AccessRuleInvalid, BreakGlassRefused."""
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
        asked = cls(
            program=printable(program) if isinstance(program, str) else None,
            refresh=_switch(document, "refresh"),
            legacy_mint=_variables(document.get("legacy_mint")),
            allow=tuple(map(parse_access_rule, rules)),
            reads_only=_switch(document, "read_only"),
            is_explained=_switch(document, "explain"),
            reason=_reason(document),
        )
        if asked.reason is not None and (asked.has_token or asked.is_explained):
            raise BreakGlassRefused(
                "break-glass gives a program fixed keys and nothing else",
                hint="leave out --refresh, --legacy-mint and --explain",
            )
        return asked


def _switch(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        # Whoever means yes must not get the opposite for a way of writing it.
        raise ProtocolError(f"{name} is not true or false", hint="send a JSON boolean")
    return value


def _reason(document: Mapping[str, Any]) -> str | None:
    """None where no glass is to be broken; raises BreakGlassRefused for what says nothing."""
    reason = document.get("reason")
    if not _switch(document, "break_glass"):
        if reason is not None:
            raise ProtocolError(
                "there is a reason and nothing that it is for", hint="send break_glass as well"
            )
        return None
    if not isinstance(reason, str) or not _is_reason(reason):
        raise BreakGlassRefused(
            "break-glass takes a reason that people can read",
            hint=f"give 1 to {LONGEST_REASON} printable characters, in one line",
        )
    return reason


def _is_reason(text: str) -> bool:
    # It is read in tables and in the ledger, where nothing may pretend to be another line.
    return text.isprintable() and bool(text.strip()) and len(text) <= LONGEST_REASON


def _variables(names: object) -> tuple[str, str] | None:
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        names = []
    is_free = all(is_variable_name(name) and may_lead_to_mint(name) for name in names)
    if len(names) != 2 or names[0] == names[1] or not is_free:
        raise ProtocolError(
            "legacy_mint is not two variables of the program's own",
            hint="send the names of one for the URL and of one for the token",
        )
    return names[0], names[1]


def printable(program: str) -> str:
    """It comes back in tables and in the ledger."""
    shown = program[:LONGEST_PROGRAM]
    return "".join(letter if letter.isprintable() else "?" for letter in shown)
