"""What a client of one's own user sends to the daemon's socket: every route, with a real App."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from agentkeys.audit import AuditRecord
from agentkeys.clock import SystemClock
from agentkeys.config import ConfigSource
from agentkeys.hardening import Hardening
from agentkeys.paths import Paths
from agentkeys.transport import Transport
from agentkeys.vault import OpenedVault
from agentkeys.vault.memory import MemoryVault
from agentkeys_daemon.app import App
from agentkeys_daemon.handlers import Handlers
from agentkeys_daemon.server import DaemonServer
from agentkeys_daemon.status import StatusView
from agentkeys_daemon.watches import process_watch
from tests.fakes.ledger import MemoryLedger
from tests.fuzz.edges.conversation import Conversation, answers_in
from tests.fuzz.edges.edge import Edge, hold

__all__ = ["SOCKET_HTTP"]

_SEPARATOR = b"\xff\xfe"
"""Between two parts that arrive one after the other."""
_CONFIGURED = """
default_profile = "data"
[identities.pod]
source = "file"
path = "/nowhere/token"
[identities.any]
source = "file"
[profiles.data]
identity = "pod"
role_arn = "arn:aws:iam::000000000001:role/data"
[profiles.glass]
identity = "any"
role_arn = "arn:aws:iam::000000000001:role/glass"
break_glass = true
"""
_GETS = (
    "/v1/health",
    "/v1/status",
    "/v1/profiles",
    "/v1/runs",
    "/v1/ledger",
    "/v1/profiles/data/credentials",
    "/v1/profiles/@default/environment",
    "/v1/profiles/glass/status",
    "/v1/profiles/data/prompt",
    "/v1/identities/pod",
    "/v1/identities/@profile:data/status",
)
_POSTS = {
    "/v1/profiles/data/runs": b'{"program":"x","refresh":true,"allow":["s3://bucket/a/:ro"]}',
    "/v1/profiles/@default/runs": b'{"program":"x","legacy_mint":["URL","TOKEN"],"read_only":true}',
    "/v1/profiles/glass/runs": b'{"program":"x","break_glass":true,"reason":"fire"}',
    "/v1/profiles/data/refresh": b'{"min_ttl_seconds":600}',
    "/v1/profiles/data/diagnosis": b"{}",
    "/v1/shutdown": b'{"force":true}',
}


class _NoLedger(MemoryLedger):
    """Takes every record, and keeps none."""

    def append(self, record: AuditRecord, *, keep: bool = True) -> None:
        pass


@cache
def _conversation() -> Conversation:
    folder = Path(tempfile.mkdtemp(prefix="agentkeys-fuzz-"))
    (folder / "config.toml").write_text(_CONFIGURED, encoding="utf-8")
    environ = {
        "AGENTKEYS_CONFIG": str(folder / "config.toml"),
        "AGENTKEYS_STATE_DIR": str(folder / "state"),
        "AGENTKEYS_SOCKET": str(folder / "daemon.sock"),
    }

    def make(until: asyncio.Event) -> DaemonServer:
        return DaemonServer(_handlers(environ), until=until)

    return Conversation(make)


_NOT_HARDENED = Hardening(
    core_dumps_off=False, ptrace_off=False, memory_locked=False, no_new_privileges=False
)


def _handlers(environ: Mapping[str, str]) -> Handlers:
    paths, clock = Paths.from_environment(environ), SystemClock()
    app = App(
        configuration=ConfigSource(environ=environ, paths=paths),
        opened=OpenedVault(MemoryVault(), lambda: "in memory"),
        transport=Transport(clock=clock),
        ledger=_NoLedger(),
        clock=clock,
        paths=paths,
        watch=process_watch(),
        environ=environ,
    )
    view = StatusView(
        app=app, started_at=clock.now(), socket=str(paths.socket), hardening=_NOT_HARDENED
    )
    return Handlers(
        app=app,
        view=view,
        # The settings of a client that has none.
        environ={},
        stop=lambda: None,
        restart=lambda environ: None,
    )


def _seeds() -> Sequence[bytes]:
    gets = [f"GET {path} HTTP/1.1\r\nhost: agentkeys\r\n\r\n".encode() for path in _GETS]
    posts = [_post(path, body) for path, body in _POSTS.items()]
    handed = (
        b"GET /v1/profiles/glass/credentials HTTP/1.1\r\nhost: a\r\n"
        b"agentkeys-token-file: %2Fnowhere%2Ftoken\r\nagentkeys-github: https%3A%2F%2Fx y\r\n\r\n"
    )
    deletes = [
        b"DELETE /v1/leases HTTP/1.1\r\nhost: a\r\n\r\n",
        b"DELETE /v1/runs/abcdefghij234567 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"DELETE /v1/identities/pod/session HTTP/1.1\r\nhost: a\r\n\r\n",
    ]
    put = b'{"kind":"broker","url":"https://x","jwt":"a.b.c"}'
    puts = [_post("/v1/identities/pod/session", put).replace(b"POST", b"PUT", 1)]
    return [*gets, *posts, handed, *deletes, *puts, gets[0] + gets[1], gets[0][:20] + _SEPARATOR]


def _post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + _SEPARATOR + body


def _check(data: bytes) -> None:
    if b"restart" in data:
        return  # it makes the folders that it is told, which is what it is for
    said = _conversation().say(data.split(_SEPARATOR)[:20])
    if b"HEAD" in data:
        return  # its answers have the length of a body, and no body
    for answer in answers_in(said):
        hold(answer.status != 500, f"unforeseen: {answer.body[:200]!r}")
        if answer.status >= 400:
            answer.error()


SOCKET_HTTP = Edge("socket", "requests at the daemon's socket", _seeds, _check)
