"""Asks the daemon, and starts it first where a command needs it and there is none."""

from __future__ import annotations

import time

from agentkeys.client import Response, refusal, request
from agentkeys.errors import DaemonNotRunning
from agentkeys.protocol import CLIENT_DEADLINE, DEFAULT, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ask", "enable_packages", "profile_path"]


def ask(
    method: str,
    path: str,
    *,
    environ: Mapping[str, str],
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
) -> Response:
    """A successful answer, within the deadline that every client keeps.

    Raises RemoteError for a refusal, DaemonError and its leaves, ConfigError.
    """
    deadline = time.monotonic() + CLIENT_DEADLINE
    try:
        response = request(
            method, path, environ=environ, headers=headers, body=body, deadline=deadline
        )
    except DaemonNotRunning:
        _start(environ, deadline)
        response = request(
            method, path, environ=environ, headers=headers, body=body, deadline=deadline,
            starting=True,
        )  # fmt: skip
    if response.status != 200:
        raise refusal(response)
    return response


def profile_path(name: str | None, part: str, environ: Mapping[str, str]) -> str:
    """The path of a profile's `part`: the named one, else AGENTKEYS_PROFILE's, else the default."""
    wanted = name or environ.get("AGENTKEYS_PROFILE") or DEFAULT
    return f"/v1/profiles/{quote(wanted).replace('/', '%2F')}/{part}"


def enable_packages() -> None:
    """Makes installed packages importable where the interpreter was started without them."""
    import sys  # noqa: PLC0415

    if sys.flags.no_site and "site" not in sys.modules:
        import site  # noqa: PLC0415

        site.main()


def _start(environ: Mapping[str, str], deadline: float) -> None:
    enable_packages()
    from agentkeys.starter import ensure_daemon  # noqa: PLC0415 - costs what a start costs

    ensure_daemon(environ, deadline=deadline)
