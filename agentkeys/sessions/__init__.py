"""Sessions: what lets its holder fetch web identity tokens, one file for each kind."""

from agentkeys.sessions.broker import BrokerSession, DeviceProof, parse_broker_session
from agentkeys.sessions.handed import GithubSession, TokenFileSession
from agentkeys.sessions.oidc import OidcSession
from agentkeys.sessions.session import EXPIRY_MARGIN, Session

__all__ = [
    "EXPIRY_MARGIN",
    "SESSION_KINDS",
    "BrokerSession",
    "DeviceProof",
    "GithubSession",
    "OidcSession",
    "Session",
    "TokenFileSession",
    "parse_broker_session",
]

SESSION_KINDS: dict[str, type[Session]] = {
    "broker": BrokerSession,
    "oidc": OidcSession,
    "github": GithubSession,
    "file": TokenFileSession,
}
"""As the vault's entries name them."""
