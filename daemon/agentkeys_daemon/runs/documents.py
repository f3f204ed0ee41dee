"""A run as JSON: for its file, and for the daemon that takes over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from agentkeys.access_rules import AccessRule, parse_access_rule
from agentkeys.clock import format_utc, parse_utc
from agentkeys.errors import AgentkeysError
from agentkeys.processes import ProcessId
from agentkeys.scopes import Scope
from agentkeys_daemon.runs.asked import printable
from agentkeys_daemon.runs.run import Run

__all__ = ["parse_run", "run_document"]


def run_document(run: Run) -> dict[str, Any]:
    """What JSON can hold."""
    until = run.break_glass_until
    return {
        "id": run.id,
        "profile": run.profile,
        "identity": run.identity,
        "issuer": run.issuer,
        "subject": run.subject,
        "pid": run.process.pid,
        "started": run.process.started,
        "program": run.program,
        "started_at": format_utc(run.started_at),
        "allow": [str(rule) for rule in run.allow],
        "reads_only": run.reads_only,
        "scope": {
            "rules": [str(rule) for rule in run.scope.rules],
            "reading": run.scope.reading,
            "policy": run.scope.policy,
            "policy_arns": run.scope.policy_arns,
        },
        "lease_run": run.lease_run,
        "outer": run.outer,
        "fetches": run.fetches,
        "mints": run.mints,
        "token_hash": run.token_hash,
        "break_glass_until": until and format_utc(until),
        "is_forgotten": run.is_forgotten,
    }


def parse_run(document: Mapping[str, Any]) -> Run | None:
    """None for what is no whole record: nobody could be served by a guess."""
    try:
        return Run(
            id=_text(document["id"]),
            profile=_text(document["profile"]),
            identity=_text(document["identity"]),
            issuer=_text(document["issuer"]),
            subject=_text(document["subject"]),
            process=ProcessId(_number(document["pid"]), _text(document["started"])),
            program=_program(document["program"]),
            started_at=parse_utc(_text(document["started_at"])),
            allow=_rules(document["allow"]),
            reads_only=document["reads_only"] is not False,
            scope=_scope(document["scope"]),
            lease_run=_text_or_none(document["lease_run"]),
            outer=tuple(map(_text, document["outer"])),
            break_glass_until=_time_or_none(document["break_glass_until"]),
            # What cannot be read opens no door, as it lifts no limit.
            fetches=document["fetches"] is True,
            mints=document["mints"] is True,
            token_hash=_text_or_none(document["token_hash"]),
            is_forgotten=document["is_forgotten"] is not False,
        )
    except (KeyError, TypeError, ValueError, IndexError, AgentkeysError):
        return None


def _program(value: object) -> str | None:
    return None if value is None else printable(_text(value))


def _scope(document: Mapping[str, Any]) -> Scope:
    reading = document["reading"]
    return Scope(
        rules=_rules(document["rules"]),
        reading=None if reading is None else (_text(reading[0]), _text(reading[1])),
        policy=_text_or_none(document["policy"]),
        policy_arns=tuple(map(_text, document["policy_arns"])),
    )


def _rules(texts: Iterable[Any]) -> tuple[AccessRule, ...]:
    return tuple(parse_access_rule(_text(rule)) for rule in texts)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _time_or_none(value: object) -> datetime | None:
    return None if value is None else parse_utc(_text(value))


def _number(value: object) -> int:
    """A pid, which fits into 31 bits."""
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise TypeError
    return value
