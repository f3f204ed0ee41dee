"""Token sources: where web identity tokens come from, one file for each kind."""

from __future__ import annotations

from typing import Protocol

from agentkeys.models import WebIdentityToken

__all__ = ["TokenSource"]


class TokenSource(Protocol):
    """Gives tokens that name one identity. It never caches: every fetch goes out."""

    async def subject(self) -> str:
        """Tells apart whom a token fetched now would name, without the network where possible.

        Raises LoginRequired, VaultError.
        """
        ...

    def held_subject(self) -> str | None:
        """The same as far as it is known right now, without asking anyone or anything."""
        ...

    async def fetch_token(self) -> WebIdentityToken:
        """A fresh token, already checked against whatever the source knows of its owner.

        Raises TokenError and its leaves, VaultError.
        """
        ...
