"""`agentkeys env`: what a program under `exec` would get, as text for a shell, a file or a client.

No run begins: what it prints is as good as the lease, and nothing tells when nobody needs it any
more.
"""

from __future__ import annotations

from agentkeys.client import read_environment
from agentkeys.protocol import region_header
from agentkeys_shell.daemon import ask, pass_on, profile_path
from agentkeys_shell.environment import parse_entries
from agentkeys_shell.formats import FORMATS, load_render

__all__ = ["print_environment"]


def print_environment(profile: str | None, format_name: str | None) -> int | None:
    """Prints the variables; None where there is no such format.

    Raises RemoteError, DaemonError and its leaves, ConfigError, OSError, and AgentkeysError for a
    value that the format cannot hold.
    """
    name = format_name or FORMATS[0]
    if name not in FORMATS:
        return None
    environ = read_environment()
    path = profile_path(profile, "environment", environ)
    answer = ask("GET", path, environ=environ, headers=region_header(environ))
    text = load_render(name)(dict(parse_entries(answer.body)), environ)
    return pass_on(text.encode("utf-8", "surrogateescape"))
