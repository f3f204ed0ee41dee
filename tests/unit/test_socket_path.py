"""Where the socket and the state folder are: one answer for everybody who asks."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import ConfigError
from agentkeys.socket_path import MAX_SOCKET_PATH, socket_path, state_folder

NOBODY = 4_000_000_000
"""A user without a folder below /run/user."""


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(
            {"AGENTKEYS_SOCKET": "/a/s", "XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/me"},
            "/a/s",
            id="the user's choice first",
        ),
        pytest.param(
            {"AGENTKEYS_SOCKET": "", "XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/me"},
            "/run/user/7/agentkeys/daemon.sock",
            id="then the session's runtime folder",
        ),
        pytest.param(
            {"AGENTKEYS_STATE_DIR": "/state", "HOME": "/home/me"},
            "/state/run/daemon.sock",
            id="then the state folder",
        ),
    ],
)
def test_the_socket_lies_where_the_first_of_these_says(
    environ: dict[str, str], expected: str
) -> None:
    """Empty counts as unset."""
    assert socket_path(environ, NOBODY) == expected


@pytest.mark.skipif(sys.platform == "darwin", reason="the state folder has another name there")
def test_without_anything_it_lies_below_home() -> None:
    """Never in /tmp, where any user could have put one first."""
    path = socket_path({"HOME": "/home/me", "TMPDIR": "/tmp"}, NOBODY)  # noqa: S108 - not taken
    assert path == "/home/me/.local/state/agentkeys/run/daemon.sock"


def test_a_relative_socket_is_refused() -> None:
    """It would be another one in every folder."""
    with pytest.raises(ConfigError, match="is relative") as refusal:
        socket_path({"AGENTKEYS_SOCKET": "run/daemon.sock"}, NOBODY)
    assert "AGENTKEYS_SOCKET" in refusal.value.hint


@pytest.mark.parametrize("runtime", ["run", "./run", "/tmp", "/tmp/runtime-me"])  # noqa: S108
def test_a_runtime_folder_that_cannot_be_ours_counts_as_unset(runtime: str) -> None:
    """A relative one has no meaning, and in /tmp anybody could have been first."""
    environ = {"XDG_RUNTIME_DIR": runtime, "AGENTKEYS_STATE_DIR": "/state"}
    assert socket_path(environ, NOBODY) == "/state/run/daemon.sock"


def test_a_socket_may_be_chosen_anywhere() -> None:
    """Its folder is checked by whoever makes it."""
    assert socket_path({"AGENTKEYS_SOCKET": "/tmp/s"}, NOBODY) == "/tmp/s"  # noqa: S108


@pytest.mark.parametrize("character", ["x", "é", "\udce9"], ids=["ascii", "two bytes", "no utf-8"])
def test_a_path_may_be_as_long_as_the_system_takes(character: str) -> None:
    """107 bytes on Linux, 103 on macOS; bytes, not characters."""
    length = len(os.fsencode(character))
    fits = "/" + character * ((MAX_SOCKET_PATH - 1) // length)
    fits += "x" * (MAX_SOCKET_PATH - len(os.fsencode(fits)))
    assert socket_path({"AGENTKEYS_SOCKET": fits}, NOBODY) == fits
    with pytest.raises(ConfigError, match=f"longer than {MAX_SOCKET_PATH} bytes"):
        socket_path({"AGENTKEYS_SOCKET": fits + "x"}, NOBODY)


@given(st.dictionaries(st.sampled_from(["AGENTKEYS_SOCKET", "XDG_RUNTIME_DIR", "HOME"]), st.text()))
def test_every_environment_gives_a_usable_path_or_a_clear_error(environ: dict[str, str]) -> None:
    """Whatever somebody has set."""
    try:
        path = socket_path(environ, NOBODY)
    except ConfigError:
        return
    assert path.startswith("/")
    assert len(os.fsencode(path)) <= MAX_SOCKET_PATH


@pytest.mark.parametrize(
    "base",
    [None, "", "/state/home", "/state/home/", "/with space"],
    ids=["unset", "empty", "set", "with a slash", "with a space"],
)
def test_the_state_folder_is_the_platform_s(
    base: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found without platformdirs, which the fast paths cannot afford, and yet the same one."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    if base is not None:
        monkeypatch.setenv("XDG_STATE_HOME", base)
    expected = platformdirs.user_state_dir("agentkeys", appauthor=False)
    assert Path(state_folder(os.environ, os.getuid())) == Path(expected)


@pytest.mark.skipif(sys.platform == "darwin", reason="XDG is not asked there")
def test_a_relative_xdg_folder_counts_as_unset() -> None:
    """The state folder must be the same wherever a command is run."""
    environ = {"XDG_STATE_HOME": "state", "HOME": "/home/me"}
    assert state_folder(environ, NOBODY) == "/home/me/.local/state/agentkeys"


def test_a_chosen_state_folder_is_taken_from_the_current_one() -> None:
    """As a path on a command line would be."""
    assert state_folder({"AGENTKEYS_STATE_DIR": "/s"}, NOBODY) == "/s"
    assert state_folder({"AGENTKEYS_STATE_DIR": "s"}, NOBODY) == f"{Path.cwd()}/s"


def test_without_home_the_user_database_is_asked() -> None:
    """Some supervisors start programs without HOME."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    assert state_folder({}, os.getuid()).startswith(f"{home}/")


def test_a_user_without_a_home_is_told_what_to_set() -> None:
    """As in a container that was given a user id of its own."""
    with pytest.raises(ConfigError, match="has no home folder") as refusal:
        socket_path({}, NOBODY)
    assert "HOME" in refusal.value.hint
