"""Runs a program that the configuration names, for the one line that it prints."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from contextlib import suppress

from agentkeys.errors import SourceFailed
from agentkeys.quoting import quotable

__all__ = ["run_argv"]

MOST_BYTES = 65_536
TERM_SECONDS = 0.5
"""How long a program has to end by itself once it is told to."""

LATE_SECONDS = 0.2
"""How long to wait, once a program has ended, for others that hold on to its output."""

LOST_SECONDS = 2.0
"""How long even a killed program may take to go: one that a dead disk holds up never does."""


async def run_argv(argv: Sequence[str], *, timeout: float, what: str) -> str:  # noqa: ASYNC109
    """The one line that the program prints, without its end; most often a secret.

    No shell, no input, `/` for its folder, a session of its own. Its error output is thrown away,
    since it may repeat secrets. After `timeout` seconds, or when the caller is cancelled, it is
    ended with all that it has started. `what` names it in the SourceFailed that is raised when it
    cannot be started, does not end in time, fails, or prints anything but one line of ASCII.
    """
    named = f"{what} {quotable(argv[0])}".rstrip()
    transport, program = await _start(argv, named)
    try:
        async with asyncio.timeout(timeout):
            await program.finish()
    except TimeoutError:
        raise SourceFailed(
            f"{named} did not end within {timeout:g} s",
            hint="run it yourself to see what it waits for; it gets no input and no terminal",
        ) from None
    finally:
        await _end(transport, program)
    if program.is_endless:
        raise _bad_output(named, f"printed more than {MOST_BYTES // 1024} KiB")
    _check_status(transport.get_returncode(), named)
    return _only_line(bytes(program.output), named)


class _Program(asyncio.SubprocessProtocol):
    """What is known of a running program; asyncio calls it as things happen."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.output = bytearray()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._overfull: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()

    @property
    def is_endless(self) -> bool:
        """Whether it has printed more than anybody wants."""
        return self._overfull.done()

    async def finish(self) -> None:
        """Returns when it has ended and all that it printed is here, or far too much is."""
        await asyncio.wait({self._ended, self._overfull}, return_when=asyncio.FIRST_COMPLETED)
        if not self.is_endless:
            # What it left behind may hold its output open for ever, and is not waited for.
            await asyncio.wait({self._closed}, timeout=LATE_SECONDS)

    async def end(self, *, within: float) -> None:
        """Returns when it has ended, or after so many seconds."""
        await asyncio.wait({self._ended}, timeout=within)

    async def go(self) -> None:
        """Returns when nothing of it is left, pipes included, as long as that takes no time."""
        await asyncio.wait({self._gone}, timeout=LOST_SECONDS)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.output += data[: MOST_BYTES + 1 - len(self.output)]
        if len(self.output) > MOST_BYTES:
            _settle(self._overfull)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        _settle(self._closed)

    def process_exited(self) -> None:
        _settle(self._ended)

    def connection_lost(self, exc: Exception | None) -> None:
        _settle(self._gone)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _start(argv: Sequence[str], named: str) -> tuple[asyncio.SubprocessTransport, _Program]:
    if "/" in argv[0] and not argv[0].startswith("/"):
        raise SourceFailed(f"{named} is a relative path", hint="write its whole path")
    try:
        return await asyncio.get_running_loop().subprocess_exec(
            _Program, *argv, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        raise SourceFailed(
            f"{named} was not found",
            hint="write its whole path; of a script, the program in its first line is needed too",
        ) from None
    except PermissionError:
        raise SourceFailed(
            f"{named} may not be run", hint="make it an executable file: chmod +x"
        ) from None
    except (OSError, ValueError) as problem:
        because = getattr(problem, "strerror", None) or "its arguments cannot be passed on"
        raise SourceFailed(
            f"{named} cannot be started: {because}", hint="run it yourself to see"
        ) from None


async def _end(transport: asyncio.SubprocessTransport, program: _Program) -> None:
    """Leaves nothing behind: no process that is still at it, no zombie and no pipe."""
    group = transport.get_pid()
    try:
        if transport.get_returncode() is None:
            _signal(group, signal.SIGTERM)
            await program.end(within=TERM_SECONDS)
            # The group keeps its number while anything of it lives.
            _signal(group, signal.SIGKILL)
            await program.end(within=LOST_SECONDS)
    finally:
        if transport.get_returncode() is None:
            _signal(group, signal.SIGKILL)
        transport.close()
        await program.go()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _check_status(status: int | None, named: str) -> None:
    if status == 0:
        return
    # asyncio gives the number of a signal as a negative status.
    how = (
        f"was ended by signal {-status}"
        if status is not None and status < 0
        else f"failed with exit status {status}"
    )
    raise SourceFailed(
        f"{named} {how}",
        hint="its output is not shown, since it may hold secrets; run it yourself to see",
    )


def _only_line(output: bytes, named: str) -> str:
    if not output.strip():
        raise _bad_output(named, "printed nothing")
    line = output.removesuffix(b"\n")
    if b"\n" in line:
        raise _bad_output(named, "printed more than one line")
    if not (line.isascii() and line.decode("latin-1").isprintable()):
        raise _bad_output(named, "printed something else than a line of plain text")
    return line.decode("ascii")


def _bad_output(named: str, problem: str) -> SourceFailed:
    return SourceFailed(
        f"{named} {problem}",
        hint="it has to print the token or secret alone, on one line, and anything else to stderr",
    )
