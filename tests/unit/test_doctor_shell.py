"""What the doctor looks at without the daemon: configuration, folders, socket."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentkeys.doctor import Finding
from agentkeys_shell.doctor import Asked
from agentkeys_shell.doctor.config_step import check_config
from agentkeys_shell.doctor.folders_step import check_folders
from agentkeys_shell.doctor.socket_step import check_socket

CONFIG = """
[identities.me]
source = "broker"
url = "https://broker.example.com"

[profiles.data]
identity = "me"
role_arn = "arn:aws:iam::111122223333:role/data"
"""


class Ground:
    """A user's folders, as sound as can be, and what a command with their variables asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG, encoding="utf-8")
        self.state = folder / "state"
        self.socket = folder / "run" / "d.sock"
        self.environ = {
            "HOME": str(folder),
            "AGENTKEYS_CONFIG": str(self.config),
            "AGENTKEYS_STATE_DIR": str(self.state),
            "AGENTKEYS_SOCKET": str(self.socket),
        }
        for made in (self.state, self.socket.parent):
            made.mkdir(mode=0o700)

    def asked(self, profile: str | None = None) -> Asked:
        return Asked(self.environ, profile)


@pytest.fixture
def ground() -> Iterator[Ground]:
    # Not pytest's folder: a socket's path has to be short.
    folder = Path(tempfile.mkdtemp(prefix="agentkeys-"))
    try:
        yield Ground(folder)
    finally:
        shutil.rmtree(folder)


def told(finding: Finding) -> tuple[str, str | None]:
    return finding.outcome.value, finding.code


# the configuration


def test_a_sound_configuration_is_named_with_its_profile(ground: Ground) -> None:
    """So that nobody looks into a file which is not the one in force."""
    found = check_config(ground.asked())
    assert told(found) == ("ok", None)
    assert found.message == f"{ground.config} (AGENTKEYS_CONFIG), profile data"
    assert found.facts == {"config": str(ground.config), "profile": "data", "store": "aws"}


