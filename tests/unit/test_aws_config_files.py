"""The user's AWS configuration file on disk: links, permissions, other writers, strange things."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import pytest

from agentkeys.errors import ConfigError
from agentkeys_shell.aws_config import AwsConfig, AwsProfile, aws_file
from agentkeys_shell.aws_config.configuring import PAUSES
from agentkeys_shell.aws_config.files import MAX_BYTES, AwsFile
from tests.support.aws_configs import OTHERS

DATA = AwsProfile("data", "data", "/bin/shim", "us-east-1", None)


def config_for(path: Path) -> AwsConfig:
    return AwsConfig(
        file=AwsFile(path),
        credentials=AwsFile(path.parent / "credentials"),
        folder=path.parent / "memory",
    )


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _identity(path: Path) -> tuple[int, ...]:
    """What changes when a file is written, replaced or given another mode."""
    found = path.lstat()
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode


def _left_over(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name.startswith("."))


def test_a_file_is_made_with_its_folder(tmp_path: Path) -> None:
    """Both for the user alone."""
    path = tmp_path / "home" / ".aws" / "config"
    path.parent.parent.mkdir()
    file = AwsFile(path)
    assert file.replace(None, b"[default]\n")
    assert path.read_bytes() == b"[default]\n"
    assert (_mode(path), _mode(path.parent)) == (0o600, 0o700)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o660, 0o755])
def test_permissions_stay(tmp_path: Path, mode: int) -> None:
    """Whoever could read the file can read it still."""
    path = tmp_path / "config"
    path.write_bytes(OTHERS)
    path.chmod(mode)
    config_for(path).configure([DATA])
    assert _mode(path) == mode
    assert path.stat().st_uid == os.getuid()
    assert _left_over(tmp_path) == []


def test_the_group_stays(tmp_path: Path) -> None:
    """Even where new files get another one from their folder."""
    path = tmp_path / "config"
    path.write_bytes(OTHERS)
    group = path.stat().st_gid
    # Root may give a file to any group, anybody else to those that they are in.
    mine = [group + 1] if os.getuid() == 0 else os.getgroups()
    other = next((each for each in mine if each != group), group)
    os.chown(path, -1, other)
    config_for(path).configure([DATA])
    assert path.stat().st_gid == other


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file that it leads to, in a folder of dotfiles, is what changes."""
    real = tmp_path / "dotfiles" / "aws-config"
    real.parent.mkdir()
    real.write_bytes(OTHERS)
    (tmp_path / "between").symlink_to("dotfiles/aws-config")
    path = tmp_path / "config"
    path.symlink_to("between")
    config_for(path).configure([DATA])
    assert path.readlink() == Path("between")
    assert real.read_bytes().startswith(OTHERS)
    assert b"[profile data]" in real.read_bytes()
    config_for(path).undo(lambda name, own: True)
    assert real.read_bytes() == OTHERS
    assert path.is_symlink()


def test_a_link_may_lead_to_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    """As long as its folder is."""
    path = tmp_path / "config"
    path.symlink_to("real")
    config_for(path).configure([DATA])
    assert b"[profile data]" in (tmp_path / "real").read_bytes()
    assert path.is_symlink()


def _read_only(path: Path) -> None:
    path.write_bytes(OTHERS)
    path.chmod(0o400)


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/null")


def _circle(path: Path) -> None:
    path.symlink_to(path)


def _nowhere(path: Path) -> None:
    path.symlink_to("gone/config")


def _huge(path: Path) -> None:
    path.write_bytes(b"#" * (MAX_BYTES + 1))


def _without_header(path: Path) -> None:
    path.write_bytes(b"region = x\n")


def _without_bracket(path: Path) -> None:
    path.write_bytes(b"[default]\r\n[profile data\r\nregion = x\r\n")


