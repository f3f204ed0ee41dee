"""Folders and files that only their owner can open."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from agentkeys.errors import ConfigError
from agentkeys.private_files import private_folder, replace_file


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_private_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    """Every folder that is made on the way belongs to its owner alone from the start."""
    made = private_folder(tmp_path / "a" / "b")
    assert made == tmp_path / "a" / "b"
    assert [_mode(tmp_path / "a"), _mode(made)] == [0o700, 0o700]


def test_a_private_folder_may_be_there_already(tmp_path: Path) -> None:
    """Readable by others is fine for a folder that its owner has opened; writable is not."""
    tmp_path.chmod(0o755)
    assert private_folder(tmp_path) == tmp_path
    assert _mode(tmp_path) == 0o755


def _writable(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)


def _link(folder: Path) -> None:
    (folder.parent / "real").mkdir()
    folder.symlink_to(folder.parent / "real")


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        pytest.param(_writable, "a link, another user's, or writable", id="writable by others"),
        pytest.param(_link, "a link, another user's, or writable", id="a link"),
        pytest.param(Path.touch, "a link, another user's, or writable", id="a file"),
        pytest.param(lambda path: path.symlink_to("gone"), "cannot be made", id="a broken link"),
        pytest.param(lambda path: path.symlink_to(path), "cannot be made", id="a link to itself"),
    ],
)
def test_a_folder_that_is_not_ours_alone_is_refused(
    prepare: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    """What it would hold is secret or trusted."""
    prepare(tmp_path / "folder")
    with pytest.raises(ConfigError, match=words):
        private_folder(tmp_path / "folder")


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
