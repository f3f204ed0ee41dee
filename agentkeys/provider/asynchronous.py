"""The provider for tasks of one event loop."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from agentkeys.clock import Clock, SystemClock
from agentkeys.config import Config, Profile
from agentkeys.provider.presented_mints import closed
from agentkeys.provider.warm_answers import MAX_SUBJECTS, WarmAnswers
from agentkeys.secret import Secret
from agentkeys.served import ServedCredentials

__all__ = ["AsyncCredentialProvider"]


class AsyncCredentialProvider:
    """The same as `CredentialProvider`, with `await`, for one event loop and all of its tasks."""

    def __init__(
        self,
        *,
        config: Config | None = None,
        environ: Mapping[str, str] | None = None,
        max_subjects: int = MAX_SUBJECTS,
        clock: Clock | None = None,
    ) -> None:
        """Needs no running loop; the arguments are those of `CredentialProvider`."""
        self._answers = WarmAnswers(
            config=config,
            environ=environ,
            max_subjects=max_subjects,
            clock=clock or SystemClock(),
        )
        self._mints = self._answers.begin_mints()
        self._is_closed = False

    async def credentials_for(
        self, *, web_identity_token: str | Secret, profile: str | Profile
    ) -> ServedCredentials:
        """As `CredentialProvider.credentials_for`.

        A task may be cancelled while it waits: the others that wait for the same go on.
        """
        if self._is_closed:
            raise closed()
        found = self._answers.answer(web_identity_token, profile)
        return found if isinstance(found, ServedCredentials) else await self._mints.serve(found)

    def invalidate(self, key: str) -> bool:
        """As `CredentialProvider.invalidate`: at once, without `await`."""
        return self._answers.held.drop(key)

    async def aclose(self) -> None:
        """Drops what is held and closes all connections; whoever waits gets a RuntimeError."""
        self._is_closed = True
        await self._mints.aclose()
        self._answers.held.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<AsyncCredentialProvider: {self._answers!r}>"