def _archive(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def _utf_16(path: Path) -> None:
    path.write_bytes("[default]\n".encode("utf-16"))


@pytest.mark.parametrize(
    ("prepare", "words", "hint"),
    [
        (_read_only, "is read-only", "run: chmod u+w"),
        (_folder, "is a folder", "AWS_CONFIG_FILE"),
        (_pipe, "is no file that can be edited", "AWS_CONFIG_FILE"),
        (_device, "is no file that can be edited", "AWS_CONFIG_FILE"),
        (_circle, "cannot be read: too many levels of symbolic links", "AWS_CONFIG_FILE"),
        (_nowhere, "is a link to .*/gone/config, whose folder is not there", "mend the link"),
        (_huge, "is over a megabyte", "check its content"),
        (_without_header, "^line 1 of .*/config stands above the first ", "mend that line"),
        (_without_bracket, "^line 2 of .*/config has a bracket that is", "mend that line"),
        (_archive, "^line 1 of .*/config stands above", "mend that line"),
        (_utf_16, "^line 1 of .*/config stands above", "mend that line"),
    ],
)
def test_what_cannot_be_edited_is_left_alone(
    tmp_path: Path, prepare: Callable[[Path], None], words: str, hint: str
) -> None:
    """With the reason and what to do; nothing is left lying about."""
    path = tmp_path / "config"
    prepare(path)
    before = _identity(path)
    with pytest.raises(ConfigError, match=words) as refusal:
        config_for(path).configure([DATA])
    assert hint in refusal.value.hint
    assert _identity(path) == before
    assert _left_over(tmp_path) == []
    assert list((tmp_path / "memory").glob("*.json")) == []


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_bytes(OTHERS)
    folder.chmod(0o500)
    yield folder
    folder.chmod(0o700)


def test_a_read_only_folder_is_left_alone(tmp_path: Path, closed_folder: Path) -> None:
    """Also by root, who could write there."""
    config = AwsConfig(
        file=AwsFile(closed_folder / "config"),
        credentials=AwsFile(closed_folder / "credentials"),
        folder=tmp_path / "memory",
    )
    with pytest.raises(ConfigError, match=r"the folder of .* is read-only") as refusal:
        config.configure([DATA])
    assert refusal.value.hint == f"run: chmod u+w {closed_folder}"
    assert (closed_folder / "config").read_bytes() == OTHERS


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    """As the system says it."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be read: not a directory"):
        AwsFile(tmp_path / "file" / "config").read()


def test_what_others_write_meanwhile_is_not_lost(tmp_path: Path) -> None:
    """Whoever was first is read again, and our change made to what they have left."""
    path = tmp_path / "config"
    path.write_bytes(OTHERS)
    file = AwsFile(path)
    found = file.read()
    path.write_bytes(OTHERS + b"\n[profile theirs]\n")
    assert not file.replace(found, b"ours")
    assert not file.replace(found, None)
    assert not file.replace(None, b"ours")
    assert path.read_bytes() == OTHERS + b"\n[profile theirs]\n"
    assert _left_over(tmp_path) == []


class _Restless(AwsFile):
    """A file that another program writes each time just after we have read it."""

    def __init__(self, path: Path, *, times: int) -> None:
        super().__init__(path)
        self._left = times

    def replace(self, found: object, content: bytes | None) -> bool:
        if self._left:
            self._left -= 1
            with self.path.open("ab") as file:
                file.write(b"# theirs\n")
        return super().replace(found, content)  # type: ignore[arg-type] # as it is given


@pytest.mark.parametrize("times", [1, len(PAUSES) - 1])
def test_it_tries_again_while_another_program_writes(tmp_path: Path, times: int) -> None:
    """After a pause; then both are in the file, and ours can be undone."""
    path, pauses = tmp_path / "config", list[float]()
    path.write_bytes(b"[default]\n")
    config = AwsConfig(
        file=_Restless(path, times=times),
        credentials=AwsFile(tmp_path / "credentials"),
        folder=tmp_path / "memory",
        pause=pauses.append,
    )
    config.configure([DATA])
    theirs = b"[default]\n" + b"# theirs\n" * times
    assert path.read_bytes().startswith(theirs + b"\n[profile data]")
    assert pauses == list(PAUSES[:times])
    config.undo(lambda name, own: True)
    assert path.read_bytes() == theirs


def test_it_gives_up_where_another_program_never_ends(tmp_path: Path) -> None:
    """Without having written or remembered anything."""
    path = tmp_path / "config"
    config = AwsConfig(
        file=_Restless(path, times=100),
        credentials=AwsFile(tmp_path / "credentials"),
        folder=tmp_path / "memory",
        pause=lambda seconds: None,
    )
    with pytest.raises(ConfigError, match="keeps changing: another program is writing it"):
        config.configure([DATA])
    assert path.read_bytes() == b"# theirs\n" * len(PAUSES)
    assert list((tmp_path / "memory").glob("*.json")) == []


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each waits for the others, and all profiles are there in the end."""
    path = tmp_path / "config"
    path.write_bytes(OTHERS)
    names = [f"data{number}" for number in range(8)]

    def configure(name: str) -> None:
        config_for(path).configure([AwsProfile(name, name, "/bin/shim", "us-east-1", None)])

    threads = [threading.Thread(target=configure, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        assert path.read_bytes().count(f"[profile {name}]".encode()) == 1
    config_for(path).undo(lambda name, own: True)
    assert path.read_bytes() == OTHERS


def test_a_lock_that_stays_taken_is_told(tmp_path: Path) -> None:
    """Rather than waited for without end."""
    config = AwsConfig(
        file=AwsFile(tmp_path / "config"),
        credentials=AwsFile(tmp_path / "credentials"),
        folder=tmp_path / "memory",
        patience=0.05,
    )
    (tmp_path / "memory").mkdir(mode=0o700)
    with (
        filelock.FileLock(tmp_path / "memory" / "lock"),
        pytest.raises(ConfigError, match="another agentkeys configure-aws is at work"),
    ):
        config.configure([DATA])


def test_a_lock_that_cannot_be_taken_is_told(tmp_path: Path) -> None:
    """With what stands in its place."""
    (tmp_path / "memory" / "lock").mkdir(parents=True)
    (tmp_path / "memory").chmod(0o700)
    with pytest.raises(ConfigError, match="memory/lock cannot be locked"):
        config_for(tmp_path / "config").configure([DATA])


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the ways that botocore understands; an empty name is none."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLACE", "etc")
    monkeypatch.chdir(tmp_path)
    for chosen, path in (
        (None, ".aws/config"),
        ("", ".aws/config"),
        ("~/own", "own"),
        ("$PLACE/own", "etc/own"),
        ("own", "own"),
        ("/etc/own", "/etc/own"),
    ):
        environ = {} if chosen is None else {"AWS_CONFIG_FILE": chosen}
        assert aws_file(environ, "AWS_CONFIG_FILE", "config").path == tmp_path / path
