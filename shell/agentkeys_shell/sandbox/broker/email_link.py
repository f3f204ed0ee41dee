"""E-mail link login; the mail is a line in the broker's log, since made-up addresses get none.

With `follow_links` each link is followed as soon as it is sent, by the code that a click reaches.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from agentkeys.clock import Clock
from agentkeys.secret import Secret
from agentkeys_shell.sandbox.broker.expiring import Expiring
from agentkeys_shell.sandbox.broker.identity import EMAIL, Identity
from agentkeys_shell.sandbox.broker.limits import RateLimit
from agentkeys_shell.sandbox.broker.logins import LINK_LIFETIME, PendingLogins, Verified
from agentkeys_shell.sandbox.broker.sessions import Sessions
from agentkeys_shell.sandbox.broker.web import (
    Refused,
    Rejected,
    Request,
    Response,
    Route,
    html_page,
    json_answer,
)

__all__ = ["EmailLogin"]

_LANDING = """\
<p id=says>Logging in…</p>
<script>
fetch("/v1/auth/email/verify", {
  method: "POST",
  headers: {"Content-Type": "application/json"},
  body: JSON.stringify({token: location.hash.replace(/^#t=/, "")}),
}).then(answer => {
  document.getElementById("says").textContent = answer.ok
    ? "You are logged in; go back to your terminal."
    : "This link is unknown, used or too old; start the login again.";
});
</script>"""


@dataclass(frozen=True, slots=True)
class _Link:
    request_id: str
    address: str


class EmailLogin:
    """Requests, the links they send, and what following a link does."""

    def __init__(
        self,
        *,
        issuer: str,
        sessions: Sessions,
        logins: PendingLogins,
        clock: Clock,
        send: Callable[[str], None],
        follow_links: bool,
        links_per_hour: int,
    ) -> None:
        self._issuer = issuer
        self._sessions = sessions
        self._logins = logins
        self._send = send
        self._follow_links = follow_links
        self._links: Expiring[_Link] = Expiring(lifetime=LINK_LIFETIME, clock=clock)
        hour, minute = timedelta(hours=1), timedelta(minutes=1)
        self._per_address = RateLimit(
            links_per_hour, window=hour, what="links for this address", clock=clock
        )
        self._per_source = RateLimit(30, window=minute, what="links from this source", clock=clock)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/v1/auth/email/request", self.request, reads_json=True),
            Route("GET", "/v1/auth/email/status/*", self.status),
            Route("POST", "/v1/auth/email/verify", self.verify, reads_json=True),
            Route("GET", "/v1/auth/email/verify", self.explain_verify),
            Route("GET", "/auth/email/landing", self.landing),
        )

    def request(self, request: Request) -> Response:
        address = request.fields.text("email").strip().lower()
        if "@" not in address:
            raise Refused("bad_request", "that is not an e-mail address")
        if source := request.fields.optional_text("source_ip"):
            self._per_source.count(source)
        self._per_address.count(address)
        request_id = f"eml-{secrets.token_hex(12)}"
        self._logins.open(request_id)
        self._mail(_Link(request_id, address))
        return json_answer(
            {
                "request_id": request_id,
                "expires_in_seconds": int(LINK_LIFETIME.total_seconds()),
                "poll_url": f"/v1/auth/email/status/{request_id}",
            }
        )

    def status(self, request: Request) -> Response:
        return self._logins.status(request.tail)

    def verify(self, request: Request) -> Response:
        token = Secret(request.fields.text("token"))
        self._follow(token, request.fields.optional_text("request_id"))
        return json_answer({"ok": True}, Cache_Control="no-store", Referrer_Policy="no-referrer")

    def explain_verify(self, request: Request) -> Response:
        raise Rejected(
            HTTPStatus.METHOD_NOT_ALLOWED, "links are confirmed with POST only", allow="POST"
        )

    def landing(self, request: Request) -> Response:
        # The token is behind the #, so that it is in no request line and no log.
        return html_page(_LANDING)

    def _mail(self, link: _Link) -> None:
        token = Secret(secrets.token_urlsafe(32))
        self._links.put(token.fingerprint(), link)
        shown = link.address.encode("unicode_escape").decode()
        self._send(f"mail to {shown}: {self._issuer}/auth/email/landing#t={token.reveal()}")
        if self._follow_links:
            self._follow(token, None)

    def _follow(self, token: Secret, request_id: str | None) -> None:
        link = self._links.take(token.fingerprint())
        if link is None or request_id not in (None, link.request_id):
            raise Refused(
                "unauthorized", "this link is unknown, used, too old or for another login"
            )
        issued = self._sessions.issue(Identity(EMAIL, link.address))
        self._logins.settle(link.request_id, Verified(issued))
