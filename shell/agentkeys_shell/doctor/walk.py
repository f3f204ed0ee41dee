"""Goes through all steps in their order; nothing that one of them meets stops the others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from agentkeys.clock import Clock, SystemClock
from agentkeys.doctor import STEPS, Finding, Outcome, parse_finding
from agentkeys.doctor.finding import failed, from_error, skipped
from agentkeys.errors import AgentkeysError, ProtocolError
from agentkeys.protocol import region_header
from agentkeys_shell.daemon import ask, profile_path
from agentkeys_shell.doctor.asked import Asked
from agentkeys_shell.doctor.config_step import check_config
from agentkeys_shell.doctor.daemon_step import check_daemon
from agentkeys_shell.doctor.folders_step import check_folders
from agentkeys_shell.doctor.socket_step import check_socket

__all__ = ["walk"]

Check = Callable[[Asked], Finding]

_LOCAL: tuple[Check, ...] = (check_config, check_folders, check_socket)
PATIENCE = 120.0
"""Seconds for the daemon's part: a dozen answers, one after the other, each in its own time."""
_DAEMON = "daemon"
_BEFORE = STEPS[: STEPS.index(_DAEMON)]
_BEHIND = STEPS[STEPS.index(_DAEMON) + 1 :]
"""What the daemon looks at itself."""


def walk(
    asked: Asked, *, clock: Clock | None = None, local: Sequence[Check] = _LOCAL
) -> Iterator[Finding]:
    """One finding for each of STEPS, each as soon as it is known; raises nothing.

    `local` are the steps before the daemon's, in their order.
    """
    found = []
    for step, check in zip(_BEFORE, local, strict=True):
        found.append(_guarded(step, partial(check, asked)))
        yield found[-1]
    daemon = _guarded(_DAEMON, partial(check_daemon, asked, clock or SystemClock()))
    if daemon.outcome is Outcome.FAILED:
        yield daemon
        yield from _skip("it needs a daemon that answers")
        return
    try:
        behind = _diagnose(asked)
    except Exception as problem:  # noqa: BLE001 - told as what it is, after the other steps
        yield from _refused(daemon, found[0], problem)
        return
    yield daemon
    yield from behind


def _diagnose(asked: Asked) -> list[Finding]:
    """What the daemon found; raises AgentkeysError."""
    environ = asked.environ
    answer = ask(
        "POST",
        profile_path(asked.profile, "diagnosis", environ),
        environ=environ,
        headers=region_header(environ),
        deadline=time.monotonic() + PATIENCE,
    )
    told = json.loads(answer.body)["findings"]
    found = {finding.step: finding for finding in map(parse_finding, told)}
    if list(found) != list(_BEHIND):
        raise ProtocolError(
            "the daemon's answer holds other steps than this command knows",
            hint="run: agentkeys daemon restart",
        )
    return list(found.values())


def _refused(daemon: Finding, config: Finding, problem: Exception) -> Iterator[Finding]:
    """The daemon answers, but does not look: for what the first step has told already, or else."""
    if config.outcome is Outcome.FAILED:
        yield daemon
        yield from _skip("it needs a configuration with the profile")
        return
    found = _told(_DAEMON, problem)
    yield replace(found, facts=daemon.facts)
    yield from _skip("it needs a daemon that looks at it")


def _skip(why: str) -> Iterator[Finding]:
    return (skipped(step, why) for step in _BEHIND)


def _guarded(step: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as problem:  # noqa: BLE001 - a step that breaks must not take the others along
        return _told(step, problem)


def _told(step: str, problem: Exception) -> Finding:
    if isinstance(problem, AgentkeysError):
        return from_error(step, problem)
    # Only its type: an unforeseen exception's text may quote what it choked on.
    return failed(
        step,
        "unforeseen",
        f"this step ended with an unforeseen {type(problem).__name__}",
        "please report it with what you ran; agentkeys daemon logs may say more",
    )
