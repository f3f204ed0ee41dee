"""Starts the development broker as a process of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from agentkeys.errors import SandboxError
from agentkeys.interpreter import own_module
from agentkeys_shell.sandbox.probe import http_status
from agentkeys_shell.sandbox.processes import Server, start_server, wait_until

__all__ = ["DevBroker", "start_broker", "wait_for_broker"]

_READY_SECONDS = 60.0
_LISTENING = "listening on "


@dataclass(frozen=True, slots=True)
class DevBroker:
    """A broker that listens, if it does not answer yet; `url` is its issuer too."""

    server: Server
    url: str
    log: Path


def start_broker(folder: Path) -> DevBroker:
    """Starts a broker in `folder` on a free port, and comes back once it listens.

    Its e-mailed links are followed by themselves. Raises SandboxError, naming the log, when it ends
    instead.
    """
    log = folder / "broker.log"
    argv = own_module("agentkeys_shell.sandbox.broker")
    argv += ["--port", "0", "--folder", str(folder), "--follow-links", "--preload"]
    # Made-up users log in by themselves, after every restart of a daemon that keeps nothing.
    argv += ["--links-per-hour", "1000000"]
    environment = {"PATH": os.defpath, "HOME": str(folder)}
    server = start_server(argv, folder=folder, log=log, environment=environment)
    wait_until(lambda: bool(_issuer(log)) or not server.is_alive(), seconds=_READY_SECONDS)
    if url := _issuer(log):
        return DevBroker(server, url, log)
    raise _did_not_start(log)


def wait_for_broker(broker: DevBroker) -> None:
    """Comes back once it answers; SandboxError, naming the log, if it does not in 60 seconds."""
    port = urlsplit(broker.url).port or 0

    def answers() -> bool:
        return http_status(port, "GET", "/healthz") == HTTPStatus.OK

    wait_until(lambda: answers() or not broker.server.is_alive(), seconds=_READY_SECONDS)
    if not broker.server.is_alive():
        raise _did_not_start(broker.log)


def _issuer(log: Path) -> str:
    first, newline, _ = log.read_text(encoding="utf-8", errors="replace").partition("\n")
    return first.removeprefix(_LISTENING) if newline and first.startswith(_LISTENING) else ""


def _did_not_start(log: Path) -> SandboxError:
    return SandboxError("the sandbox's broker did not start", hint=f"read {log}")
