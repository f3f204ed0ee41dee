"""A launchd agent: the daemon runs from login on, since launchd hands sockets to C alone."""

from __future__ import annotations

import plistlib
from collections.abc import Mapping, Sequence

from agentkeys_shell.units.files import MARKER

__all__ = ["LABEL", "LAUNCH_AGENT", "launch_agent"]

LABEL = "io.agentkeys.daemon"
LAUNCH_AGENT = f"{LABEL}.plist"


def launch_agent(
    template: str, command: Sequence[str], settings: Mapping[str, str], socket: str
) -> str:
    """The property list, with the socket that this user's clients ask."""
    agent = plistlib.loads(template.encode())
    agent["ProgramArguments"] = list(command)
    agent["EnvironmentVariables"] = {**settings, "AGENTKEYS_SOCKET": socket}
    declaration, _, rest = plistlib.dumps(agent).decode().partition("\n")
    return f"{declaration}\n<!-- {MARKER} -->\n{rest}"
