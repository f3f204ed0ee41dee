"""A systemd of our own, as the one that runs a machine's services."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pwd import getpwnam
from typing import Self

from tests.support.installation import INTERPRETER, LIBRARIES, Installation, installed_for_all
from tests.support.programs import PATIENCE, Finished
from tests.system.starting import SYSTEMD, wait_for_systemd

__all__ = ["SystemManager", "system_manager"]

_PLACE = Path("/srv/agentkeys")
_PYTHON = Path("/srv/python")
_LIBRARIES = Path("/srv/libraries")
# Its own places: where they really are, other users may have no access.
_TARGETS = ("basic", "network-online", "shutdown", "sockets", "start", "sysinit", "umount")
# What it changes is its own: process ids, what is mounted, and copies of /etc, /run and /var/lib.
# It is process 1 there, and believes that it runs a container. An interpreter with a library of its
# own would look for that in the place that it was made for.
_START = f"""
mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib &&
mkdir -p /run/systemd/system /run/targets && cp -a /etc /run/etc && mount --bind /run/etc /etc &&
rm -rf /etc/systemd/system && mkdir -p /etc/systemd/system /etc/agentkeys &&
mount -t tmpfs -o mode=755 tmpfs /srv && mkdir {_PLACE} {_PYTHON} {_LIBRARIES} &&
mount --bind "$1" {_PLACE} && mount --bind "$2" {_PYTHON} && mount --bind "$3" {_LIBRARIES} &&
mount -t tmpfs tmpfs /var/cache && echo {_PYTHON}/lib >/etc/ld.so.conf.d/00-agentkeys.conf &&
ldconfig -X &&
for target in {" ".join(_TARGETS)}; do
    printf '[Unit]\\nDefaultDependencies=no\\n' >/run/targets/$target.target || exit
done &&
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test \
    SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/targets {SYSTEMD} --system --unit=start.target
"""


class SystemManager:
    """Runs no unit at first; leave its `with` to end it."""

    bin = _PLACE / "bin"
    """Where our programs are, readable for everybody."""

    def __init__(self, installation: Installation, log: Path) -> None:
        self._installation = installation
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *("unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc"),
                    *("--cgroup", "--propagation", "private", "sh", "-c", _START, "sh"),
                    *(self._installation.folder, INTERPRETER.parent.parent),
                    LIBRARIES,
                ],
                stdout=log,
                stderr=log,
            )
        wait_for_systemd(self._process, answers=self._answers, log=self._log)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()

    def run(
        self, *argv: str | Path, user: str = "root", group: str | None = None, **environment: str
    ) -> Finished:
        """A program beside its services, of some user, in their own group or another one."""
        who = (f"--reuid={user}", f"--regid={group or getpwnam(user).pw_gid}", "--clear-groups")
        return self._run(["setpriv", *who, *argv], environment)

    def succeed(self, *argv: str | Path, user: str = "root", **environment: str) -> str:
        """What a program prints that has to end with 0."""
        done = self.run(*argv, user=user, **environment)
        assert done.status == 0, done
        return done.stdout

    def main_pid(self, unit: str) -> int:
        """Of a service's process, as it is numbered in there."""
        return int(self.succeed("systemctl", "show", "--property=MainPID", "--value", unit))

    def place(self, path: str) -> Path:
        """Where a path of its own is found from outside."""
        return Path(f"/proc/{self._first()}/root{path}")

    def _run(self, argv: list[str | Path], environment: Mapping[str, str]) -> Finished:
        first = self._first()
        assert first, "systemd has ended"
        done = subprocess.run(
            [
                "nsenter",
                f"--target={first}",
                "--mount",
                "--pid",
                "--uts",
                "--ipc",
                "--cgroup",
                *argv,
            ],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def _first(self) -> int | None:
        """Its process 1, as it is numbered out here."""
        pid = self._process.pid
        try:
            told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        except OSError:
            return None
        return int(told[0]) if told else None

    def _answers(self) -> bool:
        if not self._first():
            return False
        return self._run(["systemctl", "is-active", "--quiet", "start.target"], {}).status == 0


@contextmanager
def system_manager(log: Path) -> Iterator[SystemManager]:
    """One with our programs."""
    interpreter = _PYTHON / "bin" / INTERPRETER.name
    with (
        installed_for_all(interpreter=interpreter, libraries=_LIBRARIES) as installation,
        SystemManager(installation, log) as running,
    ):
        yield running
