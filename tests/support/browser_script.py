"""A browser for $BROWSER that shows nothing: what it is asked to open goes to the test."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.programs import read_line

__all__ = ["HandedAddresses", "browser_script"]


@dataclass(frozen=True)
class HandedAddresses:
    """Where the addresses come out."""

    script: Path
    _pipe: IO[str]

    @property
    def environment(self) -> Mapping[str, str]:
        """With this a program opens its pages here: Python's `webbrowser`, xdg-open and others."""
        return {"BROWSER": str(self.script)}

    def next_address(self) -> str:
        """The next one that a program opens; waits for it, and fails if none comes."""
        return read_line(self._pipe)


@contextmanager
def browser_script(folder: Path) -> Iterator[HandedAddresses]:
    """A script in `folder`, whose path may hold no colon and no percent sign."""
    pipe, script = folder / "opened", folder / "browser"
    os.mkfifo(pipe, mode=0o600)
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >{shlex.quote(str(pipe))}\n')
    script.chmod(0o700)
    # Open for both, so that neither a script nor a reader ever waits for the other to open it.
    with os.fdopen(os.open(pipe, os.O_RDWR), encoding="utf-8") as opened:
        yield HandedAddresses(script, opened)
