"""Holds the daemon's socket and starts the daemon for whoever comes, as systemd does."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import threading
from typing import Self

from agentkeys.interpreter import own_module
from tests.support.programs import PATIENCE, Home

__all__ = ["SocketHolder"]

# The protocol's descriptor is 3, and only the process itself knows the pid that it will have.
_HAND_OVER = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 </dev/null'


class SocketHolder:
    """One daemon at a time, at the socket of `home`; leave its `with` to end the last one."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.pids: list[int] = []
        """Of the daemons that were started, in order."""
        home.socket.parent.mkdir(mode=0o700)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(home.socket))
        self._listening.listen(100)
        self._end_read, self._end_write = os.pipe()
        self._thread = threading.Thread(target=self._hold)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._end_write)
        self._thread.join(PATIENCE)
        os.close(self._end_read)
        self._listening.close()
        assert not self._thread.is_alive()

    def _hold(self) -> None:
        while True:
            ready, _, _ = select.select([self._listening.fileno(), self._end_read], [], [])
            if self._end_read in ready:
                return
            with self._start() as daemon:
                self.pids.append(daemon.pid)
                self._wait(daemon)

    def _wait(self, daemon: subprocess.Popen[bytes]) -> None:
        """Until it ends by itself, or has to with us."""
        ended = os.pidfd_open(daemon.pid)
        try:
            ready, _, _ = select.select([ended, self._end_read], [], [])
        finally:
            os.close(ended)
        if self._end_read in ready:
            daemon.terminate()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", _HAND_OVER, "sh", *own_module("agentkeys_daemon")],
            env={**self._home.environment, "AWS_PROFILE": "inherited"},
            cwd="/",
            stdin=self._listening.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
