"""The locks hold what pyproject.toml asks for, and `make lock-check` says so where they don't."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools.lock_check import problems
from tools.pins import load_pins, parse_pins

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what is checked, to break."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    """Replaces what must be there, once."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def drop(lock: Path, package: str) -> None:
    """Takes a package away, with its hashes."""
    text = lock.read_text(encoding="utf-8")
    changed = re.sub(rf"^{package}==.*\n(?:    .*\n)*", "", text, flags=re.MULTILINE)
    assert changed != text
    lock.write_text(changed, encoding="utf-8")


def test_the_locks_are_complete_and_hashed() -> None:
    """For every Python and system that is promised."""
    assert problems(ROOT) == []


@pytest.mark.parametrize("lock", LOCKS, ids=[lock.stem for lock in LOCKS])
def test_a_lock_tells_nothing_of_where_it_was_made(lock: Path) -> None:
    """No address, no path, no option of an index: hashes say what a file is, wherever it is."""
    text = HASH.sub("", lock.read_text(encoding="utf-8"))
    assert "://" not in text
    assert "/" not in text
    assert "--" not in text


@pytest.mark.parametrize(
    ("added", "complaint"),
    [
        ('  "requests>=2",\n', "requirements/runtime.txt: requests>=2 is not in it for Python"),
        ('  "click>=99",\n', "requirements/runtime.txt: click>=99 is not in it for Python"),
        (
            "  \"tomli>=2; python_version < '3.12'\",\n",
            "is not in it for Python 3.11 linux x86_64",
        ),
        ("  \"pyobjc; sys_platform == 'darwin'\",\n", "is not in it for Python 3.11 darwin x86_64"),
    ],
)
def test_a_dependency_that_is_not_locked_is_named(
    project: Path, added: str, complaint: str
) -> None:
    """Also a version that the lock does not have, and what only one Python or system needs."""
    change(project / "pyproject.toml", "\ndependencies = [\n", f"\ndependencies = [\n{added}")
    (found,) = problems(project)
    assert complaint in found


def test_what_another_system_needs_is_not_missed_here(project: Path) -> None:
    """There is nothing to install on Windows."""
    added = "  \"pywin32; sys_platform == 'win32'\",\n"
    change(project / "pyproject.toml", "\ndependencies = [\n", f"\ndependencies = [\n{added}")
    assert problems(project) == []


@pytest.mark.parametrize("table", ["[project.optional-dependencies]", "[dependency-groups]"])
def test_a_group_without_a_lock_is_named(project: Path, table: str) -> None:
    """An extra as well."""
    change(project / "pyproject.toml", table, f'{table}\nextraordinary = ["click"]')
    assert problems(project) == ["requirements/extraordinary.txt is missing"]


def test_a_lock_without_a_group_is_named(project: Path) -> None:
    """Nobody would keep it."""
    shutil.copy(project / "requirements" / "fuzz.txt", project / "requirements" / "old.txt")
    (found,) = problems(project)
    assert found.startswith("requirements/old.txt is of no use")


def test_what_builds_the_wheel_is_locked_too(project: Path) -> None:
    """What build-system requires is in the lock of the builds."""
    drop(project / "requirements" / "build.txt", "hatchling")
    assert any("hatchling>=1.26 is not in it" in found for found in problems(project))


def test_what_nobody_asks_for_any_longer_is_named(project: Path) -> None:
    """It would be installed for ever."""
    change(project / "pyproject.toml", '  "freezegun>=1.5",\n', "")
    assert problems(project) == ["requirements/test.txt: freezegun is asked for no longer"]


def test_a_package_without_a_hash_is_named(project: Path) -> None:
    """Anybody's file would do for it."""
    lock = project / "requirements" / "fuzz.txt"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(HASH.sub("", text).replace("\\\n    ", ""), encoding="utf-8")
    assert "requirements/fuzz.txt: atheris 3.0.0 has no hash" in problems(project)


def test_a_hash_that_is_cut_short_is_none(project: Path) -> None:
    """Half a hash is no hash."""
    lock = project / "requirements" / "fuzz.txt"
    text = re.sub(r"(sha256:[0-9a-f]{63})[0-9a-f]", r"\1", lock.read_text(encoding="utf-8"))
    lock.write_text(text, encoding="utf-8")
    (found,) = problems(project)
    assert found.startswith("requirements/fuzz.txt: ")


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://pypi.example.com/simple",
        "--trusted-host pypi.example.com",
        "-e .",
        "click",
        "click>=8",
        "click==8.*,>=8.1",
        "./click-8.1.7-py3-none-any.whl",
    ],
)
def test_a_line_that_is_not_one_version_of_a_package_is_refused(project: Path, line: str) -> None:
    """Options of pip among them: an index of somebody's choice would come with the lock."""
    lock = project / "requirements" / "audit.txt"
    lock.write_text(f"{line}\n{lock.read_text(encoding='utf-8')}", encoding="utf-8")
    (found,) = problems(project)
    assert found.startswith("requirements/audit.txt: ")


def test_two_locks_of_one_environment_may_not_differ(project: Path) -> None:
    """What is installed second would replace the first."""
    (version,) = (
        pin.version
        for pin in load_pins(project / "requirements" / "test.txt")
        if pin.name == "filelock"
    )
    change(project / "requirements" / "audit.txt", f"filelock=={version}", "filelock==3.20.0")
    assert problems(project) == [f"filelock is not the same in every lock: 3.20.0, {version}"]


def test_a_pin_knows_who_wants_it() -> None:
    """One package or several, as uv writes them down."""
    digest = "0" * 64
    alone, shared, asked = parse_pins(
        f"# made by uv\nh11==0.16.0 \\\n    --hash=sha256:{digest}\n    # via httpcore\n"
        f"certifi==2026.1.1 \\\n    --hash=sha256:{digest}\n"
        "    # via\n    #   httpcore\n    #   httpx\n"
        f"httpx==0.28.1 \\\n    --hash=sha256:{digest}\n"
    )
    assert alone.wanted_by == ("httpcore",)
    assert shared.wanted_by == ("httpcore", "httpx")
    assert asked.wanted_by == ()
    assert asked.sha256 == (digest,)


@pytest.mark.parametrize("name", ["Makefile", ".ci/run"])
def test_nothing_is_installed_past_the_locks(name: str) -> None:
    """What pip installs, the locks name with hashes; or it is our own wheel, alone."""
    commands = re.findall(
        r".*\bpip\b.*\binstall\b.*|.*\$\(PIP\) install.*", (ROOT / name).read_text()
    )
    assert len(commands) == {"Makefile": 2, ".ci/run": 0}[name]
    for command in commands:
        assert "--require-hashes" in command or "--no-deps $(VENV)/wheel/agentkeys-" in command
