"""The start of a systemd of our own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from agentkeys_shell.sandbox.processes import wait_until
from tests.support.programs import PATIENCE

__all__ = ["SYSTEMD", "wait_for_systemd"]

SYSTEMD = Path("/lib/systemd/systemd")


def wait_for_systemd(
    process: subprocess.Popen[bytes], *, answers: Callable[[], bool], log: Path
) -> None:
    """Returns once it answers; otherwise ends it, and fails with what it has said in `log`."""

    def has_ended() -> bool:
        return process.poll() is not None

    if not wait_until(lambda: answers() or has_ended(), seconds=PATIENCE):
        process.kill()
        process.wait()
    if has_ended():
        said = log.read_text(encoding="utf-8", errors="replace")
        raise AssertionError(f"systemd does not run; root may be needed: {said}")
