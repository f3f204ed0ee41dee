"""What a client says to an OpenID Connect provider, spelt out: none of our own code is in it."""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt

from tests.support.oidc_provider import (
    PEOPLE,
    SERVICE,
    SERVICE_KEY,
    SERVICE_SECRET,
    OidcProvider,
)

__all__ = ["DEVICE_CODE", "AuthorizationRequest", "OidcClient", "claims_of"]

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_SCOPES = "openid offline_access profile"
_NO_PROOF = httpx.Auth()
_BY_ITSELF = {"grant_type": "client_credentials"}
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class AuthorizationRequest:
    """One try of the authorization code flow with PKCE."""

    endpoint: str
    redirect_uri: str
    more: Mapping[str, str]
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def address(self) -> str:
        """Where a person logs in for it."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        query = {
            "client_id": PEOPLE,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": _SCOPES,
            # Without it offline_access is ignored, as OpenID Connect says it must be.
            "prompt": "consent",
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **self.more,
        }
        return f"{self.endpoint}?{urlencode(query)}"

    def answer_in(self, landed: str) -> dict[str, str]:
        """What the provider says at the redirect: `code` or `error`, `state` and `iss`."""
        assert landed.startswith(self.redirect_uri), landed
        answer = {name: values[0] for name, values in parse_qs(urlsplit(landed).query).items()}
        assert answer["state"] == self.state
        return answer


class OidcClient:
    """The calls of a client, each answer as it comes."""

    def __init__(self, provider: OidcProvider) -> None:
        self._provider = provider
        self._http = httpx.Client(timeout=30, trust_env=False)

    def __enter__(self) -> OidcClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.close()

    def ask_person(
        self, redirect_uri: str = "http://127.0.0.1:9/callback", **more: str
    ) -> AuthorizationRequest:
        """`more` parameters are added, `resource` for example, or take another's place."""
        endpoint = self._provider.discovery["authorization_endpoint"]
        return AuthorizationRequest(endpoint, redirect_uri, more)

    def redeem(self, request: AuthorizationRequest, code: str) -> httpx.Response:
        return self._token(
            grant_type="authorization_code",
            client_id=PEOPLE,
            code=code,
            redirect_uri=request.redirect_uri,
            code_verifier=request.verifier,
        )

    def refresh(self, refresh_token: str) -> httpx.Response:
        return self._token(
            grant_type="refresh_token", client_id=PEOPLE, refresh_token=refresh_token
        )

    def revoke(self, token: str) -> httpx.Response:
        """Ends a refresh token and all that came of the same login."""
        return self._post("revocation_endpoint", {"client_id": PEOPLE, "token": token})

    def start_device(self, **more: str) -> dict[str, Any]:
        """The device and user codes, and where a person types the latter."""
        asked = {"client_id": PEOPLE, "scope": _SCOPES, **more}
        started = self._post("device_authorization_endpoint", asked).raise_for_status()
        answer: dict[str, Any] = started.json()
        return answer

    def poll_device(self, device_code: str) -> httpx.Response:
        return self._token(grant_type=DEVICE_CODE, client_id=PEOPLE, device_code=device_code)

    def client_credentials(self, **more: str) -> httpx.Response:
        """Of the client `service`, by its secret in the Authorization header."""
        proof = httpx.BasicAuth(SERVICE, SERVICE_SECRET)
        return self._post("token_endpoint", {**_BY_ITSELF, **more}, proof)

    def client_credentials_in_body(self, **more: str) -> httpx.Response:
        """Of the client `service-post`."""
        proof = {"client_id": "service-post", "client_secret": SERVICE_SECRET}
        return self._token(**_BY_ITSELF, **proof, **more)

    def client_credentials_by_key(self, **more: str) -> httpx.Response:
        """Of the client `service-key`, by a JWT that it has signed."""
        now = datetime.now(UTC)
        claims = {
            "iss": "service-key",
            "sub": "service-key",
            "aud": self._provider.url,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + timedelta(minutes=1),
        }
        assertion = jwt.encode(claims, SERVICE_KEY, algorithm="ES256")
        proof = {"client_assertion_type": _ASSERTION, "client_assertion": assertion}
        return self._token(**_BY_ITSELF, **proof, **more)

    def _token(self, **form: str) -> httpx.Response:
        return self._post("token_endpoint", form)

    def _post(
        self, endpoint: str, form: Mapping[str, str], proof: httpx.Auth = _NO_PROOF
    ) -> httpx.Response:
        return self._http.post(self._provider.discovery[endpoint], data=form, auth=proof)


def claims_of(token: str, provider: OidcProvider) -> dict[str, Any]:
    """What a JWT says, once its signature holds against the keys that the provider publishes."""
    header = jwt.get_unverified_header(token)
    answer = httpx.get(provider.discovery["jwks_uri"], timeout=30, trust_env=False)
    [key] = [key for key in answer.json()["keys"] if key["kid"] == header["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token,
        jwt.PyJWK(key),
        algorithms=[key["alg"]],
        issuer=provider.url,
        options={"verify_aud": False},
    )
    return claims
