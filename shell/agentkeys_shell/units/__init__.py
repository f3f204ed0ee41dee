"""The files that have systemd or launchd start the daemon, and who they are handed to."""

from agentkeys_shell.units.files import UnitFile, is_ours, remove_units, write_units
from agentkeys_shell.units.rendering import check_visible, render_system_units, render_units
from agentkeys_shell.units.user_manager import Systemctl

__all__ = [
    "Systemctl",
    "UnitFile",
    "check_visible",
    "is_ours",
    "remove_units",
    "render_system_units",
    "render_units",
    "write_units",
]
