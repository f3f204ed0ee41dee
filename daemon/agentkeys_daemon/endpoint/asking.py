"""What both ways to ask at the endpoint have in common."""

from __future__ import annotations

from typing import Protocol

from agentkeys.errors import AgentkeysError
from agentkeys_daemon.http import HttpAnswer, Scope

__all__ = ["Speaker", "only_header"]


class Speaker(Protocol):
    """Answers in the words that one kind of client understands."""

    wrong_host: HttpAnswer
    """For a request that was meant for somebody else."""

    async def answer(self, scope: Scope, body_bytes: int) -> HttpAnswer:
        """`body_bytes` of a body were sent, which nobody has read; raises AgentkeysError."""
        ...

    def failure(self, problem: AgentkeysError) -> HttpAnswer:
        """With what happened and what to do."""
        ...

    def unforeseen(self, message: str) -> HttpAnswer:
        """For a mistake of ours; `message` tells no more than may be shown."""
        ...


def only_header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a header that was sent exactly once."""
    found: list[bytes] = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else None
