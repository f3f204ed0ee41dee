"""Somebody at a terminal who breaks the glass, and what the ledger has of it then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentkeys.protocol import SETTINGS_HEADER, settings_token
from tests.support.programs import PATIENCE, AtTerminal, Finished, Home
from tests.support.raw_http import RawAnswer, parse_answer

__all__ = ["REASON", "ask_without_terminal", "at_glass", "breaking", "ledger_of"]

REASON = "the nightly job is stuck, INC-4711 – müssen wir ansehen"

# Sends its input to a socket and prints all that comes back.
_ASK = """\
import shutil, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.sendall(sys.stdin.buffer.read())
    shutil.copyfileobj(connection.makefile("rb"), sys.stdout.buffer)
"""


def breaking(home: Home, *words: str, reason: str = REASON) -> Finished:
    """What comes on the screen of `exec --break-glass`, run to its end; `words` follow."""
    with at_glass(home, *words, reason=reason) as terminal:
        return terminal.finish()


@contextmanager
def at_glass(home: Home, *words: str, reason: str = REASON) -> Iterator[AtTerminal]:
    """The same while it runs."""
    options = ("--profile", "data", "--break-glass", "--reason", reason)
    with home.at_terminal("agentkeys", "exec", *options, *words) as terminal:
        yield terminal


def ask_without_terminal(home: Home, asked: object, *, profile: str = "data") -> RawAnswer:
    """What a process in a session of its own, as under cron, is told when it begins a run."""
    body = json.dumps(asked).encode()
    lines = [
        f"POST /v1/profiles/{profile}/runs HTTP/1.1",
        "host: agentkeys",
        "connection: close",
        f"content-length: {len(body)}",
        f"{SETTINGS_HEADER}: {settings_token(home.environment, os.getcwd)}",
    ]
    sent = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    argv = [sys.executable, "-I", "-S", "-c", _ASK, str(home.socket)]
    done = subprocess.run(
        argv, input=sent, capture_output=True, timeout=PATIENCE, check=True, start_new_session=True
    )
    return parse_answer(done.stdout)


def ledger_of(home: Home, *events: str) -> list[dict[str, Any]]:
    """The ledger's lines, of some events or of all."""
    path: Path = home.state / "audit" / "ledger.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = [json.loads(line) for line in text.splitlines()]
    return [line for line in found if not events or line["event"] in events]
