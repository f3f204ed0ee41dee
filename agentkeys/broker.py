"""The agentKeys broker over HTTP: one call each way, errors by its envelope.

Source of the wire format: the broker's client contract, generations with session JWTs (g4 on).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from agentkeys.errors import BrokerRefused, BrokerUnreachable, LoginRequired, TokenError
from agentkeys.http_dates import retry_after
from agentkeys.quoting import quotable
from agentkeys.secret import Secret
from agentkeys.transport import Answer, Transport, TransportError

__all__ = ["BrokerClient"]

_RATE_LIMIT = re.compile(r"rate limited: .*?retry in (\d{1,6})s\s*$")
_SECRET_FIELDS = ("request_id", "signature")


class BrokerClient:
    """Talks to one broker, or to its signer, which answers in the same envelope."""

    def __init__(self, *, url: str, transport: Transport) -> None:
        self.url = url
        self._transport = transport

    async def tell_time(self) -> None:
        """Has the transport learn the broker's time, if it answers; whatever it answers has it."""
        with suppress(TransportError):
            await self._transport.send("GET", f"{self.url}/healthz", timeout=5)

    async def mint_oidc_jwt(self, session: Secret) -> Secret:
        """A fresh web identity token for the session; every call makes the broker sign one.

        Raises LoginRequired when the broker no longer takes the session, BrokerUnreachable,
        BrokerRefused.
        """
        answer = await self.call("POST", "/v1/mint-oidc-jwt", bearer=session)
        token = answer.get("jwt")
        if not isinstance(token, str) or not token:
            raise self._not_an_answer("a token")
        return Secret(token)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        bearer: Secret | None = None,
        ticket: Secret | None = None,
    ) -> dict[str, Any]:
        """One request; its JSON object. Raises LoginRequired, BrokerRefused, BrokerUnreachable.

        `ticket` is the path's last part where that is a secret, so that no error can show it.
        """
        headers = {"accept": "application/json"}
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer.reveal()}"
        url = f"{self.url}{path}/{ticket.reveal()}" if ticket else self.url + path
        try:
            answer = await self._transport.send(method, url, headers=headers, json=body)
        except TransportError as problem:
            raise BrokerUnreachable(
                f"the broker did not answer: {problem.message}", hint=problem.hint
            ) from problem
        if answer.status != 200:
            sent = [secret.reveal() for secret in (bearer, ticket) if secret]
            sent += [str(body[name]) for name in _SECRET_FIELDS if body and name in body]
            raise self._refusal(answer, path, sent=sent, authenticated=bearer is not None)
        found = _json_object(answer)
        if found is None:
            raise self._not_an_answer("JSON")
        return found

    def _refusal(
        self, answer: Answer, path: str, *, sent: Collection[str], authenticated: bool
    ) -> TokenError:
        envelope = _json_object(answer) or {}
        code = quotable(envelope.get("error"), secrets=sent)
        detail = quotable(envelope.get("message"), secrets=sent)
        if answer.status == 401 and authenticated:
            return LoginRequired(
                "the broker no longer accepts the session", hint="run: agentkeys login"
            )
        limited = _RATE_LIMIT.search(detail)
        if answer.status == 400 and limited:
            return BrokerRefused(
                "the broker limits how often this may be asked",
                hint=f"wait {limited[1]} s and try again",
                retry_after=float(limited[1]),
            )
        if answer.status in (408, 429) or answer.status >= 500:
            return BrokerUnreachable(
                f"the broker at {self.url} answered {answer.status}{_in_brackets(code)}",
                hint="try again in a moment; if it stays, ask the broker's operator",
                retry_after=retry_after(answer.headers, self._transport.times.now(self.url)),
            )
        if 300 <= answer.status < 400:
            return BrokerRefused(
                f"the broker at {self.url} answered with a redirect (status {answer.status})",
                hint="redirects are not followed: set the identity's url to where it leads",
            )
        if answer.status == 404:
            return BrokerRefused(
                f"{self.url} does not offer {path}",
                hint="check the identity's url; this broker may be too old, or built without it",
            )
        words = detail or f"status {answer.status}"
        return BrokerRefused(
            f"the broker refused{_in_brackets(code)}: {words}",
            hint=_FORBIDDEN_HINT if answer.status == 403 else "check what was asked of it",
        )

    def _not_an_answer(self, expected: str) -> BrokerUnreachable:
        return BrokerUnreachable(
            f"{self.url} answered something else than {expected}",
            hint="check that the identity's url is a broker's, and no proxy's sign-in page",
        )


_FORBIDDEN_HINT = "the owner of this account has to allow it; then try again"


def _json_object(answer: Answer) -> dict[str, Any] | None:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _in_brackets(code: str) -> str:
    return f" ({code})" if code else ""
