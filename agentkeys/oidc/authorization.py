"""The address where a person logs in with a browser: authorization code with PKCE (RFC 7636)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from agentkeys.errors import IssuerInvalid
from agentkeys.oidc.client_auth import ClientSettings
from agentkeys.oidc.issuer import Issuer
from agentkeys.secret import Secret

__all__ = ["AuthorizationRequest", "begin_authorization", "consent_to"]

OFFLINE = "offline_access"


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A login that a browser is about to begin."""

    url: str = field(repr=False)
    """Where it begins; it says nothing that a redirect could be made up from but the state."""
    redirect_uri: str
    state: Secret
    nonce: str = field(repr=False)
    verifier: Secret
    """What proves, with the code, that it is us who began."""


def begin_authorization(
    issuer: Issuer, settings: ClientSettings, *, scopes: Collection[str], redirect_uri: str
) -> AuthorizationRequest:
    """Raises IssuerInvalid when the issuer has no page to log in at."""
    from authlib.common.security import generate_token  # noqa: PLC0415
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # noqa: PLC0415
    from authlib.oauth2.rfc7636 import create_s256_code_challenge  # noqa: PLC0415

    if issuer.authorization_endpoint is None:
        raise IssuerInvalid(
            f"the issuer {issuer.url} has no page to log in at", hint='set flow = "device"'
        )
    state, nonce, verifier = generate_token(43), generate_token(43), generate_token(64)
    challenge = create_s256_code_challenge(verifier)  # type: ignore[no-untyped-call] # its stubs
    url = prepare_grant_uri(
        issuer.authorization_endpoint,
        client_id=settings.client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        scope=" ".join(scopes),
        state=state,
        nonce=nonce,
        code_challenge=challenge,
        code_challenge_method="S256",
        audience=settings.requested_audience,
        resource=settings.resource,
        **consent_to(scopes),
    )
    return AuthorizationRequest(url, redirect_uri, Secret(state), nonce, Secret(verifier))


def consent_to(scopes: Collection[str]) -> dict[str, str]:
    """What has to be sent beside `scopes`.

    OpenID Connect Core, section 11: a refresh token that outlives the browser's session is given to
    those only who ask the person for it.
    """
    return {"prompt": "consent"} if OFFLINE in scopes else {}
