"""`agentkeys status --json`: the daemon's own document, or the one that says there is none."""

from __future__ import annotations

from agentkeys.client import read_environment
from agentkeys_shell.credential_process import write_all
from agentkeys_shell.daemon import ask_running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["fetch_status", "print_status"]

NO_DAEMON = (
    b'{"version": 1, "daemon": null, "default_profile": null, "identities": [], "profiles": []}\n'
)


def print_status() -> int:
    """Prints the document; raises DaemonError, ConfigError."""
    return write_all(fetch_status(read_environment()))


def fetch_status(environ: Mapping[str, str]) -> bytes:
    """The document, JSON; never starts a daemon. Raises DaemonError, ConfigError."""
    response = ask_running("GET", "/v1/status", environ=environ)
    return NO_DAEMON if response is None else response.body
