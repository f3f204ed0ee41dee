"""Names to choose from: profiles, identities and runs, as a running daemon or else the files know.

Somebody is in the middle of typing. So nobody starts a daemon or waits for one that hangs, and
whatever fails yields no names: the command itself will say what is wrong.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from agentkeys.client import read_environment
from agentkeys_shell.daemon import ask_running

__all__ = ["Names", "identities", "profiles", "runs"]

SECONDS = 1.0
"""How long a daemon may take."""

Names = Mapping[str, str]
"""Each with a word on what it is."""


def profiles() -> Names:
    """With the identity that each is for."""
    told = _ask("/v1/profiles")
    if told:
        return {entry["name"]: entry["identity"] for entry in told["profiles"]}
    return _configured("profiles")


def identities() -> Names:
    """With the source of each."""
    told = _ask("/v1/status")
    # A daemon with other settings, or one that cannot read its file, knows of others.
    if told and not told["daemon"]["config_error"]:
        return {entry["name"]: entry["source"] for entry in told["identities"]}
    return _configured("identities")


def runs() -> Names:
    """With the program of each; without a daemon there are none."""
    told = _ask("/v1/runs") or {"runs": []}
    return {entry["id"]: entry["program"] or "" for entry in told["runs"]}


def _ask(path: str) -> Any:
    """The daemon's document, None where there is none to be had."""
    deadline = time.monotonic() + SECONDS
    # Whatever it is, it must not come between what somebody types.
    with suppress(Exception):
        answer = ask_running("GET", path, environ=read_environment(), deadline=deadline)
        return answer and json.loads(answer.body)
    return None


def _configured(kind: str) -> Names:
    # Only where there is no daemon: reading the files takes three times as long as asking.
    from agentkeys.config import ConfigSource  # noqa: PLC0415
    from agentkeys.paths import Paths  # noqa: PLC0415

    environ = read_environment()
    with suppress(Exception):  # as above
        config = ConfigSource(environ=environ, paths=Paths.from_environment(environ)).current()
        if kind == "profiles":
            return {name: profile.identity.name for name, profile in config.profiles.items()}
        return {name: identity.source for name, identity in config.identities.items()}
    return {}
