"""`agentkeys env`: what a program under `exec` would get, as text for a shell, a file or a client.

No run begins: what it prints is as good as the lease, and nothing tells when nobody needs it any
more.
"""

from __future__ import annotations

from agentkeys.client import read_environment
from agentkeys.protocol import REGION_HEADER, quote
from agentkeys_shell.daemon import ask, pass_on, profile_path
from agentkeys_shell.formats import FORMATS, load_render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

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
    answer = ask("GET", path, environ=environ, headers=_headers(environ))
    text = load_render(name)(_parse(answer.body), environ)
    return pass_on(text.encode("utf-8", "surrogateescape"))


def _parse(body: bytes) -> dict[str, str]:
    """The variables, which come as `env -0` prints them."""
    entries = body.decode("utf-8", "surrogateescape").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def _headers(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    region = environ.get("AWS_REGION")
    return ((REGION_HEADER, quote(region[:64])),) if region else ()
