"""What SDKs are answered at the endpoint: credentials, or `code` and `message` for a person to see.

SDKs know 200 and failure. Of the failures they repeat 5xx, some for a minute, so that one which
asking again cannot mend has to be a 4xx. Most that show anything show the body.
"""

from __future__ import annotations

from math import ceil

from agentkeys.documents import container_credentials_document
from agentkeys.errors import AgentkeysError
from agentkeys.leases import Lease
from agentkeys_daemon.http import HttpAnswer, json_answer

__all__ = [
    "NOT_FOUND",
    "NO_RUNS_TOKEN",
    "ONLY_GET",
    "WRONG_HOST",
    "credentials",
    "failure",
    "refusal",
]


def refusal(
    status: int, code: str, message: str, *, headers: tuple[tuple[str, str], ...] = ()
) -> HttpAnswer:
    """`message` is what happened, and after a semicolon what to do."""
    body = json_answer({"code": code, "message": message}).body
    return HttpAnswer(status, "application/json", body, (*headers, _LAST))


def credentials(lease: Lease) -> HttpAnswer:
    """Holds secrets."""
    body = container_credentials_document(lease)
    return HttpAnswer(200, "application/json", body, (_LAST,))


def failure(problem: AgentkeysError) -> HttpAnswer:
    """403 for what asking again will not mend, else 503 with the seconds to wait."""
    message = "; ".join(part for part in (problem.message, problem.hint) if part)
    if not problem.retryable:
        return refusal(403, problem.code, message)
    wait = max(1, ceil(problem.retry_after or 0))
    return refusal(503, problem.code, message, headers=(("retry-after", str(wait)),))


# A client asks once in many minutes, and a connection kept until then could only break in between.
_LAST = ("connection", "close")

NO_RUNS_TOKEN = refusal(
    401,
    "token_refused",
    "the Authorization header is not the token of a run that lives;"
    " start the program again with: agentkeys exec --refresh",
)
WRONG_HOST = refusal(
    403,
    "host_refused",
    "the Host header is not this endpoint's; ask at AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
NOT_FOUND = refusal(404, "not_found", "nothing is here; ask at AWS_CONTAINER_CREDENTIALS_FULL_URI")
ONLY_GET = refusal(
    405, "method_not_allowed", "credentials are only read; send GET", headers=(("allow", "GET"),)
)
