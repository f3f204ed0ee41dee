"""The doctor's fault table: what only root can break, disks and owners."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.diagnosing import CONFIG, Diagnosis, diagnose
from tests.support.programs import Home, new_home

NOBODY = 65534


@pytest.fixture(autouse=True, scope="module")
def root() -> None:
    """Only root mounts disks and gives files away."""
    assert os.getuid() == 0, "run these tests as root: they mount disks and change owners"


@pytest.fixture
def home() -> Iterator[Home]:
    """No daemon runs; a configuration is there."""
    with new_home() as found:
        found.configure(CONFIG)
        yield found


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """Two megabytes of its own, at `folder`."""
    folder.mkdir(mode=0o700)
    options = "size=2m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def complaints(found: Diagnosis) -> list[tuple[str, str, str]]:
    """Of the steps before the daemon's."""
    return [entry for entry in found.complaints if entry[0] in ("config", "folders", "socket")]


def test_a_full_disk_is_a_warning(home: Home) -> None:
    """What is served goes on; the ledger and the logs do not."""
    with disk(home.state) as folder:
        home.succeed("agentkeys", "daemon", "start")
        (folder / "filler").write_bytes(bytes(1_500_000))
        found = diagnose(home)
        home.succeed("agentkeys", "daemon", "stop")
    assert complaints(found) == [("folders", "warning", "disk_full")], found
    assert f"no room left for the folder {home.state}" in found.said("folders")


def test_a_read_only_disk_is_told(home: Home) -> None:
    """And that no daemon could start there."""
    with disk(home.state) as folder:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        found = diagnose(home)
    assert complaints(found) == [("folders", "failed", "folder_unwritable")], found
    assert "is on a file system that is read-only" in found.said("folders")
    assert found.steps["daemon"]["code"] == "daemon_not_running"


def test_another_user_s_folder_is_told(home: Home) -> None:
    """Nobody's, here."""
    home.state.mkdir(mode=0o700)
    os.chown(home.state, NOBODY, NOBODY)
    found = diagnose(home)
    assert complaints(found) == [("folders", "failed", "folder_foreign")], found
    assert f"belongs to user {NOBODY}" in found.said("folders")


def test_another_user_s_configuration_is_told(home: Home) -> None:
    """They could send our tokens elsewhere."""
    os.chown(home.config, NOBODY, NOBODY)
    found = diagnose(home)
    assert complaints(found) == [("config", "failed", "config_exposed")], found


def test_another_user_s_socket_is_told(home: Home) -> None:
    """Nothing is sent to whoever listens there."""
    home.socket.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(home.socket))
        os.chown(home.socket, NOBODY, NOBODY)
        found = diagnose(home)
    home.socket.unlink()
    assert complaints(found) == [("socket", "failed", "socket_foreign")], found
    assert found.status == 1
