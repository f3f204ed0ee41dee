"""`agentkeys status --json`: the daemon's own document, or the one that says there is none."""

from __future__ import annotations

import sys

from agentkeys.client import read_environment, refusal, request
from agentkeys.errors import AgentkeysError, DaemonNotRunning
from agentkeys_shell.credential_process import write_all
from agentkeys_shell.failure import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["daemon_is_running", "fetch_status", "print_status"]

NO_DAEMON = (
    b'{"version": 1, "daemon": null, "default_profile": null, "identities": [], "profiles": []}\n'
)


def print_status() -> int:
    try:
        document = fetch_status(read_environment())
    except AgentkeysError as problem:
        return complain(problem)
    sys.stdout.flush()
    return write_all(document)


def fetch_status(environ: Mapping[str, str]) -> bytes:
    """The document, JSON; never starts a daemon. Raises DaemonError, ConfigError."""
    try:
        response = request("GET", "/v1/status", environ=environ)
    except DaemonNotRunning:
        return NO_DAEMON
    if response.status != 200:
        raise refusal(response)
    return response.body


def daemon_is_running(environ: Mapping[str, str]) -> bool:
    """Whether a daemon answers. Raises DaemonError, ConfigError where that cannot be told."""
    try:
        return request("GET", "/v1/health", environ=environ).status == 200
    except DaemonNotRunning:
        return False
