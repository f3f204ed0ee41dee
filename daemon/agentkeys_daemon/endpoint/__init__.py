"""The daemon's second door: HTTP on 127.0.0.1, where programs fetch what a long run needs."""

from __future__ import annotations

from agentkeys_daemon.endpoint.listener import EndpointUnavailable, adopt, listen
from agentkeys_daemon.endpoint.protocol import Limits
from agentkeys_daemon.endpoint.runs import EndpointRuns, Minted
from agentkeys_daemon.endpoint.server import Endpoint
from agentkeys_daemon.endpoint.tokens import matches, new_token, owner_of, token_hash

__all__ = [
    "Endpoint",
    "EndpointRuns",
    "EndpointUnavailable",
    "Limits",
    "Minted",
    "adopt",
    "listen",
    "matches",
    "new_token",
    "owner_of",
    "token_hash",
]
