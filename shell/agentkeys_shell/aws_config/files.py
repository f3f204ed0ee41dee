"""The user's AWS files on disk: read without waiting, replaced whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agentkeys.errors import ConfigError
from agentkeys.private_files import make_folders

__all__ = ["AwsFile", "Found", "aws_file"]

MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was read."""

    content: bytes
    mode: int
    uid: int
    gid: int


class AwsFile:
    """One file; behind a link, the file that the link leads to.

    Its owner, group and permissions stay. Every method raises ConfigError with the reason.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.target = Path(os.path.realpath(path))

    def read(self) -> Found | None:
        """None where there is no such file."""
        try:
            # Without waiting: a pipe that nobody writes to would keep us here.
            descriptor = os.open(self.target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise self._failed("read", problem) from problem
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no file that can be edited"
                raise ConfigError(f"{self.path} is {kind}", hint=_OTHER_FILE)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as problem:
            raise self._failed("read", problem) from problem
        finally:
            os.close(descriptor)
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{self.path} is over a megabyte", hint="check its content")
        return Found(content, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)

    def replace(self, found: Found | None, content: bytes | None) -> bool:
        """Puts `content` in the place of what was `found`, None to remove the file.

        A crash leaves the old or the new, whole. Returns False, and does nothing, where somebody
        else has changed the file since it was found.
        """
        self._refuse_read_only(found)
        try:
            if found is None:
                self._make_folder()
            if content is None:
                return self._remove(found)
            return self._write(found, content)
        except OSError as problem:
            raise self._failed("written", problem) from problem

    def _refuse_read_only(self, found: Found | None) -> None:
        # Renaming would get past the file's own mode, and root past both; whoever has set it so
        # wants the file as it is.
        if found and not found.mode & stat.S_IWUSR:
            raise ConfigError(f"{self.path} is read-only", hint=f"run: chmod u+w {self.target}")
        folder = self.target.parent
        if folder.is_dir() and not folder.stat().st_mode & stat.S_IWUSR:
            raise ConfigError(
                f"the folder of {self.path} is read-only", hint=f"run: chmod u+w {folder}"
            )

    def _make_folder(self) -> None:
        if self.path.is_symlink() and not self.target.parent.is_dir():
            raise ConfigError(
                f"{self.path} is a link to {self.target}, whose folder is not there",
                hint="mend the link or remove it",
            )
        make_folders(self.target.parent)

    def _remove(self, found: Found | None) -> bool:
        if self.read() != found:
            return False
        self.target.unlink(missing_ok=True)
        return True

    def _write(self, found: Found | None, content: bytes) -> bool:
        descriptor, name = tempfile.mkstemp(dir=self.target.parent, prefix=f".{self.target.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if found:
                    self._give(file.fileno(), found)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # As late as can be: what another program writes after this is lost.
            unchanged = self.read() == found
            if unchanged:
                temporary.replace(self.target)
            return unchanged
        finally:
            temporary.unlink(missing_ok=True)

    def _give(self, descriptor: int, found: Found) -> None:
        """Owner, group and permissions of the old file to the new one."""
        now = os.fstat(descriptor)
        if (now.st_uid, now.st_gid) != (found.uid, found.gid):
            try:
                os.fchown(descriptor, found.uid, found.gid)
            except PermissionError as problem:
                raise ConfigError(
                    f"{self.path} belongs to others, which could not be kept so",
                    hint="run this as its owner",
                ) from problem
        os.fchmod(descriptor, found.mode)

    def _failed(self, what: str, problem: OSError) -> ConfigError:
        return ConfigError(
            f"{self.path} cannot be {what}: {(problem.strerror or str(problem)).lower()}",
            hint=_OTHER_FILE,
        )


_OTHER_FILE = "check it and its folder, or name another file with AWS_CONFIG_FILE"


def aws_file(environ: Mapping[str, str], variable: str, name: str) -> AwsFile:
    """The file that `variable` names, else `name` in ~/.aws, found as botocore finds it."""
    chosen = environ.get(variable) or f"~/.aws/{name}"
    return AwsFile(Path(os.path.expanduser(os.path.expandvars(chosen))).absolute())  # noqa: PTH111
