"""Requests to an issuer, and what its answers mean before anybody looks into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentkeys.errors import IssuerInvalid, IssuerRefused, IssuerUnreachable
from agentkeys.http_dates import retry_after
from agentkeys.transport import Answer, Transport, TransportError

__all__ = ["json_object", "send"]


async def send(
    transport: Transport,
    method: str,
    url: str,
    *,
    issuer: str,
    headers: Mapping[str, str] = {},
    form: Mapping[str, str] | None = None,
    timeout: float = 15.0,  # noqa: ASYNC109 - the message tells it
) -> Answer:
    """An answer that the issuer itself may have given: no redirect, nothing to be tried again.

    It has `timeout` seconds to come whole.

    Raises IssuerUnreachable, IssuerRefused.
    """
    headers = {"accept": "application/json", **headers}
    try:
        answer = await transport.send(method, url, headers=headers, form=form, timeout=timeout)
    except TransportError as problem:
        raise IssuerUnreachable(
            f"the issuer did not answer: {problem.message}", hint=problem.hint
        ) from problem
    if answer.status in (408, 429) or answer.status >= 500:
        raise IssuerUnreachable(
            f"the issuer {issuer} answered {answer.status}",
            hint="try again in a moment; if it stays, ask whoever runs the issuer",
            retry_after=retry_after(answer.headers, transport.times.now(url)),
        )
    if 300 <= answer.status < 400:
        raise IssuerRefused(
            f"the issuer {issuer} answered with a redirect (status {answer.status})",
            hint="redirects are not followed: set issuer to where it leads",
        )
    return answer


def json_object(answer: Answer, *, issuer: str, what: str) -> Mapping[str, Any]:
    """The body; raises IssuerInvalid when it is no JSON object, saying `what` it should be."""
    found = loads(answer.body)
    if found is None:
        raise IssuerInvalid(
            f"the issuer {issuer} answered something else than {what}",
            hint="check that issuer is right, and that no proxy's sign-in page is in the way",
        )
    return found


def loads(body: bytes) -> Mapping[str, Any] | None:
    """A JSON object; None for whatever else a body may be."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
