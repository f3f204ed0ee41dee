"""What an issuer's refusals mean (RFC 6749, section 5.2, and RFC 8628, section 3.5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from agentkeys.errors import IssuerRefused
from agentkeys.quoting import quotable

__all__ = ["OAuthRefusal", "parse_refusal"]

_HINTS = {
    "invalid_client": "check client_id, and that the issuer knows this secret or key of it",
    "unauthorized_client": "allow this flow for the client at the issuer",
    "unsupported_grant_type": "set flow to one that the issuer offers",
    "invalid_grant": "log in again",
    "invalid_scope": "set scopes to what the issuer lets this client ask for",
    "invalid_target": "set audience or resource to one that the issuer knows",
    "not_allowed": 'set scopes to what the issuer lets this user have, without "offline_access"',
}


class OAuthRefusal(IssuerRefused):
    """The issuer said no; `error` is its word for why, empty when it gave none."""

    def __init__(self, error: str, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.error = error


def parse_refusal(
    document: Mapping[str, Any], *, status: int, client_id: str, secrets: Collection[str]
) -> OAuthRefusal:
    """From the body of a refusal, which may hold anything; never shows one of `secrets`."""
    error = quotable(document.get("error"), secrets=secrets)
    description = quotable(document.get("error_description"), secrets=secrets)
    if status == 401 and not error:
        error = "invalid_client"
    reason = f" ({error})" if error else ""
    words = f": {description}" if description else "" if error else f": status {status}"
    hint = _HINTS.get(error, "check what the identity's settings ask of the issuer")
    if error == "invalid_client":
        message = f"the issuer does not accept the client {client_id!r}{reason}{words}"
    else:
        message = f"the issuer refused{reason}{words}"
    return OAuthRefusal(error, message, hint=hint)
