"""A real sandbox for tests that want the whole way: a broker, an STS and an S3 on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from agentkeys.sandbox_record import SandboxRecord
from agentkeys_shell.sandbox.lifecycle import start_sandbox, stop_sandbox


@contextmanager
def running_sandbox(
    folder: Path, users: int = 2, max_session: timedelta | None = None
) -> Iterator[SandboxRecord]:
    """A sandbox in `folder`, which must be private (0700); stopped on the way out."""
    try:
        yield start_sandbox(folder, users=users, max_session=max_session, progress=_say_nothing)
    finally:
        stop_sandbox(folder)


def _say_nothing(words: str) -> None:
    pass
