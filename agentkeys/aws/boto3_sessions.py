"""Sessions of boto3; imported only where boto3 is wanted."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
from botocore.session import Session

from agentkeys.aws.cut_off import METHOD, SESSION_VARIABLES, cut_off, refreshable, with_endpoint
from agentkeys.aws.held import Held, as_metadata
from agentkeys.clock import Clock
from agentkeys.errors import AgentkeysError
from agentkeys.programs import Client
from agentkeys.served import ServedCredentials

__all__ = ["open_session"]


def open_session(
    profile: str | None, *, environ: Mapping[str, str] | None, clock: Clock
) -> boto3.Session:
    """See `agentkeys.boto3_session`."""
    source = _Source(Client(profile, environ=environ), clock)
    return boto3.Session(botocore_session=_Session(source))


class _Source:
    """Where one session's credentials come from; asks for the first ones at once."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self.clock = clock
        self.first = client.credentials()
        """They decide on profile, user and place; another default profile changes nothing."""
        self._client = client.for_profile(self.first.profile)
        self._held = Held(clock=clock)
        self._held.take(self.first)

    def served(self) -> ServedCredentials:
        """Credentials that are good now."""
        return self._held.resting() or self._ask()

    def refresh(self) -> dict[str, str]:
        return as_metadata(self.served())

    def _ask(self) -> ServedCredentials:
        try:
            return self._held.take(self._client.credentials(timeout=self._held.patience))
        except AgentkeysError as problem:
            return self._held.in_spite_of(problem)


class _Session(Session):
    def __init__(self, source: _Source) -> None:
        super().__init__(session_vars=SESSION_VARIABLES)
        cut_off(self, CredentialResolver([_Provider(source)]))
        self.set_config_variable("region", source.first.region)
        self._source = source

    def create_client(self, *arguments: Any, **options: Any) -> Any:
        return super().create_client(**with_endpoint(self._source.first, arguments, options))


class _Provider(CredentialProvider):
    METHOD = CANONICAL_NAME = METHOD

    def __init__(self, source: _Source) -> None:
        super().__init__()
        self._source = source

    def load(self) -> RefreshableCredentials:
        source = self._source
        return refreshable(_Credentials, source.served(), source.refresh, source.clock)


class _Credentials(RefreshableCredentials):
    """Can be taken into a child process by a fork, also in the middle of a refresh."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _live.add(self)

    def renew_lock(self) -> None:
        """The thread that held the lock is not in the child: nobody would ever release it there."""
        self._refresh_lock = threading.Lock()


_live: weakref.WeakSet[_Credentials] = weakref.WeakSet()


def _renew_locks() -> None:
    for credentials in _live:
        credentials.renew_lock()


os.register_at_fork(after_in_child=_renew_locks)
