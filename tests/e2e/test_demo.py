"""The whole job in one go, as a newcomer sees it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.programs import Home

PATIENCE = 180.0


@pytest.fixture
def stage(home: Home) -> Path:
    """Where demonstrations put what they need; it is empty before and should be after."""
    folder = home.folder / "tmp"
    folder.mkdir(mode=0o700)
    home.environment["TMPDIR"] = str(folder)
    return folder


def running_in(folder: Path) -> list[int]:
    """The processes whose environment or arguments name `folder`."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                words = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            except OSError:
                continue
            if f"{folder}/agentkeys-demo-".encode() in words:
                found.append(int(process.name))
    return found


def test_the_whole_job_is_shown_and_leaves_nothing(home: Home, stage: Path) -> None:
    """Two users work, one is refused at the other's prefix, and everything is taken down."""
    done = home.run("agentkeys", "demo", patience=PATIENCE)
    assert done.status == 0, done
    assert done.stdout.count("  done\n") == 6
    assert done.stdout.count("refused by the store: AccessDenied\n") == 3
    assert done.stdout.endswith("every step did what it says\n")
    assert list(stage.iterdir()) == []
    assert running_in(stage) == []


def test_it_leaves_the_users_own_things_alone(home: Home, stage: Path) -> None:
    """Neither a broken configuration nor a running daemon of the user's own comes into it."""
    home.configure("this is no configuration")
    assert home.run("agentkeys", "daemon", "start").status == 0
    done = home.run("agentkeys", "demo", "--json", patience=PATIENCE)
    document = json.loads(done.stdout)
    assert (done.status, document["version"], document["worked"]) == (0, 1, True)
    assert all(step["as_expected"] for step in document["steps"])
    assert home.run("agentkeys", "daemon", "status").status == 0
    assert home.config.read_text() == "this is no configuration"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_cleans_up_when_it_is_ended(number: int, home: Home, stage: Path) -> None:
    """In the midst of a step, with servers running."""
    with home.start("agentkeys", "demo") as show:
        assert show.stdout
        for line in show.stdout:
            if "agentkeys exec -- scraper.py" in line:
                break
        show.send_signal(number)
        show.communicate(timeout=PATIENCE)
    assert show.returncode != 0
    assert list(stage.iterdir()) == []
    deadline = time.monotonic() + PATIENCE
    while running_in(stage):
        assert time.monotonic() < deadline, "something still runs"
        time.sleep(0.1)
