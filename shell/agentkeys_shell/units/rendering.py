"""What a service manager is told: which command, with which settings, at which socket."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from agentkeys.errors import ConfigError
from agentkeys.interpreter import own_module
from agentkeys.protocol import settings_of
from agentkeys.socket_path import socket_path
from agentkeys_shell.units.files import UnitFile
from agentkeys_shell.units.launchd import LAUNCH_AGENT, launch_agent
from agentkeys_shell.units.systemd import (
    SERVICE,
    SOCKET,
    SYSTEM_SERVICE,
    SYSTEM_SOCKET,
    marked,
    service_unit,
    socket_unit,
    system_service_unit,
)

__all__ = ["check_visible", "render_system_units", "render_units"]

_FOLDERS = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What else decides which files a daemon reads. Proxies may hold passwords, so they stay out."""


_SYSTEM_FOLDER = Path("/etc/systemd/system")
_HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # noqa: S108 - named, not used
"""What the system's template hides from the daemon."""


def render_units(environ: Mapping[str, str], *, platform: str = sys.platform) -> list[UnitFile]:
    """The files that start, on `platform`, the daemon which clients with this environment ask.

    Raises ConfigError for a setting that no unit can hold.
    """
    command = own_module("agentkeys_daemon")
    settings = _settings(environ)
    path = socket_path(environ, os.getuid())
    if platform == "darwin":
        folder = _home(environ) / "Library" / "LaunchAgents"
        content = launch_agent(_template(LAUNCH_AGENT), command, settings, path)
        return [UnitFile(folder / LAUNCH_AGENT, content)]
    folder = _config_folder(environ) / "systemd" / "user"
    return [
        UnitFile(folder / SERVICE, service_unit(_template(SERVICE), command, settings)),
        UnitFile(folder / SOCKET, socket_unit(_template(SOCKET), path)),
    ]


def render_system_units() -> list[UnitFile]:
    """The templates for the system's manager: an instance for each user that has no manager."""
    command = own_module("agentkeys_daemon")
    service = system_service_unit(_template(SYSTEM_SERVICE), command)
    return [
        UnitFile(_SYSTEM_FOLDER / SYSTEM_SERVICE, service, is_public=True),
        UnitFile(_SYSTEM_FOLDER / SYSTEM_SOCKET, marked(_template(SYSTEM_SOCKET)), is_public=True),
    ]


def check_visible(command: Sequence[str]) -> None:
    """Raises ConfigError for an installation that the system's template hides from its daemon."""
    places = (command[0], *(str(Path(entry).resolve()) for entry in (command[0], __file__)))
    for place in places:
        if place.startswith(_HIDDEN):
            raise ConfigError(
                f"a daemon of the system's cannot see {place}",
                hint="install agentkeys for all users, such as in /opt/agentkeys",
            )


def _settings(environ: Mapping[str, str]) -> dict[str, str]:
    folders = {name: environ[name] for name in _FOLDERS if environ.get(name, "").startswith("/")}
    settings = settings_of(environ, os.getcwd) | folders
    for name, value in settings.items():
        if not value.isprintable():
            raise ConfigError(
                f"{name} is {value!r}, which no unit can hold", hint=f"set {name} to plain text"
            )
    return settings


def _config_folder(environ: Mapping[str, str]) -> Path:
    chosen = environ.get("XDG_CONFIG_HOME", "")
    return Path(chosen) if chosen.startswith("/") else _home(environ) / ".config"


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())


def _template(name: str) -> str:
    """The file `name` of the daemon's units, which is found without importing the daemon."""
    spec = find_spec("agentkeys_daemon")
    packages = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    # In the package once it is installed, beside it in a checkout.
    for folder in [*packages, *(package.parent for package in packages)]:
        path = folder / "units" / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ConfigError(f"this installation lacks {name}", hint="install agentkeys anew")
