"""OpenID Connect issuers: their discovery, and the requests to their token endpoints.

Authlib does the protocol, the transport the HTTP. Authlib and its cryptography take a fifth of a
second and many megabytes to import, so functions do that where they need it: a daemon without such
an identity never pays for it.
"""

from agentkeys.oidc.authorization import AuthorizationRequest, begin_authorization
from agentkeys.oidc.client import OidcClient
from agentkeys.oidc.device import DeviceCode
from agentkeys.oidc.issuer import Issuer, Issuers, fetch_issuer
from agentkeys.oidc.refusals import OAuthRefusal
from agentkeys.oidc.tokens import OidcTokens, chosen_token

__all__ = [
    "AuthorizationRequest",
    "DeviceCode",
    "Issuer",
    "Issuers",
    "OAuthRefusal",
    "OidcClient",
    "OidcTokens",
    "begin_authorization",
    "chosen_token",
    "fetch_issuer",
]
