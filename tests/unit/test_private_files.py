"""Folders and files that only their owner can open."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from agentkeys.errors import ConfigError
from agentkeys.private_files import make_folders, private_folder, replace_file


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_private_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    """Every folder that is made on the way belongs to its owner alone from the start."""
    made = private_folder(tmp_path / "a" / "b")
    assert made == tmp_path / "a" / "b"
    assert [_mode(tmp_path / "a"), _mode(made)] == [0o700, 0o700]


def test_missing_folders_are_made_private_under_any_umask(tmp_path: Path) -> None:
    """All of them; what was there keeps its mode."""
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        make_folders(tmp_path / "a" / "b" / "c")
        make_folders(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(before)
    assert [_mode(tmp_path / name) for name in ("", "a", "a/b", "a/b/c")] == [0o755] + 3 * [0o700]


def test_a_private_folder_may_be_there_already(tmp_path: Path) -> None:
    """As long as nobody else can look into it."""
    assert private_folder(private_folder(tmp_path / "folder")) == tmp_path / "folder"


def _open_to(mode: int) -> Callable[[Path], object]:
    def prepare(folder: Path) -> None:
        folder.mkdir()
        folder.chmod(mode)

    return prepare


def _link(folder: Path) -> None:
    (folder.parent / "real").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "real")


@pytest.mark.parametrize(
    ("prepare", "words", "hint"),
    [
        pytest.param(_open_to(0o770), "is open to other users", "chmod 700", id="a group's"),
        pytest.param(_open_to(0o755), "is open to other users", "chmod 700", id="readable by all"),
        pytest.param(_open_to(0o1777), "is open to other users", "of your own", id="like /tmp"),
        pytest.param(_link, "is a link, or not yours", "of your own", id="a link"),
        pytest.param(Path.touch, "is a link, or not yours", "of your own", id="a file"),
        pytest.param(lambda path: path.symlink_to("gone"), "cannot be made", "", id="broken link"),
        pytest.param(lambda path: path.symlink_to(path), "cannot be made", "", id="a circle"),
    ],
)
def test_a_folder_that_is_not_ours_alone_is_refused(
    prepare: Callable[[Path], object], words: str, hint: str, tmp_path: Path
) -> None:
    """What it would hold is secret or trusted."""
    prepare(tmp_path / "folder")
    with pytest.raises(ConfigError, match=words) as refusal:
        private_folder(tmp_path / "folder")
    assert hint in refusal.value.hint


@pytest.mark.parametrize(
    ("mode", "fits"),
    [
        pytest.param(0o755, True, id="readable"),
        pytest.param(0o1777, True, id="like /tmp"),
        pytest.param(0o775, True, id="writable by our own group"),
        pytest.param(0o777, False, id="writable by all"),
    ],
)
def test_nobody_else_may_be_able_to_replace_it(mode: int, fits: bool, tmp_path: Path) -> None:
    """Every folder above it counts; in /tmp only owners can rename."""
    parent = tmp_path / "above" / "parent"
    parent.mkdir(parents=True)
    os.chown(parent.parent, -1, os.getgid())
    parent.parent.chmod(mode)
    if fits:
        assert private_folder(parent / "folder")
        return
    with pytest.raises(ConfigError, match=f"lies in {parent.parent}, where others"):
        private_folder(parent / "folder")


@pytest.mark.parametrize("below", ["x" * 300, "file/folder"], ids=["too long", "below a file"])
def test_a_folder_that_cannot_be_made_is_refused(below: str, tmp_path: Path) -> None:
    """With the reason and what to set."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made") as refusal:
        private_folder(tmp_path / below)
    assert "AGENTKEYS_STATE_DIR" in refusal.value.hint


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    """Whatever mode the old one had; nothing else is left in the folder."""
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    replace_file(path, "new ✓")
    assert path.read_text("utf-8") == "new ✓"
    assert _mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    """And no half of a new one."""
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        replace_file(path, "half a pair: \ud800")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_a_folder_that_others_could_exchange_is_refused(tmp_path: Path) -> None:
    """Whoever may rename its parent may put another folder in its place."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ConfigError, match="others could put another"):
        private_folder(shared / "mine")
    shared.chmod(0o1777)
    assert private_folder(shared / "mine")
