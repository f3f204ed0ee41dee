"""The provider for threads."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from agentkeys.clock import Clock, SystemClock
from agentkeys.config import Config, Profile
from agentkeys.provider.loop_thread import LoopThread
from agentkeys.provider.presented_mints import closed
from agentkeys.provider.warm_answers import MAX_SUBJECTS, WarmAnswers
from agentkeys.secret import Secret
from agentkeys.served import ServedCredentials

__all__ = ["CredentialProvider"]


class CredentialProvider:
    """Credentials for whoever a token names: one provider for a process, for all of its threads.

    The child of a fork begins with nothing held and a thread of its own.
    """

    def __init__(
        self,
        *,
        config: Config | None = None,
        environ: Mapping[str, str] | None = None,
        max_subjects: int = MAX_SUBJECTS,
        clock: Clock | None = None,
    ) -> None:
        """With the usual configuration, or `config` as it is.

        `environ` takes the place of the process's environment in finding the usual one. Of more
        than `max_subjects` tokens the least recently used one's credentials go.
        """
        self._answers = WarmAnswers(
            config=config,
            environ=environ,
            max_subjects=max_subjects,
            clock=clock or SystemClock(),
        )
        self._is_closed = False
        self._begin()
        _live.add(self)

    def credentials_for(
        self, *, web_identity_token: str | Secret, profile: str | Profile
    ) -> ServedCredentials:
        """Credentials of whom the token names, on the terms of the profile, good now.

        From memory within microseconds, else from the store, after 20 s at the latest. Only
        callers with the very same token share them.

        Raises UnknownProfile and ConfigError for what is not configured; TokenInvalid,
        TokenUnconfined and WrongIdentity for a token that no store gets to see; StsError and its
        leaves; DaemonTimeout; RuntimeError after `close`.
        """
        if self._is_closed:
            raise closed()
        found = self._answers.answer(web_identity_token, profile)
        if isinstance(found, ServedCredentials):
            return found
        return self._thread.call(self._mints.serve(found))

    def invalidate(self, key: str) -> bool:
        """Drops the credentials with the access key id `key`, since a store has rejected them.

        Whose they are gets others at the next call. Returns whether they were held: of many
        callers that were rejected with the same ones, one hears True.
        """
        return self._answers.held.drop(key)

    def close(self) -> None:
        """Drops what is held and ends the thread; whoever waits gets a RuntimeError."""
        self._is_closed = True
        self._thread.close(self._mints.aclose())
        self._answers.held.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<CredentialProvider: {self._answers!r}>"

    def _begin(self) -> None:
        self._mints = self._answers.begin_mints()
        self._thread = LoopThread()

    def begin_in_child(self) -> None:  # pragma: no cover - its test forks a process of its own
        """For the child of a fork: whatever thread held a lock, or ran the loop, is not there."""
        # Left as it is: the parent's loop and connections would be closed with it.
        _abandoned.append((self._thread, self._mints))
        self._answers.start_over()
        self._begin()


_live: weakref.WeakSet[CredentialProvider] = weakref.WeakSet()
_abandoned: list[object] = []


def _begin_in_child() -> None:  # pragma: no cover - see above
    for provider in _live:
        provider.begin_in_child()


os.register_at_fork(after_in_child=_begin_in_child)
