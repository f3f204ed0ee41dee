"""Whether the state folder and the socket's are nobody else's, and can be written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agentkeys.doctor import Finding, Outcome
from agentkeys.doctor.finding import failed, ok, warning
from agentkeys.errors import ConfigError
from agentkeys.private_files import exposed_parent
from agentkeys_shell.doctor.asked import Asked

__all__ = ["check_folders"]

STEP = "folders"
LEAST_ROOM = 1 << 20
"""Bytes: some thousand records of the ledger."""
_ELSEWHERE = "choose a folder below your home"


def check_folders(asked: Asked) -> Finding:
    """Makes none. Raises ConfigError where nobody can say where the state folder would be."""
    folders = {"state": asked.paths.state}
    with suppress(ConfigError):  # the socket's own step tells it
        folders["socket"] = asked.socket.parent
    problems = [found for folder in folders.values() for found in _problems(folder, asked.uid)]
    # The first of the worst: what failed counts for more than what only may.
    problems.sort(key=lambda finding: finding.outcome is not Outcome.FAILED)
    if problems:
        return problems[0]
    missing = [folder for folder in folders.values() if not folder.exists()]
    shown = ", ".join(str(folder) for folder in dict.fromkeys(folders.values()))
    words = "to be made by the first daemon" if missing else "yours alone"
    return ok(STEP, f"{shown}: {words}", **{name: str(path) for name, path in folders.items()})


def _problems(folder: Path, uid: int) -> Iterator[Finding]:
    """Raises nothing: what cannot even be looked at is a problem like any other."""
    try:
        found = folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        yield from _exposure(folder)
        return
    except OSError as problem:
        yield _failed("folder_unwritable", folder, f"cannot be looked at: {problem.strerror}")
        return
    yield from _ownership(folder, found, uid)
    yield from _exposure(folder)
    yield from _room(folder)


def _ownership(folder: Path, found: os.stat_result, uid: int) -> Iterator[Finding]:
    if not stat.S_ISDIR(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "no folder"
        yield _failed("folder_not_a_folder", folder, f"is {kind}", "choose a folder of your own")
    elif found.st_uid != uid:
        yield _failed("folder_foreign", folder, f"belongs to user {found.st_uid}", _ELSEWHERE)
    elif found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        words = f"is open to other users (mode {mode:04o})"
        yield _failed("folder_open", folder, words, f"run: chmod 700 {folder}")


def _exposure(folder: Path) -> Iterator[Finding]:
    try:
        exposed = exposed_parent(folder)
    except OSError:
        return  # then nobody else gets there either
    if exposed:
        words = f"lies in {exposed}, where others could put another in its place"
        yield _failed("folder_exposed", folder, words, _ELSEWHERE)


def _room(folder: Path) -> Iterator[Finding]:
    if not os.access(folder, os.W_OK | os.X_OK):
        why = (
            "is on a file system that is read-only" if _is_read_only(folder) else "is not writable"
        )
        yield _failed("folder_unwritable", folder, why)
        return
    try:
        system = os.statvfs(folder)
    except OSError:
        return  # not every file system can tell
    has_room = system.f_bavail * system.f_frsize >= LEAST_ROOM
    if not has_room or (system.f_files and not system.f_favail):
        yield warning(
            STEP,
            "disk_full",
            f"there is no room left for the folder {folder}: the ledger and logs suffer",
            "make room on that file system",
        )


def _is_read_only(folder: Path) -> bool:
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _failed(
    code: str,
    folder: Path,
    words: str,
    hint: str = "make it writable, or set AGENTKEYS_STATE_DIR to a folder of yours",
) -> Finding:
    return failed(STEP, code, f"the folder {folder} {words}", hint, folder=str(folder))
