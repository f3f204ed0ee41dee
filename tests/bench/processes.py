"""Whole processes, timed in turn so that a drifting machine hits all of them alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping, Sequence

__all__ = ["median_seconds"]


def median_seconds(
    commands: Mapping[str, Sequence[str]],
    *,
    environment: Mapping[str, str],
    runs: int,
    warm_up: int = 1,
) -> dict[str, float]:
    """The median wall time of each command over `runs` rounds, after some that do not count."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(warm_up + runs):
        for name, argv in commands.items():
            seconds = _time(argv, environment)
            if number >= warm_up:
                taken[name].append(seconds)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _time(argv: Sequence[str], environment: Mapping[str, str]) -> float:
    # posix_spawn: forking this process would cost more than what is measured.
    nowhere = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, nowhere, number) for number in (0, 1)]
    begun = time.perf_counter()
    pid = os.posix_spawn(argv[0], list(argv), dict(environment), file_actions=actions)
    _, status = os.waitpid(pid, 0)
    seconds = time.perf_counter() - begun
    os.close(nowhere)
    if status:
        raise SystemExit(f"{' '.join(argv)} ended with status {os.waitstatus_to_exitcode(status)}")
    return seconds
