"""Words an error as an answer: {"error": {"code", "message", "hint", "retryable"}} and a status."""

from __future__ import annotations

from agentkeys.errors import (
    USER_MUST_ACT,
    AgentkeysError,
    ConfigError,
    InsideRun,
    ProtocolError,
    RunsLive,
    UnknownRun,
)
from agentkeys_daemon.http import HttpAnswer, json_answer

__all__ = ["refusal"]


def refusal(problem: AgentkeysError) -> HttpAnswer:
    document = {
        "error": {
            "code": problem.code,
            "message": problem.message,
            "hint": problem.hint,
            "retryable": problem.retryable,
        }
    }
    return json_answer(document, status=_status_of(problem))


_STATUS_OF_RUN_ERRORS: dict[type[AgentkeysError], int] = {
    InsideRun: 403,
    UnknownRun: 404,
    RunsLive: 409,
}


def _status_of(problem: AgentkeysError) -> int:
    """401 where a person must act, 400 where the request or configuration is wrong, else 502."""
    if problem.code in USER_MUST_ACT:
        return 401
    if status := _STATUS_OF_RUN_ERRORS.get(type(problem)):
        return status
    if isinstance(problem, ConfigError | ProtocolError):
        return 400
    return 503 if problem.retryable else 502
