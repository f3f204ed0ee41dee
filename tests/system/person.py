"""Somebody of this machine without any privilege, beside a systemd of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.programs import Finished
from tests.system.system_manager import SystemManager

__all__ = ["SHIM", "USER", "Person"]

SHIM = "agentkeys-credential-process"
USER = "games"
"""One of Debian's own, with a home that is not theirs and nothing else."""


@dataclass
class Person:
    """Runs programs as USER."""

    manager: SystemManager
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *argv: str | Path) -> Finished:
        first = self.manager.bin / argv[0] if argv[0] in ("agentkeys", SHIM) else argv[0]
        return self.manager.run(first, *argv[1:], user=USER, **self.environment)

    def succeed(self, *argv: str | Path) -> str:
        done = self.run(*argv)
        assert done.status == 0, done
        return done.stdout

    def daemon(self) -> dict[str, Any]:
        document = json.loads(self.succeed("agentkeys", "daemon", "status", "--json"))
        found: dict[str, Any] = document["daemon"]
        return found
