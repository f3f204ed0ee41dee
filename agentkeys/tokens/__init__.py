"""Token sources: where web identity tokens come from, one file for each kind."""

from __future__ import annotations

from typing import Protocol, TypeVar

from agentkeys.models import WebIdentityToken
from agentkeys.sessions import Session

__all__ = ["SessionHolder", "TokenSource"]

S = TypeVar("S", bound=Session)


class TokenSource(Protocol):
    """Gives tokens that name one identity. It never caches: every fetch goes out."""

    async def subject(self) -> str:
        """Tells apart whom a token fetched now would name, without the network where possible.

        Raises LoginRequired, SourceAbsent, VaultError, and where only a token can tell whatever
        `fetch_token` raises.
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


class SessionHolder(Protocol[S]):
    """Holds one identity's session for as long as it lives."""

    @property
    def held_session(self) -> S | None:
        """The session as far as it is in memory."""
        ...

    async def session(self) -> S:
        """A session to mint with; raises LoginRequired without a live one, VaultError."""
        ...

    async def last_session(self) -> S:
        """The session, over or not; raises LoginRequired where nobody is logged in, VaultError."""
        ...

    def refuse_session(self, session: S) -> None:
        """Remembers that whoever gave `session` no longer takes it."""
        ...

    async def keep_session(self, session: S) -> None:
        """Replaces the session, here and in the vault; leases of another user go with the old."""
        ...
