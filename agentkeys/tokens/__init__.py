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

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        """A fresh token of whom `subject` stands for, checked against whatever is known of them.

        `subject` is what `subject()` gave before: who has logged in since then gets no token here.
        Raises WrongIdentity then, TokenError and its other leaves, VaultError.
        """
        ...
