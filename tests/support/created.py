"""Every file, folder and socket that our programs make: how they ask for it, not how it ends up."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.support.installation import Installation

__all__ = ["Created", "note_what_is_created"]

# Python tells of each before it is there. The mode that os.open is given is not in what it tells.
_HOOK = """
import json, os, posix, sys, threading
log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
here = threading.local()
open_ = os.open
def noting(path, flags, mode=0o777, *, dir_fd=None):
    here.mode = mode
    try:
        return open_(path, flags, mode, dir_fd=dir_fd)
    finally:
        here.mode = None
os.open = posix.open = noting
def umask():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1], 8) for line in status if line.startswith("Umask:"))
def note(kind, path, mode, flags=0):
    here.busy = True
    try:
        path = os.path.abspath(os.fsdecode(path))
        entry = dict(kind=kind, path=path, mode=mode & ~umask(), flags=flags, argv=sys.argv[:2])
        os.write(log, json.dumps(entry).encode() + b"\\n")
    finally:
        here.busy = False
def hook(event, args):
    if getattr(here, "busy", False):
        return
    if event == "open" and args[2] & os.O_CREAT and not isinstance(args[0], int):
        mode = getattr(here, "mode", None)
        note("file", args[0], 0o666 if mode is None else mode, args[2])
    elif event == "os.mkdir" and not os.path.lexists(args[0]):
        note("folder", args[0], args[1])
    elif event == "socket.bind" and isinstance(args[1], str):
        note("socket", args[1], os.fstat(args[0].fileno()).st_mode & 0o777)
sys.addaudithook(hook)
"""


@dataclass(frozen=True, slots=True)
class Created:
    """One of them, or one that was there already and would have been made."""

    kind: str
    """file, folder or socket."""
    path: Path
    mode: int
    """What it has from birth: as asked for, less the umask of that moment."""
    flags: int
    """Those of open(2)."""

    @property
    def is_private(self) -> bool:
        return not self.mode & 0o077

    @property
    def follows_links(self) -> bool:
        """Whether somebody's link in its place would be written through."""
        return self.kind == "file" and not self.flags & (os.O_EXCL | os.O_NOFOLLOW)


class Creations:
    """What has been noted so far."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def below(self, folder: Path) -> list[Created]:
        entries = map(json.loads, self._log.read_text(encoding="utf-8").splitlines())
        found = [Created(e["kind"], Path(e["path"]), e["mode"], e["flags"]) for e in entries]
        return [each for each in found if each.path.is_relative_to(folder)]


def note_what_is_created(installation: Installation, log: Path) -> Creations:
    """Has every program of `installation` note it in `log`, the daemon and its helper too."""
    hook = installation.packages / "sitecustomize.py"
    hook.write_text(_HOOK.format(log=str(log)), encoding="utf-8")
    for program in installation.programs:
        # Our programs leave it out, for speed.
        text = program.read_text(encoding="utf-8")
        assert text.count(" -I -S ") == 1
        program.write_text(text.replace(" -I -S ", " -I "), encoding="utf-8")
    return Creations(log)
