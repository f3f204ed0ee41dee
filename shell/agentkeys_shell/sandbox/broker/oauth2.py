"""OAuth2 login, with the pretend provider on the same server."""

from __future__ import annotations

import secrets
from datetime import timedelta

from agentkeys.clock import Clock
from agentkeys.secret import Secret
from agentkeys_shell.sandbox.broker.expiring import Expiring
from agentkeys_shell.sandbox.broker.identity import OAUTH2_GOOGLE, Identity
from agentkeys_shell.sandbox.broker.limits import RateLimit
from agentkeys_shell.sandbox.broker.logins import LINK_LIFETIME, Failed, PendingLogins, Verified
from agentkeys_shell.sandbox.broker.provider import PretendProvider
from agentkeys_shell.sandbox.broker.sessions import Sessions
from agentkeys_shell.sandbox.broker.web import (
    Refused,
    Request,
    Response,
    Route,
    html_page,
    json_answer,
)

__all__ = ["CALLBACK_PATH", "OAuth2Login"]

CALLBACK_PATH = "/auth/oauth2/callback"
_PROVIDER_NAME = "google"


class OAuth2Login:
    """Starts logins, and takes the browser back from the provider; each state is good once."""

    def __init__(
        self,
        *,
        provider: PretendProvider,
        sessions: Sessions,
        logins: PendingLogins,
        clock: Clock,
    ) -> None:
        self._provider = provider
        self._sessions = sessions
        self._logins = logins
        self._states: Expiring[str] = Expiring(lifetime=LINK_LIFETIME, clock=clock)
        self._per_source = RateLimit(
            30, window=timedelta(minutes=1), what="logins from this source", clock=clock
        )

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/v1/auth/oauth2/start", self.start, reads_json=True),
            Route("GET", "/v1/auth/oauth2/status/*", self.status),
            Route("GET", CALLBACK_PATH, self.callback),
        )

    def start(self, request: Request) -> Response:
        provider = request.fields.optional_text("provider")
        if provider not in (None, _PROVIDER_NAME):
            raise Refused("bad_request", "that provider is not enabled")
        if source := request.fields.optional_text("source_ip"):
            self._per_source.count(source)
        request_id = f"oa2-{secrets.token_urlsafe(12)}"
        self._logins.open(request_id)
        return json_answer(
            {
                "request_id": request_id,
                "expires_in_seconds": int(LINK_LIFETIME.total_seconds()),
                "authorization_url": self._provider.authorization_url(self._new_state(request_id)),
                "poll_url": f"/v1/auth/oauth2/status/{request_id}",
                "provider": _PROVIDER_NAME,
            }
        )

    def status(self, request: Request) -> Response:
        return self._logins.status(request.tail)

    def callback(self, request: Request) -> Response:
        code, error = request.query.get("code"), request.query.get("error")
        state = request.query.get("state")
        if not state or not (code or error):
            raise Refused("bad_request", "a parameter is missing")
        request_id = self._states.take(Secret(state).fingerprint())
        if request_id is None:
            raise Refused("unauthorized", "this state is forged, too old or already used")
        if error:
            return self._refuse(request_id, error, request.query.get("error_description", ""))
        return self._accept(request_id, Secret(code or ""))

    def _new_state(self, request_id: str) -> Secret:
        state = Secret(secrets.token_urlsafe(24))
        self._states.put(state.fingerprint(), request_id)
        return state

    def _refuse(self, request_id: str, error: str, description: str) -> Response:
        self._logins.settle(request_id, Failed(f"{error}: {description}"))
        return html_page("<p>You refused; nobody was logged in.</p>")

    def _accept(self, request_id: str, code: Secret) -> Response:
        subject = self._provider.redeem(code)
        if subject is None:
            raise Refused("unauthorized", "the provider's identity token was rejected")
        identity = Identity(OAUTH2_GOOGLE, subject)
        extra = {"identity_type": identity.kind, "identity_value": identity.value}
        self._logins.settle(request_id, Verified(self._sessions.issue(identity), extra))
        return html_page("<p>You are logged in; go back to your terminal.</p>")
