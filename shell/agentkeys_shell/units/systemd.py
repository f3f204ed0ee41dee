"""Units for the user's systemd: a socket that starts the daemon when it is first asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template

from agentkeys.errors import ConfigError
from agentkeys.protocol import SETTINGS
from agentkeys_shell.units.files import MARKER

__all__ = [
    "SERVICE",
    "SOCKET",
    "SYSTEM_SERVICE",
    "SYSTEM_SOCKET",
    "marked",
    "service_unit",
    "socket_unit",
    "system_service_unit",
]

SERVICE = "agentkeys.service"
SOCKET = "agentkeys.socket"
SYSTEM_SERVICE = "agentkeys@.service"
SYSTEM_SOCKET = "agentkeys@.socket"


def service_unit(template: str, command: Sequence[str], settings: Mapping[str, str]) -> str:
    """Raises ConfigError for an interpreter that systemd would not run."""
    lines = [f"Environment={_quoted(f'{name}={value}')}" for name, value in settings.items()]
    # Of others that systemd itself may have been started with, none must get through.
    others = [name for name in ("AGENTKEYS_SOCKET", *SETTINGS) if name not in settings]
    lines.append(f"UnsetEnvironment={' '.join(others)}")
    return _fill(template, command=_command(command), environment="\n".join(lines))


def system_service_unit(template: str, command: Sequence[str]) -> str:
    """Has its settings in itself. Raises ConfigError as `service_unit` does."""
    return _fill(template, command=_command(command))


def socket_unit(template: str, path: str) -> str:
    """Raises ConfigError for a path that no line can hold."""
    if not path.isprintable() or path != path.strip():
        raise ConfigError(
            f"no unit can hold the socket path {path!r}", hint="set AGENTKEYS_SOCKET to a plain one"
        )
    return _fill(template, socket=path.replace("%", "%%"))


def marked(text: str) -> str:
    """As a file of ours."""
    return f"# {MARKER}\n{text}"


def _fill(template: str, **values: str) -> str:
    return marked(Template(template).substitute(values))


def _command(command: Sequence[str]) -> str:
    if set(command[0]) & set("\"'\\") or not command[0].isprintable():
        raise ConfigError(
            f"systemd runs no program with such a name: {command[0]!r}",
            hint="install agentkeys in a folder without quotes and backslashes in its path",
        )
    return " ".join(map(_word, command))


def _word(text: str) -> str:
    plain = all(char.isalnum() or char in "/._-+=:@" for char in text)
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    """One word of a unit file: systemd undoes quotes and backslashes, then looks for %."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