def test_variables_that_do_not_count_are_told(ground: Ground) -> None:
    """The file wins over a broker in the environment, which surprises people."""
    own = ground.folder / ".config" / "agentkeys" / "config.toml"
    own.parent.mkdir(parents=True, mode=0o700)
    ground.config.rename(own)
    ground.environ |= {
        "AGENTKEYS_BROKER_URL": "https://other.example.com",
        "AGENTKEYS_DATA_ROLE_ARN": "arn:aws:iam::111122223333:role/data",
        "XDG_CONFIG_HOME": str(ground.folder / ".config"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(ground.folder / ".config"))
        del ground.environ["AGENTKEYS_CONFIG"]
        found = check_config(ground.asked())
        assert told(found) == ("ok", None)
        assert "AGENTKEYS_BROKER_URL does not count" in found.message
        own.unlink()
        found = check_config(ground.asked())
        assert told(found) == ("ok", None)
        assert found.message == (
            "AGENTKEYS_BROKER_URL and AGENTKEYS_DATA_ROLE_ARN, profile default"
        )


BROKEN: dict[str, tuple[Callable[[Ground], object], str, str]] = {
    "a key that nobody knows": (
        lambda g: g.config.write_text(CONFIG + 'prefx = "x"\n'),
        "config_invalid",
        "profiles.data.prefx is not a known key",
    ),
    "no TOML": (lambda g: g.config.write_text("[profiles.data\n"), "config_invalid", "not valid"),
    "writable by everybody": (
        lambda g: g.config.chmod(0o666),
        "config_exposed",
        "writable by others",
    ),
    "not there": (lambda g: g.config.unlink(), "config_missing", "cannot be read"),
}


@pytest.mark.parametrize(("damage", "code", "words"), BROKEN.values(), ids=BROKEN)
def test_a_configuration_that_cannot_be_used_is_told(
    ground: Ground, damage: Callable[[Ground], object], code: str, words: str
) -> None:
    """In the words that every command has for it, and with the file among the facts."""
    damage(ground)
    found = check_config(ground.asked())
    assert told(found) == ("failed", code)
    assert words in found.message
    assert found.hint
    assert found.facts == {"file": str(ground.config)}


def test_an_unknown_profile_is_told_with_the_nearest_one(ground: Ground) -> None:
    """By argument as by variable."""
    ground.environ["AGENTKEYS_PROFILE"] = "dat"
    for asked in (ground.asked(), ground.asked("dta")):
        found = check_config(asked)
        assert told(found) == ("failed", "unknown_profile")
        assert found.hint == "did you mean data?"
    assert told(check_config(ground.asked("data"))) == ("ok", None)


def test_a_folder_in_which_others_may_write_is_a_warning(ground: Ground) -> None:
    """They could put another configuration in the place of this one."""
    ground.folder.chmod(0o777)
    found = check_config(ground.asked())
    assert told(found) == ("warning", "config_folder_exposed")
    assert found.hint == f"run: chmod go-w {ground.folder}"


# the folders


def test_sound_folders_are_named(ground: Ground) -> None:
    """And nothing is made that is not there."""
    assert check_folders(ground.asked()).message == f"{ground.state}, {ground.socket.parent}: " + (
        "yours alone"
    )
    ground.state.rmdir()
    found = check_folders(ground.asked())
    assert told(found) == ("ok", None)
    assert "to be made by the first daemon" in found.message
    assert not ground.state.exists()


def _link(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to("/")


def _file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")


UNSAFE: dict[str, tuple[Callable[[Path], None], str]] = {
    "open to the group": (lambda folder: folder.chmod(0o750), "folder_open"),
    "open to everybody": (lambda folder: folder.chmod(0o755), "folder_open"),
    "a link": (_link, "folder_not_a_folder"),
    "a file": (_file, "folder_not_a_folder"),
    "in a folder of everybody": (lambda folder: folder.parent.chmod(0o777), "folder_exposed"),
}


@pytest.mark.parametrize(("damage", "code"), UNSAFE.values(), ids=UNSAFE)
@pytest.mark.parametrize("which", ["state", "socket"])
def test_an_unsafe_folder_is_told(
    ground: Ground, which: str, damage: Callable[[Path], None], code: str
) -> None:
    """Whichever of the two it is."""
    folder = {"state": ground.state, "socket": ground.socket.parent}[which]
    damage(folder)
    found = check_folders(ground.asked())
    assert told(found) == ("failed", code)
    assert found.hint
    if code != "folder_exposed":  # which both of them are then
        assert str(folder) in found.message
        assert found.facts == {"folder": str(folder)}


def test_another_user_s_folder_is_told(ground: Ground) -> None:
    """Seen from either side, since only root could give a folder away."""
    found = check_folders(Asked(ground.environ, None, uid=os.getuid() + 1))
    assert told(found) == ("failed", "folder_foreign")
    assert f"belongs to user {os.getuid()}" in found.message


def test_a_folder_that_is_not_there_yet_is_looked_at_from_above(ground: Ground) -> None:
    """A daemon would be refused there."""
    ground.state.rmdir()
    ground.folder.chmod(0o777)
    found = check_folders(ground.asked())
    assert told(found) == ("failed", "folder_exposed")
    assert str(ground.state) in found.message
    assert str(ground.folder) in found.message


# the socket


def test_a_socket_to_come_is_no_trouble(ground: Ground) -> None:
    """The first daemon makes it."""
    assert told(check_socket(ground.asked())) == ("ok", None)
    ground.socket.parent.rmdir()
    assert told(check_socket(ground.asked())) == ("ok", None)


def test_a_socket_that_is_answered_is_told_with_its_mode(ground: Ground) -> None:
    """Open to others it is a warning: the daemon refuses them all the same."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(ground.socket))
        listening.listen()
        ground.socket.chmod(0o600)
        found = check_socket(ground.asked())
        assert told(found) == ("ok", None)
        assert found.facts == {"path": str(ground.socket), "mode": "0600"}
        ground.socket.chmod(0o666)
        found = check_socket(ground.asked())
        assert told(found) == ("warning", "socket_open")
        assert found.hint == f"run: chmod 600 {ground.socket}"


def test_a_socket_that_nobody_answers_is_a_warning(ground: Ground) -> None:
    """The next daemon replaces it; until then it tells that one was killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(ground.socket))
    found = check_socket(ground.asked())
    assert told(found) == ("warning", "socket_stale")
    assert ground.socket.exists()


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("x")])
def test_what_is_no_socket_is_told(ground: Ground, make: Callable[[Path], None]) -> None:
    """And left alone."""
    make(ground.socket)
    found = check_socket(ground.asked())
    assert told(found) == ("failed", "socket_not_a_socket")
    assert str(ground.socket) in found.message
    assert ground.socket.lstat()


@pytest.mark.parametrize(
    ("path", "words"), [("run/d.sock", "is relative"), (f"/{'x' * 107}", "longer than 107 bytes")]
)
def test_a_path_that_no_system_takes_is_told(ground: Ground, path: str, words: str) -> None:
    """By the socket's step alone: the configuration and the state folder are looked at as well."""
    ground.environ["AGENTKEYS_SOCKET"] = path
    found = check_socket(ground.asked())
    assert told(found) == ("failed", "socket_path_invalid")
    assert words in found.message
    assert told(check_config(ground.asked())) == ("ok", None)
    assert told(check_folders(ground.asked())) == ("ok", None)


def test_another_user_s_socket_is_told(ground: Ground) -> None:
    """Nothing is sent to whoever listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(ground.socket))
        listening.listen()
        found = check_socket(Asked(ground.environ, None, uid=os.getuid() + 1))
        assert told(found) == ("failed", "socket_foreign")
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
