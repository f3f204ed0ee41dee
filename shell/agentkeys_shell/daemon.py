"""Asks the daemon, starts it where a command needs it and there is none, passes its answer on."""

from __future__ import annotations

import posix
import time

from agentkeys.client import request
from agentkeys.protocol import CLIENT_DEADLINE, DEFAULT, OF_PROFILE, quote_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentkeys.client import Response

__all__ = ["ask", "ask_running", "enable_packages", "identity_path", "pass_on", "profile_path"]


def ask(
    method: str,
    path: str,
    *,
    environ: Mapping[str, str],
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    deadline: float | None = None,
) -> Response:
    """A successful answer, by `deadline` on the monotonic clock, or else by that of every client.

    Raises RemoteError for a refusal, DaemonError and its leaves, ConfigError.
    """
    if deadline is None:
        deadline = time.monotonic() + CLIENT_DEADLINE
    try:
        response = request(
            method, path, environ=environ, headers=headers, body=body, deadline=deadline
        )
    except Exception as problem:
        if getattr(problem, "code", "") != "daemon_not_running":
            raise
        _start(environ, deadline)
        response = request(
            method, path, environ=environ, headers=headers, body=body, deadline=deadline,
            starting=True,
        )  # fmt: skip
    return _successful(response)


def ask_running(
    method: str,
    path: str,
    *,
    environ: Mapping[str, str],
    body: bytes = b"",
    deadline: float | None = None,
) -> Response | None:
    """The same without ever starting a daemon; None where there is none."""
    try:
        return _successful(request(method, path, environ=environ, body=body, deadline=deadline))
    except Exception as problem:
        if getattr(problem, "code", "") != "daemon_not_running":
            raise
        return None


def pass_on(answer: bytes) -> int:
    """Writes an answer to stdout as it is; returns the exit status. Raises OSError."""
    while answer:
        answer = answer[posix.write(1, answer) :]
    return 0


def profile_path(name: str | None, part: str, environ: Mapping[str, str]) -> str:
    """The path of a profile's `part`: the named one, else AGENTKEYS_PROFILE's, else the default."""
    wanted = name or environ.get("AGENTKEYS_PROFILE") or DEFAULT
    return f"/v1/profiles/{quote_name(wanted)}/{part}"


def identity_path(
    name: str | None, profile: str | None, environ: Mapping[str, str], part: str = ""
) -> str:
    """The path of an identity, or of its `part`: the named one, else that of the profile."""
    of_profile = profile or environ.get("AGENTKEYS_PROFILE")
    wanted = name or (OF_PROFILE + of_profile if of_profile else DEFAULT)
    path = f"/v1/identities/{quote_name(wanted)}"
    return f"{path}/{part}" if part else path


def enable_packages() -> None:
    """Makes installed packages importable where the interpreter was started without them."""
    import sys  # noqa: PLC0415

    if sys.flags.no_site and "site" not in sys.modules:
        import site  # noqa: PLC0415

        site.main()


def _successful(response: Response) -> Response:
    if response.status != 200:
        from agentkeys.client_failures import refusal  # noqa: PLC0415 - see there what it costs

        raise refusal(response.status, response.body)
    return response


def _start(environ: Mapping[str, str], deadline: float) -> None:
    enable_packages()
    from agentkeys.starter import ensure_daemon  # noqa: PLC0415 - costs what a start costs

    ensure_daemon(environ, deadline=deadline)
