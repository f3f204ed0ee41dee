"""A systemd of our own, as the one that runs for every user who logs in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

from tests.support.programs import PATIENCE, Home
from tests.system.starting import SYSTEMD, wait_for_systemd

__all__ = ["UserManager", "missing_systemd"]

# It runs only where the system looks booted with systemd, which a container does not.
# What units must not see is covered with nodes that the system's own manager makes at its start.
_START = f"""
mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system &&
mkdir -p /run/systemd/inaccessible/dir && chmod 0 /run/systemd/inaccessible/dir &&
install -m 0 /dev/null /run/systemd/inaccessible/reg &&
mknod -m 0 /run/systemd/inaccessible/chr c 0 0 && exec {SYSTEMD} --user
"""


def missing_systemd() -> str | None:
    """What to install before any of this can run."""
    programs = ("systemd-socket-activate", "systemd-analyze", "systemctl")
    if all(map(shutil.which, programs)) and SYSTEMD.exists():
        return None
    return "this needs real programs: apt-get install systemd"


class UserManager:
    """Runs for the user of `home`, whose programs find it; leave its `with` to end it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._log = home.folder / "systemd.log"

    def __enter__(self) -> Self:
        self._mask()
        with self._log.open("wb") as log:
            # A file system of its own, so that nobody else on this machine sees the difference.
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", _START],
                env=self._home.environment,
                stdout=log,
                stderr=log,
            )
        wait_for_systemd(self._process, answers=self._answers, log=self._log)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _mask(self) -> None:
        """Keeps the machine's own bus and keyring away: it would tell every unit of that bus."""
        units = Path(self._home.environment["XDG_RUNTIME_DIR"]) / "systemd" / "user"
        units.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("dbus", "gnome-keyring-daemon"):
            for kind in ("service", "socket"):
                unit = units / f"{name}.{kind}"
                if not unit.is_symlink():
                    unit.symlink_to(os.devnull)

    def is_active(self, unit: str) -> bool:
        return self._ask("is-active", "--quiet", unit).returncode == 0

    def main_pid(self, unit: str) -> int:
        """Of a service's process; 0 if it does not run."""
        return int(self._ask("show", "--property=MainPID", "--value", unit).stdout)

    def _answers(self) -> bool:
        return self._ask("show-environment").returncode == 0

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["systemctl", "--user", *arguments],
            env=self._home.environment,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
