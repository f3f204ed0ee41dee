"""What the documents of the daemon tell in the same form everywhere."""

from __future__ import annotations

from datetime import timedelta

from agentkeys.errors import AgentkeysError

__all__ = ["seconds", "words_of"]


def seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


def words_of(problem: AgentkeysError | None) -> dict[str, str] | None:
    if problem is None:
        return None
    return {"code": problem.code, "message": problem.message, "hint": problem.hint}
