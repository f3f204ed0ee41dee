"""What is to be examined, and for whom."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agentkeys.client_failures import folder_gone
from agentkeys.paths import Paths
from agentkeys.socket_path import socket_path

__all__ = ["Asked"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A profile as a command with these variables would find it."""

    environ: Mapping[str, str]
    profile: str | None = None
    """None is the default one."""
    uid: int = field(default_factory=os.getuid)

    @property
    def wanted(self) -> str | None:
        """The profile's name, if somebody has named one."""
        return self.profile or self.environ.get("AGENTKEYS_PROFILE")

    @property
    def socket(self) -> Path:
        """Raises ConfigError for a path that no system takes."""
        try:
            return Path(socket_path(self.environ, self.uid))
        except FileNotFoundError as problem:
            raise folder_gone() from problem

    @property
    def paths(self) -> Paths:
        """Of everything but the socket, whose own step tells what is wrong with its path.

        Raises ConfigError.
        """
        try:
            return Paths.from_environment({**self.environ, "AGENTKEYS_SOCKET": "/-"})
        except FileNotFoundError as problem:
            raise folder_gone() from problem
