"""One running helper and the pipe to it: a JSON object a line, each answered before the next."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Self

from agentkeys.secret import Secret

__all__ = ["Done", "HelperBroken", "HelperGone", "HelperProcess", "Refused"]

# A blob of 100 kB with every character escaped.
_LONGEST_LINE = 1 << 20


class HelperBroken(Exception):
    """The helper died or talks nonsense; nothing that it says from here on can be trusted."""


class HelperGone(HelperBroken):
    """The helper died without an answer."""


@dataclass(frozen=True, slots=True)
class Done:
    """The keyring did as it was asked; `blob` is what a load found."""

    kind: str
    blob: Secret | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The keyring did not; `reason` is missing, locked, homeless or failed.

    `kind` is None where no keyring was found, or none that could be looked at.
    """

    reason: str
    because: str
    kind: str | None


class HelperProcess:
    """Speaks with one helper, which raises TimeoutError once it gives no sign of life for `limit`.

    Not for concurrent use. Whoever cancels a call, or sees TimeoutError or HelperBroken, must
    `end` the helper.
    """

    def __init__(
        self,
        process: Process,
        to: asyncio.StreamWriter,
        out: asyncio.StreamReader,
        limit: timedelta,
    ) -> None:
        self._process = process
        self._to = to
        self._out = out
        self._limit = limit.total_seconds()
        self._ids = count(1)

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str], limit: timedelta
    ) -> Self:
        """Starts a helper in a session of its own, so that no ^C reaches it; HelperBroken."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=dict(environment),
                limit=_LONGEST_LINE,
                start_new_session=True,
            )
        except OSError as error:
            raise HelperBroken(f"cannot start {command[0]}: {error.strerror}") from error
        assert process.stdin is not None  # noqa: S101 - these two tell mypy what PIPE means
        assert process.stdout is not None  # noqa: S101
        return cls(process, process.stdin, process.stdout, limit)

    async def wait_until_ready(self) -> None:
        """Returns once the helper has loaded what it needs, before it touches any keyring."""
        if await self._read() != {"ready": True}:
            raise HelperBroken("it did not say that it is ready")

    async def ask(
        self, verb: str, account: str, blob: Secret | None, *, kind: str | None
    ) -> Done | Refused:
        """Has the helper load, save or delete, in a keyring of that kind; raises HelperBroken."""
        request = {"id": str(next(self._ids)), "do": verb, "account": account}
        if kind is not None:
            request["kind"] = kind
        if blob is not None:
            request["blob"] = blob.reveal()
        await self._write(request)
        while (answer := await self._read()) == {"working": True}:
            pass
        if answer.get("id") != request["id"]:
            raise HelperBroken("it answered something that was not asked")
        return _parse(answer)

    async def _write(self, request: dict[str, str]) -> None:
        try:
            self._to.write(json.dumps(request).encode() + b"\n")
            async with asyncio.timeout(self._limit):
                await self._to.drain()
        except TimeoutError:
            raise  # it is an OSError too
        except OSError as error:
            raise HelperGone("it has ended") from error

    async def _read(self) -> dict[str, object]:
        try:
            async with asyncio.timeout(self._limit):
                line = await self._out.readline()
        except ValueError as error:
            raise HelperBroken("its answer is endless") from error
        if not line.endswith(b"\n"):
            raise HelperGone("it ended without an answer")
        try:
            answer = json.loads(line)
        except ValueError:
            # The cause stays out: it carries the whole line, secrets included.
            raise HelperBroken("its answer is not JSON") from None
        if not isinstance(answer, dict):
            raise HelperBroken("its answer is not an object")
        return answer

    async def end(self) -> None:
        """Kills the helper and leaves nothing of it behind."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        if not self._to.transport.is_closing():
            self._to.transport.abort()  # what it has not read, it never will
        await self._process.communicate()


def _parse(answer: dict[str, object]) -> Done | Refused:
    match answer:
        case {"refused": str(reason), "because": str(because)}:
            kind = answer.get("kind")
            return Refused(reason, because, kind if isinstance(kind, str) else None)
        case {"kind": str(kind), "blob": str(blob)}:
            return Done(kind, Secret(blob))
        case {"kind": str(kind), "blob": None}:
            return Done(kind, None)
    raise HelperBroken("its answer is incomplete")
