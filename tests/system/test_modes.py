"""What the tool makes is private from birth, whatever the umask and whatever lies in the way."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import home, sandbox, sandbox_home, user_home
from tests.support.created import Created, note_what_is_created
from tests.support.installation import installed_for_all
from tests.support.programs import Finished, Home, new_home

__all__ = ["home", "sandbox", "sandbox_home", "user_home"]

STRANGER = 65534
SHIM = "agentkeys-credential-process"
OPEN = 'umask 000 && exec "$@"'
"""To sh: what somebody's login scripts may do."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Created], list[Path]]]:
    """All that was made in a home by most of what there is to run, and all that lies there then."""
    log = tmp_path_factory.mktemp("created") / "log"
    with installed_for_all() as installation, new_home() as place:
        creations = note_what_is_created(installation, log)

        def run(*argv: str) -> Finished:
            program = str(installation.bin / argv[0])
            done = place.run("sh", "-c", OPEN, "sh", program, *argv[1:])
            assert done.status == 0, done
            return done

        # Folders that a new user does not have.
        place.environment["XDG_CONFIG_HOME"] = str(place.folder / "home" / "a" / "config")
        place.environment["AWS_CONFIG_FILE"] = str(place.folder / "home" / "b" / "aws" / "config")
        run("agentkeys", "init", "--broker-url=https://b.example.com", "--role-arn=" + ROLE)
        run("agentkeys", "daemon", "install")
        place.environment["XDG_CONFIG_HOME"] = str(place.folder / "config")
        run("agentkeys", "sandbox", "start", "--users", "2")
        run(SHIM)
        run("agentkeys", "exec", "--refresh", "--", "true")
        run("agentkeys", "configure-aws")
        run("agentkeys", "daemon", "restart")
        run("agentkeys", "exec", "--", str(installation.bin / "agentkeys"), "status")
        run("agentkeys", "forget")
        yield creations.below(place.folder), sorted(place.folder.rglob("*"))


ROLE = "arn:aws:iam::111122223333:role/data"


def test_all_of_it_is_private_from_birth(made: tuple[list[Created], list[Path]]) -> None:
    """Asked for as such, rather than made so afterwards."""
    created, _ = made
    assert [each for each in created if not each.is_private] == []
    assert {each.mode for each in created if each.kind == "socket"} == {0o600}
    names = {each.path.name for each in created}
    assert {"daemon.sock", "daemon.sock.lock", "start.lock"} <= names
    assert {"ledger.jsonl", "daemon.jsonl"} <= names
    folders = {each.path.name for each in created if each.kind == "folder"}
    assert {"a", "b", "config", "systemd", "audit", "logs", "run", "state", "sandbox"} <= folders


def test_none_of_it_is_written_through_a_link(made: tuple[list[Created], list[Path]]) -> None:
    """Every file is new, or else is opened as the plain file that it is."""
    created, _ = made
    assert [each for each in created if each.follows_links] == []


def test_all_of_it_stays_private(made: tuple[list[Created], list[Path]]) -> None:
    """Also what the sandbox's servers make, which are not ours."""
    created, there = made
    ours = {each.path for each in created if each.path.exists()}
    assert len(ours) > 20
    servers = [path for path in there if "sandbox" in path.parts]
    assert len(servers) > 20
    open_ = [path for path in {*ours, *servers} if path.lstat().st_mode & 0o077]
    assert [path for path in open_ if not path.is_symlink()] == []


@pytest.mark.parametrize(
    "name",
    [
        "run/daemon.sock.pid",
        "run/daemon.sock.lock",
        "run/start.lock",
        "run/daemon.sock",
        "state/logs/daemon.jsonl",
        "state/audit/ledger.jsonl",
    ],
)
def test_a_link_in_the_way_leads_nowhere(user_home: Home, name: str) -> None:
    """What it points to is neither written, nor emptied, nor closed to others."""
    victim = user_home.folder / "victim"
    victim.write_text("mine\n", encoding="utf-8")
    victim.chmod(0o640)
    link = user_home.folder / name
    for folder in reversed(link.parents):
        folder.mkdir(mode=0o700, exist_ok=True)
    link.symlink_to(victim)
    done = user_home.run(SHIM)
    assert victim.read_text(encoding="utf-8") == "mine\n"
    assert stat.S_IMODE(victim.stat().st_mode) == 0o640
    if done.status:
        assert done.complaint()
        link.unlink()


def a_link(folder: Path) -> None:
    real = folder.with_name("real")
    real.mkdir(mode=0o700)
    folder.symlink_to(real)


def a_strangers(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, STRANGER, STRANGER)


def a_groups(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)


def everybodys(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o1777)


@pytest.mark.parametrize("prepare", [a_link, a_strangers, a_groups, everybodys])
@pytest.mark.parametrize("name", ["run", "state", "state/logs"])
def test_a_folder_that_is_not_ours_alone_is_not_used(
    home: Home, name: str, prepare: Callable[[Path], None]
) -> None:
    """No daemon starts, nothing is left in it, and what to do is said."""
    folder = home.folder / name
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    prepare(folder)
    done = home.run("agentkeys", "daemon", "start")
    assert (done.status, done.stdout) == (4, "")
    error, hint = done.complaint()
    assert str(folder) in error
    assert hint
    assert list(folder.iterdir()) == []
    if not folder.is_symlink():
        os.chown(folder, 0, 0)
        folder.chmod(0o700)
    else:
        folder.unlink()
