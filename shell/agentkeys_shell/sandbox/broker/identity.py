"""Who somebody is to the broker, and the one number that it makes of that."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = ["AGENT", "EMAIL", "EVM", "OAUTH2_GOOGLE", "Identity"]

EVM, EMAIL, OAUTH2_GOOGLE = "evm", "email", "oauth2_google"
AGENT = "agent_hdkd"
_CLIENT_ID = "agentkeys"


@dataclass(frozen=True, slots=True)
class Identity:
    """A kind, one of those above, and a value of that kind, already lower-cased."""

    kind: str
    value: str

    @property
    def omni(self) -> str:
        """The account: lower-case hex SHA-256 of client id, kind and value, nothing between."""
        return hashlib.sha256(f"{_CLIENT_ID}{self.kind}{self.value}".encode()).hexdigest()
