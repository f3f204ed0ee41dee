"""One daemon per socket: the lock that it holds for as long as it lives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentkeys.errors import DaemonError
from agentkeys_daemon.listening import AlreadyRunning, only_one


@pytest.mark.parametrize("record", [None, "", "garbled", "-1", "0", "ü", "4711"])
def test_a_daemon_without_its_socket_is_told_of(tmp_path: Path, record: str | None) -> None:
    """With its number where its record has one, and with what else tells it where not."""
    path = tmp_path / "d.sock"
    pid_file = tmp_path / "d.sock.pid"
    with only_one(path):
        assert pid_file.read_text(encoding="ascii") == str(os.getpid())
        if record is None:
            pid_file.unlink()
        else:
            pid_file.write_text(record, encoding="utf-8")
        with pytest.raises(DaemonError, match="somebody has removed its socket") as caught:
            only_one(path, patience=0)
    whoever = f"end whatever holds {path}.lock"
    assert caught.value.hint == ("run: kill 4711" if record == "4711" else whoever)


def test_a_daemon_that_serves_is_left_alone(tmp_path: Path) -> None:
    """And the record goes on to name it."""
    path = tmp_path / "d.sock"
    with only_one(path):
        path.touch()
        with pytest.raises(AlreadyRunning):
            only_one(path, patience=0)
    with only_one(path, patience=0):
        pass
