"""A pretend OAuth2 provider: one page, two links, one made-up person."""

from __future__ import annotations

import html
import secrets
from datetime import timedelta
from urllib.parse import urlencode

from agentkeys.clock import Clock
from agentkeys.secret import Secret
from agentkeys_shell.sandbox.broker.expiring import Expiring
from agentkeys_shell.sandbox.broker.web import Request, Response, Route, html_page

__all__ = ["SUBJECT", "PretendProvider"]

SUBJECT = "100000000000000000001"
_PATH = "/dev/oauth2/authorize"
_CODE_LIFETIME = timedelta(seconds=600)


class PretendProvider:
    """Sends the browser back to `callback` with a code that can be redeemed once, or with a no."""

    def __init__(self, *, issuer: str, callback: str, clock: Clock) -> None:
        self._issuer = issuer
        self._callback = callback
        self._codes: Expiring[str] = Expiring(lifetime=_CODE_LIFETIME, clock=clock)

    def routes(self) -> tuple[Route, ...]:
        return (Route("GET", _PATH, self.authorize),)

    def authorization_url(self, state: Secret) -> str:
        """Where the user's browser is sent."""
        query = {
            "response_type": "code",
            "client_id": "agentkeys-development",
            "redirect_uri": self._callback,
            "scope": "openid email",
            "state": state.reveal(),
        }
        return f"{self._issuer}{_PATH}?{urlencode(query)}"

    def authorize(self, request: Request) -> Response:
        code = Secret(secrets.token_urlsafe(24))
        self._codes.put(code.fingerprint(), SUBJECT)
        state = request.query.get("state", "")
        approve = self._back({"code": code.reveal(), "state": state})
        refuse = self._back(
            {"error": "access_denied", "error_description": "the user refused", "state": state}
        )
        return html_page(
            "<p>A pretend provider asks: may the development broker know who you are?</p>"
            f'<p><a id="approve" href="{approve}">approve</a> '
            f'<a id="refuse" href="{refuse}">refuse</a></p>',
            title="pretend provider",
        )

    def redeem(self, code: Secret) -> str | None:
        """The subject behind a code, once; None for a code that is not ours."""
        return self._codes.take(code.fingerprint())

    def _back(self, query: dict[str, str]) -> str:
        return html.escape(f"{self._callback}?{urlencode(query)}")
