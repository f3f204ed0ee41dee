"""Every way in which a broker says no, as one of our errors.

Whether asking again can help depends on the HTTP status; the words are the broker's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentkeys.errors import BrokerRefused, BrokerUnreachable, LoginRequired, TokenError
from agentkeys.http_dates import retry_after
from agentkeys.quoting import quotable
from agentkeys.transport import Answer

__all__ = ["BINDING", "RESOLVING", "SESSION", "Refusal", "Refusals", "json_object", "refusal_of"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a status means to a caller who knows more than that it is one."""

    kind: type[TokenError]
    hint: str
    message: str = ""
    """Instead of the broker's own words, where those say less."""


Refusals = Mapping[int, Refusal]
"""By HTTP status."""

SESSION: Refusals = {
    401: Refusal(LoginRequired, "run: agentkeys login", "the broker no longer accepts the session"),
}
"""Of a call with a session."""

BINDING: Refusals = {
    **SESSION,
    # Its device is not registered on chain, revoked, or somebody else's by now.
    403: Refusal(
        BrokerRefused, "this agent's owner has to bind its device, or bind it again; then try again"
    ),
}
"""Of a mint for an agent."""

RESOLVING: Refusals = {
    401: Refusal(
        LoginRequired, "run: agentkeys login --pair", "the broker does not take this device's proof"
    ),
    403: Refusal(
        BrokerRefused, "its owner has to bind this device; or pair it: agentkeys login --pair"
    ),
}
"""Of a device that asks for a session anew."""

_ANY: Refusals = {
    403: Refusal(BrokerRefused, "the owner of this account has to allow it; then try again"),
}
_UNKNOWN = Refusal(BrokerRefused, "check what was asked of it")
_RATE_LIMIT = re.compile(r"rate limited: .*?retry in (\d{1,6})s\s*$")


def refusal_of(
    answer: Answer, *, url: str, sent: Collection[str], known: Refusals, now: datetime
) -> TokenError:
    """The error for an answer that is no success; `sent` are secrets that it must not repeat.

    `now` is the broker's time, for a proxy's Retry-After.
    """
    envelope = json_object(answer) or {}
    code = quotable(envelope.get("error"), secrets=sent)
    detail = quotable(envelope.get("message"), secrets=sent)
    code = f" ({code})" if code else ""
    limited = _RATE_LIMIT.search(detail)
    if answer.status == 400 and limited:
        return _rate_limited(limited[1])
    if answer.status in (408, 429) or answer.status >= 500:
        return BrokerUnreachable(
            f"the broker at {url} answered {answer.status}{code}",
            hint="try again in a moment; if it stays, ask the broker's operator",
            retry_after=retry_after(answer.headers, now),
        )
    if 300 <= answer.status < 400:
        return BrokerRefused(
            f"the broker at {url} answered with a redirect (status {answer.status})",
            hint="redirects are not followed: set the identity's url to where it leads",
        )
    refusal = known.get(answer.status) or _ANY.get(answer.status, _UNKNOWN)
    words = f"the broker refused{code}: {detail or f'status {answer.status}'}"
    return refusal.kind(refusal.message or words, hint=refusal.hint)


def json_object(answer: Answer) -> dict[str, Any] | None:
    """The answer's JSON object; None for anything else."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _rate_limited(seconds: str) -> BrokerRefused:
    problem = BrokerRefused(
        "the broker limits how often this may be asked",
        hint=f"wait {seconds} s and try again",
        retry_after=float(seconds),
    )
    problem.retryable = True
    return problem
