"""The programs as each installer puts them on a machine."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.programs import BIN, Home

SHIM = "agentkeys-credential-process"
CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 600.0
"""Seconds for one step of an installer, on a slow network."""


def install(*argv: str | Path, env: Mapping[str, str] | None = None) -> None:
    """One step of an installer, in our caller's environment, since that knows the way out."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AGENTKEYS_", "AWS_", "PYTHON"))
    }
    done = subprocess.run(
        [str(word) for word in argv],
        env=inherited | dict(env or {}),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def pip(*words: str | Path, env: Mapping[str, str] | None = None) -> None:
    """This interpreter's pip."""
    install(sys.executable, "-Im", "pip", "--quiet", *words, env=env)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel, those of everything that it needs, and of what builds it and what installs it."""
    folder = tmp_path_factory.mktemp("wheels")
    locks = [
        f"--requirement={CHECKOUT / 'requirements' / name}.txt" for name in ("runtime", "build")
    ]
    pip("wheel", "--wheel-dir", folder, "--require-hashes", "--only-binary=:all:", *locks)
    pip("wheel", "--wheel-dir", folder, "--no-deps", "--no-build-isolation", CHECKOUT)
    return folder


@pytest.fixture
def offline(wheels: Path) -> dict[str, str]:
    """Settings with which pip and uv take these wheels and ask nobody."""
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(wheels),
        "UV_PYTHON_DOWNLOADS": "never",
    }


@pytest.fixture
def place(home: Home) -> Iterator[Path]:
    """Where to install; the daemon that was started from there is stopped before it goes."""
    yield home.folder / "installed"
    home.end()


def assert_it_works(home: Home, programs: Path) -> None:
    """Each program answers, and the daemon that they start is the one of the same installation."""
    done = home.run(programs / "agentkeys", "--version")
    assert (done.stdout, done.stderr) == (f"agentkeys {version('agentkeys')}\n", "")
    cold = home.run(programs / SHIM, "--profile", "data")
    assert (cold.status, cold.stdout) == (1, ""), cold
    assert cold.complaint()[0] == "there is no profile 'data'"
    pid = home.daemon_pid()
    interpreter = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    assert Path(interpreter).parent == programs.resolve()
    (home.work / "link").symlink_to(programs / SHIM)
    assert home.run("./link", "--profile", "data") == cold
    failed = home.run(programs / "agentkeys", "exec", "-p", "data", "--", "true")
    assert (failed.status, failed.stderr) == (125, cold.stderr)


def make_environment(place: Path) -> Path:
    """A fresh virtual environment, without a pip of its own; its interpreter."""
    venv.create(place, symlinks=True, with_pip=False)
    return place / "bin" / "python"


def test_pip_installs_the_wheel(
    home: Home, place: Path, wheels: Path, offline: dict[str, str]
) -> None:
    """Into a fresh virtual environment."""
    python = make_environment(place)
    pip("--python", python, "install", *wheels.glob("agentkeys-*.whl"), env=offline)
    assert_it_works(home, place / "bin")


def test_pip_installs_the_checkout_editable(
    home: Home, place: Path, offline: dict[str, str]
) -> None:
    """Where the packages are not beside the programs."""
    python = make_environment(place)
    pip("--python", python, "install", "--no-compile", "--editable", CHECKOUT, env=offline)
    assert_it_works(home, place / "bin")


def test_a_folder_may_have_any_name(
    home: Home, place: Path, wheels: Path, offline: dict[str, str]
) -> None:
    """With a space and more in it, though AWS clients would need quotes."""
    odd = place / "it's a folder"
    python = make_environment(odd)
    pip("--python", python, "install", "--no-compile", *wheels.glob("agentkeys-*.whl"), env=offline)
    assert_it_works(home, odd / "bin")


def test_pipx_installs_it(home: Home, place: Path, wheels: Path, offline: dict[str, str]) -> None:
    """With links in a folder of programs; those work too."""
    env = offline | {
        "PIPX_HOME": str(place / "pipx"),
        "PIPX_BIN_DIR": str(place / "bin"),
        "PIPX_MAN_DIR": str(place / "man"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
    }
    (wheel,) = wheels.glob("agentkeys-*.whl")
    install(sys.executable, "-Im", "pipx", "install", wheel, env=env)
    assert (place / "bin" / SHIM).is_symlink()
    assert home.run(place / "bin" / "agentkeys", "--version").status == 0
    assert_it_works(home, place / "pipx" / "venvs" / "agentkeys" / "bin")


def test_uv_installs_it_as_a_tool(
    home: Home, place: Path, wheels: Path, offline: dict[str, str]
) -> None:
    """As `uv tool install` does."""
    env = offline | {
        "UV_TOOL_DIR": str(place / "tools"),
        "UV_TOOL_BIN_DIR": str(place / "bin"),
        "UV_CACHE_DIR": str(place / "cache"),
    }
    (wheel,) = wheels.glob("agentkeys-*.whl")
    install(BIN / "uv", "tool", "install", "--python", sys.executable, wheel, env=env)
    assert home.run(place / "bin" / "agentkeys", "--version").status == 0
    assert_it_works(home, place / "tools" / "agentkeys" / "bin")
