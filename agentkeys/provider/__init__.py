"""Credentials for many users in one process: each call brings a user's token (docs/provider.md).

No daemon and no login: whoever calls the service has a web identity token, and the service trades
it for that user's temporary credentials.
"""

from agentkeys.provider.asynchronous import AsyncCredentialProvider
from agentkeys.provider.blocking import CredentialProvider

__all__ = ["AsyncCredentialProvider", "CredentialProvider"]
