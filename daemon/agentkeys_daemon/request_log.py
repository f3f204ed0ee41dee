"""A line in the log for every request, for whoever looks for a fault (AGENTKEYS_LOG=debug)."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agentkeys_daemon.http import Receive, Scope, Send

__all__ = ["logging_requests", "shape_of"]

log = logging.getLogger("agentkeys.daemon")

_WORDS = frozenset(
    {
        "v1", "health", "status", "shutdown", "restart", "profiles", "runs", "leases", "identities",
        "credentials", "environment", "prompt", "refresh", "diagnosis", "session", "ledger",
        "mint-aws-creds",
    }
)  # fmt: skip
"""The fixed parts of our paths."""

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


def logging_requests(app: Asgi, *, door: str) -> Asgi:
    """`app`, after each of whose answers there is a line: `door`, route, status, milliseconds."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if not log.isEnabledFor(logging.DEBUG):
            return await app(scope, receive, send)
        began, statuses = time.monotonic(), ["no answer"]

        async def note(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(str(message["status"]))
            await send(message)

        try:
            await app(scope, receive, note)
        finally:
            route = f"{scope['method']} {shape_of(scope['raw_path'])}"
            took = 1000 * (time.monotonic() - began)
            log.debug("%s: %s: %s in %.1f ms", door, route, statuses[-1], took)

    return logged


def shape_of(path: bytes) -> str:
    """A request's path without the names in it: anybody may have put anything there."""
    parts = path.decode("latin-1").partition("?")[0].split("/")[:8]
    return "/".join(part if not part or part in _WORDS else "…" for part in parts)
