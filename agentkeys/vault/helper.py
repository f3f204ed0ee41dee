"""The process that talks to the OS keyring, so that the daemon never waits for one.

It reads one request a line from its standard input and answers each with a line; before that
comes a sign of life for each step that the keyring has done. It ends when the input does, that
is, when the daemon has gone, and finishes what it is at. A call that blocks is ended by the daemon
or, should that be gone as well, by an alarm.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from keyring.errors import KeyringError, KeyringLocked

from agentkeys.hardening import harden
from agentkeys.vault.backends import Found, NoCollection, find_backend
from agentkeys.vault.chunks import ChunkedEntries
from agentkeys.vault.entries import KeyringEntries

__all__ = ["Desk", "main"]

Find = Callable[[str | None], Found | None]

_LAST_RESORT = 30  # seconds


def main(*, find: Find = find_backend) -> None:
    harden()
    answers = _claim_stdout()
    _write(answers, {"ready": True})
    desk = Desk(find=find, working=lambda: _give_sign_of_life(answers))
    for line in sys.stdin.buffer:
        # The default action of SIGALRM ends the process, whatever foreign code it is stuck in.
        signal.alarm(_LAST_RESORT)
        _write(answers, desk.answer(json.loads(line)))
        signal.alarm(0)


def _claim_stdout() -> BinaryIO:
    """The pipe to the daemon, and nobody else's: what a library prints goes to stderr."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "wb")


def _write(answers: BinaryIO, answer: dict[str, object]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _give_sign_of_life(answers: BinaryIO) -> None:
    # A daemon that was killed meanwhile still wants this saved.
    with suppress(BrokenPipeError):
        _write(answers, {"working": True})


class Desk:
    """Answers requests, and finds the keyring at the first of them that meets one."""

    def __init__(self, *, find: Find, working: Callable[[], None] = lambda: None) -> None:
        """`working` is called after each step that the keyring has done."""
        self._find = find
        self._working = working
        self._kind: str | None = None
        self._entries: ChunkedEntries | None = None

    def answer(self, request: dict[str, str]) -> dict[str, object]:
        try:
            outcome = self._serve(request)
        except Exception as error:  # noqa: BLE001 - backends let any error of any library through
            outcome = _refusal(error)
        return {"id": request["id"], "kind": self._kind, **outcome}

    def _serve(self, request: dict[str, str]) -> dict[str, object]:
        entries = self._entries or self._open(self._find(request.get("kind")))
        if entries is None:
            return {"refused": "missing", "because": "no backend works here"}
        return {"blob": _VERBS[request["do"]](entries, request)}

    def _open(self, found: Found | None) -> ChunkedEntries | None:
        if found is not None:
            self._kind = found.kind
            entries = KeyringEntries(found.keyring, working=self._working)
            self._entries = ChunkedEntries(entries, largest=found.largest)
        return self._entries


def _load(entries: ChunkedEntries, request: dict[str, str]) -> str | None:
    return entries.load(request["account"])


def _save(entries: ChunkedEntries, request: dict[str, str]) -> None:
    entries.save(request["account"], request["blob"])


def _delete(entries: ChunkedEntries, request: dict[str, str]) -> None:
    entries.delete(request["account"])


_VERBS: dict[str, Callable[[ChunkedEntries, dict[str, str]], str | None]] = {
    "load": _load,
    "save": _save,
    "delete": _delete,
}


def _refusal(error: Exception) -> dict[str, object]:
    if isinstance(error, KeyringLocked):
        return {"refused": "locked", "because": ""}
    if isinstance(error, NoCollection):
        return {"refused": "homeless", "because": ""}
    # Only these are sure not to quote what was to be saved.
    text = str(error)[:200] if isinstance(error, KeyringError | OSError) else ""
    return {"refused": "failed", "because": f"{type(error).__name__} {text}".strip()}


if __name__ == "__main__":
    main()
