"""Starting the store when things are in its way, and ending what does not want to end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agentkeys.errors import SandboxError
from agentkeys_shell.sandbox.iam import build_iam_document
from agentkeys_shell.sandbox.processes import end_servers, find_server, start_server, wait_until
from agentkeys_shell.sandbox.seaweedfs import find_weed, start_store

IAM = build_iam_document(issuer="http://127.0.0.1:9")
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    time.sleep(60)
"""


def script(folder: Path, text: str) -> Path:
    path = folder / "weed"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o700)
    return path


@pytest.fixture
def store_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    return folder


def test_a_lost_port_is_another_try(tmp_path: Path, store_folder: Path) -> None:
    """When somebody else takes a port between the choice and the start, others are drawn."""
    weed = script(
        tmp_path,
        f"""
        if mkdir {tmp_path}/tried; then
          echo "Port allocation failed: port 18333 for S3 is not available on 127.0.0.1"
          exit 1
        fi
        exec {find_weed()} "$@"
        """,
    )
    try:
        store = start_store(store_folder, weed=weed, iam=IAM)
        assert (tmp_path / "tried").is_dir()
        assert store.server.is_alive()
    finally:
        end_servers([store_folder])


def test_a_store_that_ends_names_its_log(tmp_path: Path, store_folder: Path) -> None:
    """Any other end is final, and the reason can be read where the hint says."""
    weed = script(tmp_path, "echo the disk is full; exit 1")
    with pytest.raises(SandboxError, match="did not start") as caught:
        start_store(store_folder, weed=weed, iam=IAM)
    log = Path(caught.value.hint.removeprefix("read "))
    assert log.read_text(encoding="utf-8") == "the disk is full\n"


def test_a_stubborn_server_is_killed(store_folder: Path) -> None:
    """One that does not listen to SIGTERM is gone all the same when `end_servers` returns."""
    log = store_folder / "log"
    argv = [sys.executable, "-I", "-c", STUBBORN]
    server = start_server(argv, folder=store_folder, log=log, environment={})
    assert wait_until(lambda: log.read_text(encoding="utf-8") == "ready\n", seconds=30)
    end_servers([store_folder], patience=0.5)
    assert not server.is_alive()
    assert find_server(store_folder) is None


def test_a_program_that_cannot_run_is_told(store_folder: Path) -> None:
    """With its name and the system's reason."""
    argv = [str(store_folder / "missing")]
    with pytest.raises(SandboxError, match="missing cannot be started: No such file"):
        start_server(argv, folder=store_folder, log=store_folder / "log", environment={})
