"""Runs modules of ours in our own interpreter, cut off from the caller's surroundings."""

from __future__ import annotations

import site
import sys
from pathlib import Path

import agentkeys

__all__ = ["own_module"]


def own_module(module: str, *arguments: str) -> list[str]:
    """The command that runs `module` as a program.

    Neither PYTHON* variables nor the current folder have a say in what it imports. The user's own
    site packages are left out too, unless that is where we are installed.
    """
    home = Path(agentkeys.__file__).resolve().parent.parent
    in_user_site = home == Path(site.getusersitepackages()).resolve()
    flags = "-EP" if in_user_site else "-I"
    return [sys.executable, flags, "-m", module, *arguments]
