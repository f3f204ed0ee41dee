"""Which command stands in the AWS configuration file."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from agentkeys.errors import ConfigError
from agentkeys_shell.aws_config import shim_command

SHIM = "agentkeys-credential-process"


def install(folder: Path) -> Path:
    """A program of ours with its shim beside it, which need not run."""
    folder.mkdir(parents=True)
    for name in ("agentkeys", SHIM):
        (folder / name).touch()
        (folder / name).chmod(0o755)
    return folder / "agentkeys"


def link(folder: Path, program: Path) -> Path:
    """What pipx and uv make: links from a folder on PATH."""
    folder.mkdir()
    (folder / SHIM).symlink_to(program.parent / SHIM)
    return folder / SHIM


def command(program: Path, *path: Path | str) -> str:
    return shim_command({"PATH": ":".join(map(str, path))}, program=str(program))


def test_it_is_the_one_beside_the_program(tmp_path: Path) -> None:
    """Not another installation's that happens to be on PATH."""
    program = install(tmp_path / "ours")
    other = install(tmp_path / "other")
    assert command(program, other.parent) == str(program.parent / SHIM)
    assert command(program) == str(program.parent / SHIM)


def test_a_link_on_path_is_preferred(tmp_path: Path) -> None:
    """It stays where it is when an upgrade makes a new environment."""
    program = install(tmp_path / "venvs" / "agentkeys" / "bin")
    linked = link(tmp_path / "bin", program)
    assert command(program, "/nowhere", linked.parent, program.parent) == str(linked)


def test_a_relative_program_gives_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a folder on PATH that is relative counts for nothing."""
    program = install(tmp_path / "bin")
    monkeypatch.chdir(tmp_path)
    found = shim_command({"PATH": "bin::."}, program="bin/agentkeys")
    assert found == str(program.parent / SHIM)


def test_it_is_found_when_the_program_is_a_module(tmp_path: Path) -> None:
    """Then argv[0] says nothing about where the programs are."""
    installed = {Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))}
    found = shim_command({}, program=str(tmp_path / "__main__.py"))
    assert Path(found).parent in installed


def test_another_program_of_its_name_does_not_count(tmp_path: Path) -> None:
    """Nor does a folder or a file that cannot be run."""
    program = install(tmp_path / "ours")
    (tmp_path / "a" / SHIM).mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / SHIM).touch(mode=0o644)
    found = command(program, tmp_path / "a", tmp_path / "b", install(tmp_path / "c").parent)
    assert found == str(program.parent / SHIM)


@pytest.mark.parametrize("name", ["my programs", "a$b", "it's", 'a"b', "a;b", "a\\b", "a=b", "a~b"])
def test_a_path_that_needs_quotes_is_refused(tmp_path: Path, name: str) -> None:
    """Some clients know no quotes, others pass the line to a shell; a link on PATH mends it."""
    program = install(tmp_path / name)
    with pytest.raises(ConfigError, match="not every AWS client can run") as refusal:
        command(program, program.parent)
    assert "link agentkeys-credential-process from a folder" in refusal.value.hint
    linked = link(tmp_path / "bin", program)
    assert command(program, program.parent, linked.parent) == str(linked)


def test_letters_of_all_languages_need_no_quotes(tmp_path: Path) -> None:
    """Neither in a shell nor for those that split at blanks."""
    program = install(tmp_path / "zoë" / "π-3.11_x")
    assert command(program) == str(program.parent / SHIM)
