"""What was done to an AWS configuration file can be undone, to the byte where nobody else came."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agentkeys.errors import ConfigError
from agentkeys_shell.aws_config import AwsConfig, AwsProfile, OwnProfile
from agentkeys_shell.aws_config.files import AwsFile
from agentkeys_shell.aws_config.ini import parse_ini, split_lines
from agentkeys_shell.aws_config.memory import MemoryFile
from agentkeys_shell.aws_config.settings import KEYS
from tests.support.aws_configs import OTHERS, aws_configs

DATA = AwsProfile("data", "data", "/bin/shim", "us-east-1", "http://127.0.0.1:8333")
DEFAULT = replace(DATA, name="default")
BACKUP = replace(DATA, name="backup", profile="backup", endpoint_url=None)


class Place:
    """A file and the memory of it, in a folder."""

    def __init__(self, folder: Path, content: bytes | None = None) -> None:
        self.path = folder / "config"
        self.memory = folder / "memory"
        self.config = AwsConfig(
            file=AwsFile(self.path), credentials=AwsFile(folder / "credentials"), folder=self.memory
        )
        if content is not None:
            self.path.write_bytes(content)

    @property
    def content(self) -> bytes | None:
        return self.path.read_bytes() if self.path.exists() else None

    def append(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)

    def remembered(self) -> list[Path]:
        return sorted(self.memory.glob("*.json")) if self.memory.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, OTHERS)


def everything(name: str, own: OwnProfile) -> bool:
    return True


def only(wanted: str) -> Callable[[str, OwnProfile], bool]:
    return lambda name, own: name == wanted


RUNS = st.lists(st.sampled_from((DATA, DEFAULT, BACKUP)), min_size=1, max_size=3)


@settings(deadline=None)  # it waits for the disk
@given(
    content=st.one_of(st.none(), aws_configs()),
    runs=st.lists(RUNS, min_size=1, max_size=2),
    moved=st.booleans(),
)
def test_undo_restores_every_byte(
    content: bytes | None, runs: list[list[AwsProfile]], moved: bool
) -> None:
    """However often profiles were written, and with whatever values."""
    with TemporaryDirectory() as folder:
        place = Place(Path(folder), content)
        try:
            for number, profiles in enumerate(runs):
                region = f"us-east-{number}" if moved else "us-east-1"
                place.config.configure([replace(each, region=region) for each in profiles])
        except ConfigError:
            assume(False)
        is_changed = place.content != content
        undone = place.config.undo(everything)
        assert place.content == content
        assert undone.is_restored == is_changed
        assert place.remembered() == []
        assert not place.config.undo(everything).is_change


def test_nothing_is_written_where_nothing_changes(place: Place) -> None:
    """Not even the time at which the file was changed."""
    assert place.config.configure([DATA]).is_change
    before = place.path.stat()
    again = place.config.configure([DATA])
    assert [section.change for section in again.sections] == ["unchanged"]
    after = place.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_profile_that_was_right_already_is_not_ours(tmp_path: Path) -> None:
    """Somebody has written it by hand, and undo must not take it away."""
    own = Place(tmp_path)
    own.config.configure([DATA])
    assert own.content
    by_hand = Place(tmp_path / "other", None)
    by_hand.path.parent.mkdir()
    by_hand.path.write_bytes(own.content)
    by_hand.config.configure([DATA])
    assert by_hand.remembered() == []
    by_hand.config.undo(everything)
    assert by_hand.content == own.content


def test_changes_of_others_survive_an_undo(place: Place) -> None:
    """Then what is ours is taken out and the rest kept."""
    place.config.configure([DATA, DEFAULT])
    place.append(b"\n[profile later]\nregion = eu-central-1\n")
    undone = place.config.undo(everything)
    assert not undone.is_restored
    assert place.content == OTHERS + b"\n\n[profile later]\nregion = eu-central-1\n"
    assert place.remembered() == []


def test_changes_of_others_survive_what_comes_after_them(place: Place) -> None:
    """What was there before our next change is what undo restores."""
    place.config.configure([DATA])
    place.append(b"output = json\n")
    place.config.configure([BACKUP])
    undone = place.config.undo(everything)
    assert undone.is_restored
    assert place.content == OTHERS + b"\n\n[profile data]\noutput = json\n"


def test_one_profile_can_be_undone(place: Place) -> None:
    """The others stay, and can be undone to the byte afterwards."""
    place.config.configure([DATA])
    with_data = place.content
    place.config.configure([BACKUP, DEFAULT])
    place.config.undo(only("backup"))
    assert place.content
    assert b"backup" not in place.content
    place.config.undo(only("default"))
    assert place.content == with_data
    assert not place.config.undo(only("default")).is_change
    assert place.config.undo(only("data")).is_restored
    assert place.content == OTHERS


def test_a_file_of_ours_goes_again(tmp_path: Path) -> None:
    """Unless somebody has put something into it."""
    place = Place(tmp_path)
    place.config.configure([DATA])
    assert place.config.undo(everything).after is None
    assert place.content is None
    place.config.configure([DATA])
    place.append(b"[profile mine]\n")
    place.config.undo(everything)
    assert place.content == b"[profile mine]\n"


def test_a_file_that_is_gone_is_not_made_again(place: Place) -> None:
    """There is nothing to undo then, nor anything to remember."""
    place.config.configure([DATA])
    place.path.unlink()
    assert not place.config.undo(everything).is_change
    assert place.content is None
    assert place.remembered() == []


def test_the_memory_is_private(place: Place) -> None:
    """It has lines of the user's file."""
    place.config.configure([DATA])
    [path] = place.remembered()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.memory.stat().st_mode) == 0o700


