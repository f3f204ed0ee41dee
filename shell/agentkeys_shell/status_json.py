"""`agentkeys status --json`: the daemon's own document, or the one that says there is none."""

from __future__ import annotations

from agentkeys.client import read_environment
from agentkeys_shell.daemon import ask_running, identity_path, pass_on, profile_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["fetch_status", "print_status"]

NO_DAEMON = (
    b'{"version": 1, "daemon": null, "default_profile": null, "identities": [], "profiles": [],'
    b' "runs": [], "notices": []}\n'
)


def print_status(profile: str | None) -> int:
    """Prints the document; raises RemoteError, DaemonError, ConfigError."""
    return pass_on(fetch_status(profile, read_environment()))


def fetch_status(
    profile: str | None,
    environ: Mapping[str, str],
    *,
    identity: str | None = None,
    deadline: float | None = None,
) -> bytes:
    """The document, JSON, of one profile, one identity or all; never starts a daemon.

    Raises RemoteError, DaemonError, ConfigError.
    """
    path = "/v1/status"
    if identity:
        path = identity_path(identity, None, environ, "status")
    elif profile:
        path = profile_path(profile, "status", environ)
    response = ask_running("GET", path, environ=environ, deadline=deadline)
    return NO_DAEMON if response is None else response.body
