"""The user's systemd, asked through systemctl."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from agentkeys.errors import DaemonError
from agentkeys.quoting import quotable

__all__ = ["Systemctl"]

PATIENCE_SECONDS = 30


class Systemctl:
    """`systemctl --user`, with the environment that leads it to the user's own manager."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._program = shutil.which("systemctl", path=environ.get("PATH"))

    def answers(self) -> bool:
        """Whether a manager runs for this user: not in a container, under cron or through sudo."""
        return self._run("show-environment") == ""

    def is_active(self, unit: str) -> bool:
        return self._run("is-active", "--quiet", unit) == ""

    def do(self, *arguments: str) -> None:
        """Raises DaemonError with what systemctl says."""
        problem = self._run(*arguments)
        if problem:
            raise DaemonError(
                f"systemctl --user {' '.join(arguments)} failed: {problem}",
                hint="see: journalctl --user --unit agentkeys.socket --unit agentkeys.service",
            )

    def _run(self, *arguments: str) -> str:
        """Nothing if it went well, else why it did not."""
        if self._program is None:
            return "there is no systemctl"
        try:
            done = subprocess.run(  # noqa: S603 - a fixed program and words of ours
                [self._program, "--user", *arguments],
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            return type(problem).__name__
        return "" if done.returncode == 0 else quotable(done.stderr) or f"exit {done.returncode}"
