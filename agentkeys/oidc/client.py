"""What a client asks of an issuer, one method for each kind of request."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from agentkeys.errors import IssuerInvalid
from agentkeys.oidc.asking import json_object, loads, send
from agentkeys.oidc.authorization import AuthorizationRequest, consent_to
from agentkeys.oidc.client_auth import BASIC, POST, ClientSettings, sign_form
from agentkeys.oidc.device import DeviceCode, parse_device_code
from agentkeys.oidc.id_tokens import verify_id_token
from agentkeys.oidc.issuer import Issuer, Issuers
from agentkeys.oidc.refusals import OAuthRefusal, parse_refusal
from agentkeys.oidc.tokens import OidcTokens, parse_tokens
from agentkeys.secret import Secret
from agentkeys.transport import Transport

__all__ = ["OidcClient"]

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

ANSWER_SECONDS = 15.0
REFRESH_SECONDS = 60.0
"""Longer than anybody waits for a token: the new refresh token that comes too late for them is the
only one that the issuer takes from then on."""


class OidcClient:
    """Talks to one issuer as one client.

    Every method raises IssuerUnreachable, IssuerInvalid, OAuthRefusal (an IssuerRefused) where the
    issuer says no, and SourceFailed when the client's secret or key cannot be had.
    """

    def __init__(
        self,
        *,
        settings: ClientSettings,
        issuers: Issuers,
        transport: Transport,
        environ: Mapping[str, str],
    ) -> None:
        """`environ` is where a secret's variable is looked up, at each use."""
        self.settings = settings
        self._issuers = issuers
        self._transport = transport
        self._environ = environ
        self._shows_in_form = False

    def now(self) -> datetime:
        """The issuer's time, as far as it has told."""
        return self._transport.times.now(self.settings.issuer)

    async def issuer(self) -> Issuer:
        """What the issuer says of itself; fetched once in a while."""
        return await self._issuers.get(self.settings.issuer)

    async def exchange_code(self, code: Secret, request: AuthorizationRequest) -> OidcTokens:
        """The tokens that a browser's login came back for."""
        return await self._fetch_tokens(
            "authorization_code",
            code=code.reveal(),
            redirect_uri=request.redirect_uri,
            code_verifier=request.verifier.reveal(),
        )

    async def start_device(self, scopes: Collection[str]) -> DeviceCode:
        """Begins a login on another device."""
        issuer = await self.issuer()
        if issuer.device_endpoint is None:
            raise IssuerInvalid(
                f"the issuer {issuer.url} offers no login on another device",
                hint='set flow = "browser"',
            )
        form = {"scope": " ".join(scopes), **self._wishes(), **consent_to(scopes)}
        found = await self._post(issuer, issuer.device_endpoint, form, what="a device code")
        return parse_device_code(found, issuer=issuer.url)

    async def poll_device(self, device: DeviceCode) -> OidcTokens:
        """The tokens, once the person is done; raises OAuthRefusal, `authorization_pending` too."""
        return await self._fetch_tokens(DEVICE_GRANT, device_code=device.device_code.reveal())

    async def refresh(self, refresh_token: Secret) -> OidcTokens:
        """Fresh tokens. An issuer that rotates refresh tokens takes this one never again."""
        return await self._fetch_tokens(
            "refresh_token", timeout=REFRESH_SECONDS, refresh_token=refresh_token.reveal()
        )

    async def client_credentials(self) -> OidcTokens:
        """Tokens of the client itself."""
        return await self._fetch_tokens(
            "client_credentials", scope=" ".join(self.settings.scopes or ())
        )

    async def verify_id_token(self, tokens: OidcTokens, *, nonce: str | None) -> None:
        """Whether a login's tokens are the issuer's, for us; raises LoginFailed."""
        issuer = await self.issuer()
        if issuer.jwks_uri is None:
            raise IssuerInvalid(
                f"the issuer {issuer.url} publishes no keys", hint="ask whoever runs the issuer"
            )
        # Fetched for each login: keys change, and nobody logs in often.
        answer = await send(self._transport, "GET", issuer.jwks_uri, issuer=issuer.url)
        verify_id_token(
            tokens,
            json_object(answer, issuer=issuer.url, what="its keys"),
            issuer=issuer,
            client_id=self.settings.client_id,
            nonce=nonce,
            now=self.now(),
        )

    async def _fetch_tokens(
        self,
        grant_type: str,
        *,
        timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109 - the transport keeps it
        **parameters: str,
    ) -> OidcTokens:
        issuer = await self.issuer()
        given = {name: value for name, value in parameters.items() if value}
        form = {"grant_type": grant_type, **given, **self._wishes()}
        found = await self._post(
            issuer, issuer.token_endpoint, form, what="tokens", timeout=timeout
        )
        return parse_tokens(found, issuer=issuer.url)

    def _wishes(self) -> dict[str, str]:
        wishes = {"audience": self.settings.requested_audience, "resource": self.settings.resource}
        return {name: value for name, value in wishes.items() if value}

    async def _post(
        self,
        issuer: Issuer,
        endpoint: str,
        form: Mapping[str, str],
        *,
        what: str,
        timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109
    ) -> Mapping[str, Any]:
        try:
            return await self._post_once(
                issuer, endpoint, form, what, timeout, in_form=self._shows_in_form
            )
        except OAuthRefusal as refusal:
            may_help = self.settings.secret is not None and {BASIC, POST} <= issuer.auth_methods
            if refusal.error != "invalid_client" or self._shows_in_form or not may_help:
                raise
        # Some issuers take a secret from each client in one way only, and list both: a refusal of
        # the client comes before anything else of the request counts, so that it is safe to repeat.
        found = await self._post_once(issuer, endpoint, form, what, timeout, in_form=True)
        self._shows_in_form = True
        return found

    async def _post_once(
        self,
        issuer: Issuer,
        endpoint: str,
        form: Mapping[str, str],
        what: str,
        timeout: float,  # noqa: ASYNC109
        *,
        in_form: bool,
    ) -> Mapping[str, Any]:
        signed = await sign_form(
            form,
            settings=self.settings,
            issuer=issuer,
            environ=self._environ,
            now=self.now(),
            in_form=in_form,
        )
        answer = await send(
            self._transport,
            "POST",
            endpoint,
            issuer=issuer.url,
            headers=signed.headers,
            form=signed.form,
            timeout=timeout,
        )
        if answer.status == 200:
            return json_object(answer, issuer=issuer.url, what=what)
        raise parse_refusal(
            loads(answer.body) or {},
            status=answer.status,
            client_id=self.settings.client_id,
            secrets=signed.secrets,
        )
