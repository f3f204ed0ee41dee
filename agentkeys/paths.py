"""Where things lie on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from agentkeys.socket_path import socket_path, state_folder

__all__ = ["Paths"]


@dataclass(frozen=True, slots=True)
class Paths:
    """Every place that agentkeys reads or writes by itself."""

    config: Path
    """The user's configuration file, whether or not it is there."""
    state: Path
    socket: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Paths:
        """Raises ConfigError for a socket path that no system takes."""
        uid = os.getuid()
        config = Path(platformdirs.user_config_dir("agentkeys", appauthor=False)) / "config.toml"
        return cls(
            config=Path(environ.get("AGENTKEYS_CONFIG") or config).absolute(),
            state=Path(state_folder(environ, uid)),
            socket=Path(socket_path(environ, uid)),
        )

    @property
    def runs(self) -> Path:
        """Where the daemon of this socket notes which programs it has given credentials."""
        return Path(f"{self.socket}.runs")

    @property
    def ledger(self) -> Path:
        return self.state / "audit" / "ledger.jsonl"

    @property
    def ledger_head(self) -> Path:
        """Where the head of the ledger's chain is kept while there is no keyring."""
        return self.ledger.with_name("head.json")

    @property
    def log(self) -> Path:
        return self.state / "logs" / "daemon.jsonl"

    @property
    def sandbox(self) -> Path:
        return self.state / "sandbox"

    @property
    def run(self) -> Path:
        return self.state / "run"
