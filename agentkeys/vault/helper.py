"""The process that talks to the OS keyring, so that the daemon never waits for one.

It reads one request a line from its standard input and answers each with a line. It ends when
the input does, that is, when the daemon has gone; a call that blocks is ended by the daemon or,
should that be gone as well, by an alarm.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO

from keyring.backend import KeyringBackend
from keyring.errors import KeyringError, KeyringLocked, PasswordDeleteError

from agentkeys.vault.backends import NoCollection, find_backend

__all__ = ["Desk", "main"]

Found = tuple[str, KeyringBackend]

_SERVICE = "agentkeys-daemon"
_LAST_RESORT = 30  # seconds


def main() -> None:
    answers = _claim_stdout()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _write(answers, {"ready": True})
    desk = Desk()
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


class Desk:
    """Answers requests, and finds the keyring at the first of them that meets one."""

    def __init__(self, *, find: Callable[[str | None], Found | None] = find_backend) -> None:
        self._find = find
        self._found: Found | None = None

    def answer(self, request: dict[str, str]) -> dict[str, object]:
        try:
            return {"id": request["id"], **self._serve(request)}
        except Exception as error:  # noqa: BLE001 - backends let any error of any library through
            return {"id": request["id"], **_refusal(error)}

    def _serve(self, request: dict[str, str]) -> dict[str, object]:
        self._found = self._found or self._find(request.get("kind"))
        if self._found is None:
            return {"refused": "missing", "because": "no backend works here"}
        kind, backend = self._found
        return {"kind": kind, "blob": _VERBS[request["do"]](backend, request)}


def _load(backend: KeyringBackend, request: dict[str, str]) -> str | None:
    try:
        return backend.get_password(_SERVICE, request["account"])
    except NoCollection:
        return None


def _save(backend: KeyringBackend, request: dict[str, str]) -> None:
    backend.set_password(_SERVICE, request["account"], request["blob"])


def _delete(backend: KeyringBackend, request: dict[str, str]) -> None:
    try:
        backend.delete_password(_SERVICE, request["account"])
    except NoCollection:
        return
    except PasswordDeleteError:
        # Backends say "could not" and "was not there" in the same words.
        if backend.get_password(_SERVICE, request["account"]) is not None:
            raise


_VERBS: dict[str, Callable[[KeyringBackend, dict[str, str]], str | None]] = {
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
