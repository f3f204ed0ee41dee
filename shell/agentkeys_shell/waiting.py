"""`agentkeys wait`: asks until a lease lasts long enough, or until it never will."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from agentkeys.errors import (
    USER_MUST_ACT,
    AgentkeysError,
    StsAnswerInvalid,
    VaultUnavailable,
    WrongIdentity,
)
from agentkeys.protocol import CLIENT_DEADLINE
from agentkeys_shell.durations import in_words
from agentkeys_shell.failure import say

__all__ = ["Refresh", "wait_for_lease"]

PAUSE_SECONDS = 1.5
"""Between two questions. The daemon remembers what failed, so that they cost no mints."""

MAY_PASS = USER_MUST_ACT | {VaultUnavailable.code, StsAnswerInvalid.code, WrongIdentity.code}
"""What asking again at once does not mend, but somebody else may: the person who logs in at
another terminal, or whoever brings keyring or store back."""


class Refresh(Protocol):
    """Has the daemon make a lease last; answers with the status document of its profile."""

    def __call__(self, min_ttl_seconds: int, deadline: float) -> bytes:
        """`deadline` is on the monotonic clock. Raises AgentkeysError."""
        ...


def wait_for_lease(
    refresh: Refresh,
    at_least: timedelta,
    *,
    timeout: timedelta | None,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes | None:
    """The status document of a lease with `at_least` left; None when that took too long.

    Tells on stderr what it waits for, each thing once. Raises what waiting does not mend, and
    AgentkeysError where the store's sessions are too short for it.
    """
    end = math.inf if timeout is None else monotonic() + timeout.total_seconds()
    told: set[str] = set()
    # One second more than is needed: some of it passes until the answer is here.
    seconds = int(at_least.total_seconds()) + 1
    while (now := monotonic()) < end:
        try:
            document = refresh(seconds, min(now + CLIENT_DEADLINE, end))
        except AgentkeysError as problem:
            if not (problem.retryable or problem.code in MAY_PASS):
                raise
            left = end - monotonic()
            if left <= 0:
                break
            _tell(problem, told)
            sleep(min(PAUSE_SECONDS, left))
        else:
            profile = json.loads(document)["profiles"][0]
            if profile["expires_at"] is not None:
                _check(profile, at_least)
                return document
            # Forgotten while it was on its way here.
            sleep(max(0.0, min(PAUSE_SECONDS, end - monotonic())))
    return None


def _tell(problem: AgentkeysError, told: set[str]) -> None:
    if problem.message not in told:
        told.add(problem.message)
        say(f"waiting: {problem.message}")
        say(f"hint: {problem.hint}")


def _check(profile: Mapping[str, Any], at_least: timedelta) -> None:
    """The daemon has just minted what does not last: nor will the next one."""
    left = timedelta(seconds=profile["expires_in_seconds"] or 0)
    if left < at_least:
        raise AgentkeysError(
            f"{profile['store']} gives {profile['name']} credentials for"
            f" {in_words(left, exact=True)} only, less than {in_words(at_least, exact=True)}",
            hint="ask for less, or raise the profile's duration and the longest session of the"
            " role or store",
        )
