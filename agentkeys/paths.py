"""Where things lie on disk, and folders and files that only their owner can open."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from agentkeys.errors import ConfigError
from agentkeys.socket_path import socket_path, state_folder

__all__ = ["Paths", "private_folder", "replace_file"]


@dataclass(frozen=True, slots=True)
class Paths:
    """Every place that agentkeys reads or writes by itself."""

    config: Path
    """The user's configuration file, whether or not it is there."""
    state: Path
    socket: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Paths:
        """Raises ConfigError for a socket path that no system takes."""
        uid = os.getuid()
        config = Path(platformdirs.user_config_dir("agentkeys", appauthor=False)) / "config.toml"
        return cls(
            config=Path(environ.get("AGENTKEYS_CONFIG") or config).absolute(),
            state=Path(state_folder(environ, uid)),
            socket=Path(socket_path(environ, uid)),
        )

    @property
    def ledger(self) -> Path:
        return self.state / "audit" / "ledger.jsonl"

    @property
    def log(self) -> Path:
        return self.state / "logs" / "daemon.jsonl"

    @property
    def sandbox(self) -> Path:
        return self.state / "sandbox"

    @property
    def run(self) -> Path:
        return self.state / "run"


def private_folder(path: Path) -> Path:
    """Makes `path`, and its missing parents, folders of mode 0700; returns `path`.

    Raises ConfigError when it exists but is a link, another user's, or writable by others.
    """
    try:
        missing = [parent for parent in (path, *path.parents) if not parent.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as problem:
        raise ConfigError(
            f"the folder {path} cannot be made: {problem.strerror}",
            hint="make its parent writable, or set AGENTKEYS_STATE_DIR to a folder of yours",
        ) from problem
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ConfigError(
            f"the folder {path} is a link, another user's, or writable by others",
            hint=f"remove it, or run: chmod 700 {path}",
        )
    return path


def replace_file(path: Path, content: str) -> None:
    """Writes `content` to `path`, mode 0600 from birth, so that a crash leaves old or new, whole.

    The folder must exist. Raises OSError.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
