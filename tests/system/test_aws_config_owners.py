"""An AWS configuration file whose owner could not be kept is left alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentkeys.errors import ConfigError
from agentkeys_shell.aws_config.files import AwsFile

SOMEBODY = 65534
CONTENT = b"[default]\nregion = x\n"


@pytest.fixture(autouse=True)
def root() -> None:
    """Only root can be somebody else for a moment."""
    assert os.getuid() == 0, "run these tests as root: they act as another user"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Somebody's, where they can reach it, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="agentkeys-"))
    os.chown(path, SOMEBODY, SOMEBODY)
    yield path
    shutil.rmtree(path)


def told_by_somebody(work: Callable[[], object]) -> str:
    """The error, or what else `work` gives, in a fork that is another user."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(SOMEBODY, SOMEBODY, SOMEBODY)
            os.setresuid(SOMEBODY, SOMEBODY, SOMEBODY)
            os.write(writer, repr(work()).encode())
        except BaseException as problem:  # noqa: BLE001 - whatever it is, it is told
            os.write(writer, str(problem).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read().decode()
    os.waitpid(pid, 0)
    return told


def change(path: Path) -> object:
    file = AwsFile(path)
    return file.replace(file.read(), CONTENT + b"output = json\n")


def test_another_owners_file_is_not_made_ones_own(folder: Path) -> None:
    """The folder would let us, but its owner, and who may write it, would be others."""
    path = folder / "config"
    path.write_bytes(CONTENT)
    path.chmod(0o644)
    assert told_by_somebody(lambda: change(path)) == (
        f"{path} belongs to others, which could not be kept so"
    )
    assert path.read_bytes() == CONTENT
    assert path.stat().st_uid == 0
    assert list(folder.iterdir()) == [path]


def test_a_folder_that_one_may_not_write_is_told(folder: Path) -> None:
    """In the system's words."""
    path = folder / "config"
    path.write_bytes(CONTENT)
    os.chown(path, SOMEBODY, SOMEBODY)
    os.chown(folder, 0, 0)
    folder.chmod(0o755)
    assert told_by_somebody(lambda: change(path)) == f"{path} cannot be written: permission denied"
    assert path.read_bytes() == CONTENT


def test_root_keeps_the_owner(folder: Path) -> None:
    """As after `sudo`: the user could not read it any more."""
    path = folder / "config"
    path.write_bytes(CONTENT)
    path.chmod(0o640)
    os.chown(path, SOMEBODY, SOMEBODY + 1)
    assert change(path)
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (SOMEBODY, SOMEBODY + 1, 0o640)


def test_a_file_that_one_may_not_read_is_told(folder: Path) -> None:
    """And not taken for an empty one."""
    path = folder / "config"
    path.write_bytes(CONTENT)
    path.chmod(0o600)
    assert told_by_somebody(lambda: change(path)) == f"{path} cannot be read: permission denied"
    with pytest.raises(ConfigError, match="is a folder"):
        change(folder)
