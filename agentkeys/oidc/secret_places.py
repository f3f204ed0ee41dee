"""Where a client's secret lies: a variable, a file or a command, never the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from agentkeys.argv import run_argv
from agentkeys.errors import SourceFailed
from agentkeys.secret import Secret
from agentkeys.secret_files import read_secret_file

__all__ = ["SecretPlace", "read_secret", "read_text"]

COMMAND_SECONDS = 10.0
MOST_BYTES = 65_536
WHAT = "the client secret"


class SecretPlace(Protocol):
    """One of the three is given."""

    @property
    def variable(self) -> str | None: ...

    @property
    def file(self) -> Path | None: ...

    @property
    def argv(self) -> tuple[str, ...] | None: ...


async def read_secret(place: SecretPlace, *, environ: Mapping[str, str]) -> Secret:
    """The secret as it is there now: one line, not empty. Raises SourceFailed."""
    if place.argv is not None:
        text = await run_argv(place.argv, timeout=COMMAND_SECONDS, what=f"{WHAT}'s command")
        where = "what its command printed"
    elif place.file is not None:
        text = await read_text(place.file, what="client secret")
        where = str(place.file)
    else:
        text = _from_environment(place.variable or "", environ)
        where = str(place.variable)
    line = text.removesuffix("\n").removesuffix("\r")
    if not line or not line.isprintable():
        raise SourceFailed(
            f"{WHAT} in {where} is empty, or more than one line", hint="write it on one line"
        )
    return Secret(line)


async def read_text(path: Path, *, what: str) -> str:
    """The text of a file that is ours or root's and closed to others. Raises SourceFailed."""
    # In a thread: it blocks for as long as the disk does.
    content, _ = await asyncio.to_thread(read_secret_file, path, what=what, most=MOST_BYTES)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SourceFailed(f"the {what} {path} is not text", hint="check the path") from None


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise SourceFailed(
            f"{WHAT}'s variable {name} is not set",
            hint=f"set {name}, then run: agentkeys daemon restart",
        )
    return environ[name]