@settings(deadline=None)  # it waits for the disk
@given(content=aws_configs(), profiles=RUNS)
def test_the_memory_holds_only_what_we_have_changed(
    content: bytes, profiles: list[AwsProfile]
) -> None:
    """Other lines may be secret; a user's file may hold keys, and we keep no copy of them."""
    ours = content.decode("utf-8", "surrogateescape")
    with TemporaryDirectory() as folder:
        place = Place(Path(folder), content)
        try:
            place.config.configure(profiles)
        except ConfigError:
            assume(False)
        memory = [json.loads(path.read_text(encoding="utf-8")) for path in place.remembered()]
    ini = parse_ini(ours)
    changeable = {
        ini.lines[index].strip()
        for profile in profiles
        for section in ini.of_profile(profile.name)
        for key in KEYS
        for option in section.find(key)
        for index in range(option.lines[0], option.lines[-1] + 1)
    }
    # The file's last line is in it where it had no end.
    changeable |= {"", *(line.strip() for line in ini.lines[-1:])}
    for document in memory:
        kept = [line for *_, text in document["patch"] for line in split_lines(text)]
        assert {line.strip() for line in kept} <= changeable


def test_what_was_undone_by_hand_stays_undone(place: Place) -> None:
    """There is nothing left of ours then, and nothing to remember."""
    place.config.configure([DATA])
    place.path.write_bytes(OTHERS)
    assert not place.config.undo(everything).is_change
    assert (place.content, place.remembered()) == (OTHERS, [])


def test_a_memory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Before the file is changed: what cannot be undone is not done."""
    memory = MemoryFile(tmp_path / "memory", tmp_path / "config")
    memory.path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be written"):
        memory.save(None)


def test_dry_runs_change_nothing(place: Place) -> None:
    """Neither the file nor the memory, nor is there a folder for it."""
    assert place.config.configure([DATA], dry=True).is_change
    assert place.content == OTHERS
    assert not place.memory.exists()
    place.config.configure([DATA])
    written, remembered = place.content, place.remembered()
    assert place.config.undo(everything, dry=True).after == OTHERS.decode(
        "utf-8", "surrogateescape"
    )
    assert (place.content, place.remembered()) == (written, remembered)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"version": 2}', '{"version": 1, "after": 1}', "\udcff"],
)
def test_a_broken_memory_is_told(place: Place, content: str) -> None:
    """Nobody knows then what is ours, so nothing is done."""
    place.config.configure([DATA])
    [path] = place.remembered()
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    before = place.content
    with pytest.raises(ConfigError, match="is broken") as refusal:
        place.config.undo(everything)
    assert str(path) in refusal.value.message
    assert "remove it" in refusal.value.hint
    with pytest.raises(ConfigError, match="is broken"):
        place.config.configure([BACKUP])
    assert place.content == before


def test_a_write_that_fails_is_not_remembered(place: Place) -> None:
    """The file is as it was, and so is what undo would do."""
    place.config.configure([DATA])
    [path] = place.remembered()
    before = (place.content, json.loads(path.read_text(encoding="utf-8")))
    place.path.chmod(0o400)
    with pytest.raises(ConfigError, match="is read-only"):
        place.config.configure([BACKUP])
    assert (place.content, json.loads(path.read_text(encoding="utf-8"))) == before
    place.path.chmod(0o600)
    assert place.config.undo(everything).is_restored
    assert place.content == OTHERS
