"""Python environments with the agentkeys of this checkout and SDKs that do not get along with ours.

The AWS CLI wants one version of botocore and aiobotocore another, aioboto3 a third. They are made
where they are first needed, in .venv-clients/ beside the sources, and kept.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.programs import BIN

__all__ = ["AIOBOTO3", "AIOBOTOCORE", "REQUESTS", "UV", "python_with"]

UV = {**os.environ, "UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}
"""For uv, which believes other authorities than the machine's own unless it is told."""

AIOBOTOCORE = ("aiobotocore==3.10.0", "s3fs==2026.9.0")
AIOBOTO3 = ("aioboto3==15.5.0",)
REQUESTS = ("requests==2.32.5",)

_CHECKOUT = Path(__file__).resolve().parent.parent.parent
_ENVIRONMENTS = _CHECKOUT / ".venv-clients"


@cache
def python_with(requirements: tuple[str, ...]) -> Path:
    """The interpreter of an environment with these, and with the library as it is now."""
    digest = hashlib.sha256(repr((requirements, sys.version)).encode()).hexdigest()
    folder = _ENVIRONMENTS / f"library-{digest[:12]}"
    python = folder / "bin" / "python"
    _ENVIRONMENTS.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not python.exists():
            _uv("venv", "--no-project", "--python", sys.executable, str(folder))
        install = ("pip", "install", "--python", str(python))
        _uv(*install, "--reinstall-package", "agentkeys", *requirements, str(_CHECKOUT))
    return python


def _uv(*arguments: str) -> None:
    argv = [str(BIN / "uv"), *arguments]
    done = subprocess.run(argv, env=UV, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(argv)}\n{done.stderr}")
