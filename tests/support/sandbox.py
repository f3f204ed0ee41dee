"""A real sandbox for tests that want the whole way: a broker, an STS and an S3 on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from agentkeys.sandbox_record import SandboxRecord
from agentkeys_shell.sandbox.lifecycle import start_sandbox, stop_sandbox
from tests.support.dev_broker import BrokerClient


@contextmanager
def running_sandbox(
    folder: Path, users: int = 2, max_session: timedelta | None = None
) -> Iterator[SandboxRecord]:
    """A sandbox in `folder`, which must be private (0700); stopped on the way out."""
    try:
        yield start_sandbox(folder, users=users, max_session=max_session, progress=_say_nothing)
    finally:
        stop_sandbox(folder)


def web_identity_tokens(record: SandboxRecord) -> tuple[str, ...]:
    """A token of each user, as a client of a service would present it."""
    with BrokerClient(record.broker.url) as broker:
        sessions = [broker.managed_login(user.email)["session_jwt"] for user in record.users]
        return tuple(broker.mint(session)["jwt"] for session in sessions)


def _say_nothing(words: str) -> None:
    pass
