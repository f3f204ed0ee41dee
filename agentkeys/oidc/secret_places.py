"""Where a client's secret lies: a variable, a file or a command, never the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from agentkeys.argv import run_argv
from agentkeys.errors import SourceFailed
from agentkeys.oidc.private_reading import read_private_text
from agentkeys.secret import Secret

__all__ = ["SecretPlace", "read_secret"]

COMMAND_SECONDS = 10.0
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
        text = await asyncio.to_thread(read_private_text, place.file, what=WHAT)
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


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise SourceFailed(
            f"{WHAT}'s variable {name} is not set",
            hint=f"set {name}, then run: agentkeys daemon restart",
        )
    return environ[name]
