"""What the broker says about itself: alive, ready, and whose tokens these are."""

from __future__ import annotations

from agentkeys_shell.sandbox.broker.oidc import OidcTokens
from agentkeys_shell.sandbox.broker.web import Request, Response, Route, json_answer, text_answer

__all__ = ["Health"]

_READY = (
    "auth/wallet_sig",
    "auth/email_link",
    "auth/oauth2_google",
    "wallet/client_keystore",
    "audit/sqlite",
)


class Health:
    """Everything that can be asked without a session."""

    def __init__(self, *, tokens: OidcTokens) -> None:
        self._tokens = tokens

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/healthz", self.alive),
            Route("GET", "/readyz", self.ready),
            Route("GET", "/.well-known/openid-configuration", self.discovery),
            Route("GET", "/.well-known/jwks.json", self.key_set),
        )

    def alive(self, request: Request) -> Response:
        return text_answer("ok")

    def ready(self, request: Request) -> Response:
        return json_answer(
            {
                "status": "ready",
                "degraded": False,
                "checks": [],
                "ready": list(_READY),
                "sponsor_signer": None,
            }
        )

    def discovery(self, request: Request) -> Response:
        return json_answer(self._tokens.discovery())

    def key_set(self, request: Request) -> Response:
        return json_answer(self._tokens.key_set())
