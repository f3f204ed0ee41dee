"""The sandbox's store: one SeaweedFS process with a real STS and a real S3, on loopback.

Its filer, master and volume ports ask nobody who they are, and its data is thrown away: a store
for trying and testing.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from agentkeys.errors import SandboxError
from agentkeys.private_files import replace_file
from agentkeys_shell.sandbox.iam import BUCKET
from agentkeys_shell.sandbox.ports import choose_ports
from agentkeys_shell.sandbox.probe import http_status
from agentkeys_shell.sandbox.processes import Server, end_servers, start_server, wait_until

__all__ = ["Store", "StorePorts", "find_weed", "start_store", "weed_arguments"]

_READY_SECONDS = 60.0
_TRIES = 4
_ASK_STS = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
_PORT_TAKEN = ("port allocation failed", "address already in use", "not available on")


@dataclass(frozen=True, slots=True)
class StorePorts:
    """Where the parts of a store listen; each also listens 10000 higher, for gRPC."""

    s3: int
    master: int
    volume: int
    filer: int
    admin: int


@dataclass(frozen=True, slots=True)
class Store:
    """A store that runs, and where its log is."""

    server: Server
    ports: StorePorts
    log: Path

    @property
    def url(self) -> str:
        """Of its STS and its S3 alike."""
        return f"http://127.0.0.1:{self.ports.s3}"


def find_weed() -> Path:
    """SeaweedFS's program: beside our interpreter, else on PATH; SandboxError if not there."""
    beside = Path(sys.executable).parent / "weed"
    if os.access(beside, os.X_OK):
        return beside
    if found := shutil.which("weed"):
        return Path(found)
    raise SandboxError(
        "the sandbox needs SeaweedFS, and its program weed is not installed",
        hint="run: pip install 'agentkeys[sandbox]'",
    )


def start_store(folder: Path, *, weed: Path, iam: Mapping[str, Any]) -> Store:
    """Starts a store in `folder` that is told `iam` about identities, and waits until it is ready.

    Ready: the STS answers and the bucket exists. Raises SandboxError, naming the log file, when it
    ends or takes more than 60 seconds; other ports are tried when somebody was quicker to take one.
    """
    replace_file(folder / "iam.json", json.dumps(iam, indent=2))
    for _ in range(_TRIES):
        store = _launch(folder, weed)
        if _becomes_ready(store):
            return store
        if not _lost_a_port(store):
            break
        end_servers([folder])
    raise SandboxError("the sandbox's store did not start", hint=f"read {store.log}")


def weed_arguments(data: Path, ports: StorePorts) -> list[str]:
    """What `weed` is started with, from the folder that holds `iam.json`.

    Everything listens on loopback alone, nothing is reported to anybody, and what we do not need
    (WebDAV, the admin pages, table catalogues) stays off.
    """
    return [
        "mini",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        # Relative, because their default is below /tmp and a Unix socket's path must be short.
        "-s3.localSocket=s3.sock",
        "-filer.localSocket=filer.sock",
        "-s3.iam.config=iam.json",
        f"-bucket={BUCKET}",
        f"-s3.port={ports.s3}",
        f"-master.port={ports.master}",
        f"-volume.port={ports.volume}",
        f"-filer.port={ports.filer}",
        f"-admin.port={ports.admin}",
    ]


def _launch(folder: Path, weed: Path) -> Store:
    ports = StorePorts(*choose_ports(5))
    data, log = folder / "data", folder / "weed.log"
    data.mkdir(mode=0o700, exist_ok=True)
    # It reads *.toml from HOME and the working directory, writes its longer logs to TMPDIR, and
    # would make a user of any AWS key in its environment.
    environment = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder)}
    argv = [str(weed), *weed_arguments(data, ports)]
    return Store(start_server(argv, folder=folder, log=log, environment=environment), ports, log)


def _becomes_ready(store: Store) -> bool:
    wait_until(lambda: _has_ended(store) or _is_ready(store), seconds=_READY_SECONDS)
    return _is_ready(store)


def _has_ended(store: Store) -> bool:
    return not store.server.is_alive()


def _is_ready(store: Store) -> bool:
    # The bucket is made last. Its existence is asked of the filer, since S3 has no user who may.
    # That the process still runs is asked after, lest a stranger on its ports answered for it.
    return (
        http_status(store.ports.s3, "POST", "/", _ASK_STS) == HTTPStatus.BAD_REQUEST
        and http_status(store.ports.filer, "GET", f"/buckets/{BUCKET}/") == HTTPStatus.OK
        and store.server.is_alive()
    )


def _lost_a_port(store: Store) -> bool:
    said = store.log.read_text(encoding="utf-8", errors="replace").lower()
    return _has_ended(store) and any(words in said for words in _PORT_TAKEN)
