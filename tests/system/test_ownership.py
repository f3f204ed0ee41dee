"""What belongs to somebody else is not used; root alone can make such things to try."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agentkeys.audit import AuditRecord, FileLedger
from agentkeys.clock import SystemClock
from agentkeys.config import ConfigSource
from agentkeys.errors import AuditError, ConfigError
from agentkeys.paths import Paths
from agentkeys.private_files import private_folder
from agentkeys.socket_path import socket_path

STRANGER = 65534
SOMEBODY = 54_321
"""A user who does not exist, and so has nothing of their own here."""


@pytest.fixture(autouse=True)
def root() -> None:
    """Only root can give things away."""
    assert os.getuid() == 0, "run these tests as root: they give files away"


@pytest.mark.parametrize("which", ["the folder", "its parent"])
def test_a_folder_in_another_users_hands_is_refused(which: str, tmp_path: Path) -> None:
    """Whoever has its parent can put another in its place."""
    folder = private_folder(tmp_path / "parent" / "folder")
    os.chown(folder if which == "the folder" else folder.parent, STRANGER, -1)
    with pytest.raises(ConfigError):
        private_folder(folder)


def test_nothing_is_left_in_another_users_folder(tmp_path: Path) -> None:
    """As after `sudo -E`: what root makes there, its owner could not use any more."""
    os.chown(tmp_path, STRANGER, -1)
    with pytest.raises(ConfigError, match="where others could put another"):
        private_folder(tmp_path / "state" / "agentkeys")
    assert list(tmp_path.iterdir()) == []


def test_another_group_may_not_replace_it_either(tmp_path: Path) -> None:
    """Other people are in it."""
    os.chown(tmp_path, -1, STRANGER)
    tmp_path.chmod(0o770)
    with pytest.raises(ConfigError, match="where others could put another"):
        private_folder(tmp_path / "folder")


def test_another_users_file_is_no_ledger(tmp_path: Path) -> None:
    """Whoever put it there could read it, and change it."""
    path = tmp_path / "ledger.jsonl"
    path.touch()
    os.chown(path, STRANGER, -1)
    with pytest.raises(AuditError, match="not a file of yours"):
        FileLedger(path=path, clock=SystemClock()).append(AuditRecord(event="mint"))


def test_another_users_configuration_is_refused(tmp_path: Path) -> None:
    """They could send our tokens to a broker of theirs."""
    path = tmp_path / "config.toml"
    path.touch(0o644)
    os.chown(path, STRANGER, -1)
    paths = Paths(path, tmp_path / "state", tmp_path / "socket")
    with pytest.raises(ConfigError, match="another user's"):
        ConfigSource(environ={}, paths=paths).current()


@pytest.fixture
def runtime_folder() -> Iterator[Path]:
    """What a login would make for somebody."""
    folder = Path(f"/run/user/{SOMEBODY}")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()


def test_the_runtime_folder_is_found_without_the_variable(runtime_folder: Path) -> None:
    """A cron job and a desktop session of one user share a daemon."""
    os.chown(runtime_folder, SOMEBODY, -1)
    found = socket_path({"HOME": "/home/me"}, SOMEBODY)
    assert found == f"{runtime_folder}/agentkeys/daemon.sock"


def test_a_runtime_folder_of_somebody_else_is_not_taken(runtime_folder: Path) -> None:
    """Its name alone does not make it ours."""
    assert not socket_path({"HOME": "/home/me"}, SOMEBODY).startswith(str(runtime_folder))
