"""What a daemon is started with, and whether one could begin with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

from agentkeys.errors import ConfigError
from agentkeys.paths import Paths
from agentkeys.private_files import private_folder

__all__ = ["check_settings", "log_level", "vault_mode"]

_LEVELS = {"info": logging.INFO, "debug": logging.DEBUG}


def check_settings(environ: Mapping[str, str]) -> None:
    """Raises ConfigError for settings with which no daemon could begin."""
    vault_mode(environ)
    log_level(environ)
    paths = Paths.from_environment(environ)
    for folder in (paths.state, paths.log.parent):
        private_folder(folder)


def vault_mode(environ: Mapping[str, str]) -> Literal["auto", "memory"]:
    """Which vault is wanted; raises ConfigError."""
    wanted = environ.get("AGENTKEYS_VAULT") or "auto"
    if wanted not in ("auto", "memory"):
        raise ConfigError(f"AGENTKEYS_VAULT is {wanted!r}", hint="set it to memory, or not at all")
    return "memory" if wanted == "memory" else "auto"


def log_level(environ: Mapping[str, str]) -> int:
    """From where on messages are logged; raises ConfigError."""
    wanted = environ.get("AGENTKEYS_LOG") or "info"
    if wanted not in _LEVELS:
        raise ConfigError(
            f"AGENTKEYS_LOG is {wanted!r}", hint="set it to debug or info, or not at all"
        )
    return _LEVELS[wanted]
