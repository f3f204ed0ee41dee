"""Where each client is installed: an environment of its own, made when it is first needed.

    .venv-clients/NAME-HASH/     from environments/NAME.txt, whose hash is in the name
    .venv-clients/node-HASH/     from environments/package.json and package-lock.json

One environment for all would give most of them versions that are years old.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from tests.clients.clients import Client
from tests.support.programs import BIN
from tests.support.python_environments import UV

__all__ = ["ROOT", "command_of", "install_all", "programs_of"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent / ".venv-clients"
_PINS = HERE / "environments"
_DRIVERS = HERE / "drivers"
_NODE = "node"
_NODE_FILES = ("package.json", "package-lock.json")
_OLDEST_NODE = 18
# Installing is mostly waiting for a registry.
_AT_ONCE = 4


def install_all(clients: Collection[Client]) -> None:
    """Makes what they need; fails where a program is missing, and says how to install it."""
    names = {client.environment for client in clients if client.environment}
    _check_programs(clients)
    if _NODE in names:
        _check_node()
    ROOT.mkdir(exist_ok=True)
    with FileLock(ROOT / ".lock"), ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(_install, sorted(names)):
            pass


def _check_programs(clients: Collection[Client]) -> None:
    missing = {
        client.package or client.name
        for client in clients
        if client.program and not Path(client.program).exists()
    }
    if missing:
        pytest.fail(f"apt-get install -y --no-install-recommends {' '.join(sorted(missing))}")


def _check_node() -> None:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.fail("apt-get install -y --no-install-recommends nodejs npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.strip().removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        pytest.fail(f"node {version.stdout.strip()} is too old for the SDK: {_OLDEST_NODE} will do")


def command_of(client: Client) -> list[str | Path]:
    """What runs the client's driver."""
    if client.environment == _NODE:
        # Node looks for packages beside the file itself.
        driver = _folder(_NODE) / client.driver
        shutil.copyfile(_DRIVERS / client.driver, driver)
        return ["node", "--no-deprecation", driver]
    return [programs_of(client) / "python", "-B", _DRIVERS / client.driver]


def programs_of(client: Client) -> Path:
    """The folder with its programs; our own for a client of Debian's, whose driver is Python."""
    if client.environment in (None, _NODE):
        return BIN
    assert client.environment
    return _folder(client.environment) / "bin"


def _install(name: str) -> None:
    folder = _folder(name)
    if (folder / "installed").exists():
        return
    for old in ROOT.glob(f"{name}-*"):
        shutil.rmtree(old)
    if name == _NODE:
        folder.mkdir()
        for file in _NODE_FILES:
            shutil.copyfile(_PINS / file, folder / file)
        _call(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], folder)
    else:
        uv = str(BIN / "uv")
        _call([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)])
        pins = ["--quiet", "--no-deps", "--requirement", str(_PINS / f"{name}.txt")]
        _call([uv, "pip", "install", "--python", str(folder / "bin" / "python"), *pins])
    (folder / "installed").touch()


def _call(argv: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(argv, cwd=cwd, env=UV, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(argv)}\n{done.stdout}{done.stderr}")


def _folder(name: str) -> Path:
    files = _NODE_FILES if name == _NODE else (f"{name}.txt",)
    digest = hashlib.sha256(b"".join((_PINS / file).read_bytes() for file in files))
    digest.update(sys.version.encode())
    return ROOT / f"{name}-{digest.hexdigest()[:12]}"
