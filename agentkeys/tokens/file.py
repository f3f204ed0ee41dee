"""Web identity tokens from a file that something else keeps fresh, such as Kubernetes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agentkeys.clock import Clock, Sleep
from agentkeys.errors import SourceAbsent, SourceFailed, TokenInvalid, WrongIdentity
from agentkeys.flights import Flights
from agentkeys.models import WebIdentityToken
from agentkeys.quoting import quotable
from agentkeys.secret_files import Stamp, read_secret_file, stamp_of
from agentkeys.tokens.found import check_alive, owner_of, parse_found_token

__all__ = ["FileTokenSource", "no_token_file"]

WHAT = "token file"
MOST_BYTES = 32_768
"""More than the longest token that any store takes."""

PAUSES = (0.1, 0.2, 0.3, 0.4)
"""Seconds between attempts: a writer that does not rename leaves half a token for a moment."""

SETTLED = timedelta(seconds=2)
"""File systems count time in ticks, of up to this long. What was written in the tick in which it
was read may be written again with nothing to show for it."""


class FileTokenSource:
    """Gives the token that is in the file now, of whomever that names."""

    def __init__(
        self, *, path: Callable[[], Path], clock: Clock, sleep: Sleep = asyncio.sleep
    ) -> None:
        """`path` tells from memory where the file is, or raises SourceAbsent."""
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._seen: _Seen | None = None
        self._reads: Flights[Path, WebIdentityToken] = Flights()

    async def subject(self) -> str:
        """Costs one stat while the file stays as it is."""
        path = self._path()
        if self._seen and self._seen.is_still_at(path):
            return self._seen.owner
        return owner_of(await asyncio.shield(self._reads.join(path, lambda: self._read(path))))

    def held_subject(self) -> str | None:
        try:
            path = self._path()
        except SourceAbsent:
            return None
        return self._seen.owner if self._seen and self._seen.path == path else None

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        path = self._path()
        token = await self._read(path)
        if owner_of(token) != subject:
            raise WrongIdentity(
                f"{_where(path)} names somebody else by now: {quotable(token.subject)}",
                hint="try again",
            )
        check_alive(
            token,
            now=self._clock.now(),
            where=_where(path),
            hint="see why its writer has stopped renewing it, and whether this clock is right",
        )
        return token

    async def _read(self, path: Path) -> WebIdentityToken:
        """The token in the file, which somebody may be writing just now."""
        for pause in PAUSES:
            try:
                return await asyncio.to_thread(self._read_once, path)
            except (SourceFailed, TokenInvalid):
                if not self._may_come(path):
                    raise
            await self._sleep(pause)
        return await asyncio.to_thread(self._read_once, path)

    def _read_once(self, path: Path) -> WebIdentityToken:
        content, stamp = read_secret_file(path, what=WHAT, most=MOST_BYTES)
        token = parse_found_token(content.decode("latin-1"), where=_where(path))
        age = self._clock.now() - stamp.changed_at
        self._seen = _Seen(path, stamp, owner_of(token), is_settled=age > SETTLED)
        return token

    def _may_come(self, path: Path) -> bool:
        """Whether somebody may be writing there; where nothing ever was, it is missing."""
        # By os.path: of a name that is too long Path.exists() does not say no, but fails.
        return os.path.exists(path) or (self._seen is not None and self._seen.path == path)  # noqa: PTH110


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was in the file when it was last read."""

    path: Path
    stamp: Stamp
    owner: str
    is_settled: bool
    """Whether the file cannot change without its stamp's telling."""

    def is_still_at(self, path: Path) -> bool:
        """Whether that is in the file at `path`, without reading it."""
        if not self.is_settled or path != self.path:
            return False
        try:
            return stamp_of(path, what=WHAT) == self.stamp
        except SourceFailed:
            return False


def _where(path: Path) -> str:
    return f"the {WHAT} {quotable(str(path))}"


def no_token_file(name: str) -> SourceAbsent:
    """The error to raise where nobody says where the tokens of the identity `name` are."""
    return SourceAbsent(
        f"no token file is known for {name}: AWS_WEB_IDENTITY_TOKEN_FILE is not set",
        hint="set it where the program is started, or the identity's path",
    )
