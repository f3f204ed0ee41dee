"""The words of the brokers that once minted: `error` and `message`, or an answer without a body.

Source: the broker's client contract, sections 1.1, 1.2 and 1.8. Its clients stop at 401 and 403,
and try again at 5xx.
"""

from __future__ import annotations

from math import ceil

from agentkeys.documents import mint_document
from agentkeys.errors import (
    AgentkeysError,
    AuditError,
    DaemonTimeout,
    ScopeRefused,
    StsError,
    TokenError,
    UnknownRun,
)
from agentkeys_daemon.endpoint.runs import Minted
from agentkeys_daemon.http import HttpAnswer, json_answer

__all__ = [
    "LARGEST_BODY",
    "NOT_FOUND",
    "NO_RUNS_TOKEN",
    "ONLY_POST",
    "TOO_LARGE",
    "WRONG_HOST",
    "credentials",
    "failure",
    "refusal",
]

LARGEST_BODY = 65_536
"""Bytes; a signed request has some hundred."""

_LAST = ("connection", "close")


def refusal(
    status: int, error: str, message: str, *, headers: tuple[tuple[str, str], ...] = ()
) -> HttpAnswer:
    """`message` is what happened, and after a semicolon what to do."""
    document = {"error": error, "message": f"{error.replace('_', ' ')}: {message}"}
    return HttpAnswer(status, "application/json", json_answer(document).body, (*headers, _LAST))


def credentials(minted: Minted, *, is_later: bool) -> HttpAnswer:
    """Holds secrets. `is_later` is the shape of those who sign their requests."""
    record_id = minted.audit_record_id if is_later else None
    body = mint_document(minted.lease, wallet=minted.wallet, audit_record_id=record_id)
    return HttpAnswer(200, "application/json", body, (_LAST,))


def failure(problem: AgentkeysError) -> HttpAnswer:
    """As a broker would have told of the same cause."""
    if isinstance(problem, UnknownRun):
        return NO_RUNS_TOKEN
    message = "; ".join(part for part in (problem.message, problem.hint) if part)
    status, error = _kind(problem)
    wait: tuple[tuple[str, str], ...] = ()
    if problem.retryable:
        wait = (("retry-after", str(max(1, ceil(problem.retry_after or 0)))),)
    return refusal(status, error, message, headers=wait)


def _kind(problem: AgentkeysError) -> tuple[int, str]:
    if isinstance(problem, StsError):
        return 502, "sts_error"
    if isinstance(problem, DaemonTimeout):
        return 503, "backend_unreachable"
    if isinstance(problem, AuditError):
        return 500, "audit_error"
    if isinstance(problem, TokenError):
        return (502, "backend_unreachable") if problem.retryable else (403, "forbidden")
    # Whatever is left is a matter of configuration or storage here.
    return (403, "forbidden") if isinstance(problem, ScopeRefused) else (500, "internal")


def _empty(status: int, headers: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
    return HttpAnswer(status, "text/plain", b"", (*headers, _LAST))


NO_RUNS_TOKEN = refusal(
    401,
    "unauthorized",
    "the bearer is not the token of a run that lives;"
    " start the program again with: agentkeys exec --legacy-mint",
)
WRONG_HOST = refusal(
    403, "forbidden", "the Host header is not this endpoint's; ask at the URL that exec has given"
)
TOO_LARGE = refusal(
    413, "bad_request", f"the request is too large; send at most {LARGEST_BODY} bytes of a body"
)
NOT_FOUND = _empty(404)
ONLY_POST = _empty(405, (("allow", "POST"),))
