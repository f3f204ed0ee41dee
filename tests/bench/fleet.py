"""`make bench-fleet`: what many daemons ask of one broker, by the schedule that the daemon uses.

A simulation of days: 10 to 100,000 daemons that each keep one lease of an hour fresh. They were
started in the same second or one after the other, and the broker may be away for ten minutes at
noon. Only time is made up; when a lease is refreshed and when a failure is tried again is decided
by agentkeys.leases.schedule itself.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from agentkeys.leases.schedule import (
    first_refresh,
    next_refresh,
    refresh_after_failure,
    retry_pause,
)

HOUR = timedelta(hours=1)
DAY_MINUTES = 24 * 60
SETTLED = 60
"""The minute from which on a fleet has to be in balance."""
OUTAGE = (12 * 60, 12 * 60 + 10)
"""The minutes in which the broker is away."""
AFTERMATH = 10
"""The minutes after an outage in which a fleet may come back with more than its usual load."""
SIZES = (10, 100, 1_000, 5_000, 10_000, 100_000)


@dataclass(frozen=True, slots=True)
class Scenario:
    """How the daemons' day goes."""

    name: str
    started_within: float
    """Minutes over which the daemons were started."""
    outage: tuple[int, int] | None = None


SCENARIOS = (
    Scenario("started in the same second", started_within=1 / 60),
    Scenario("started over an hour", started_within=60),
    Scenario("same second, outage of 10 min", started_within=1 / 60, outage=OUTAGE),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Mints a minute over a day after the first hour; the peaks are multiples of the mean."""

    mean: float
    busiest_minute: float
    busiest_five: float
    after_outage: float | None
    after_outage_five: float | None


def mints_by_minute(daemons: int, scenario: Scenario, dice: random.Random) -> list[int]:
    """How many mints the broker sees in each minute of the day."""
    minutes = [0] * DAY_MINUTES
    for at in (at for _ in range(daemons) for at in _one_daemon(scenario, dice)):
        minutes[int(at)] += 1
    return minutes


def _one_daemon(scenario: Scenario, dice: random.Random) -> Iterator[float]:
    """The minutes of the day at which it mints."""
    at, expires_at, failures = dice.random() * scenario.started_within, 0.0, 0
    while at < DAY_MINUTES:
        if scenario.outage and scenario.outage[0] <= at < scenario.outage[1]:
            failures += 1
            left = timedelta(minutes=max(0.0, expires_at - at))
            at += _minutes(retry_pause(left, failures, dice.random()))
            continue
        yield at
        plan = first_refresh
        if at < expires_at:
            plan = refresh_after_failure if failures else next_refresh
        expires_at, failures = at + _minutes(HOUR), 0
        at += _minutes(plan(HOUR, dice.random()))


def _minutes(span: timedelta) -> float:
    return span.total_seconds() / 60


def figures(minutes: list[int], scenario: Scenario) -> Figures:
    mean = sum(minutes[SETTLED:]) / (DAY_MINUTES - SETTLED)
    if scenario.outage is None:
        return Figures(mean, *_peaks(minutes[SETTLED:], mean), None, None)
    _, end = scenario.outage
    usual = [*minutes[SETTLED : end - 10], *minutes[end + AFTERMATH :]]
    return Figures(mean, *_peaks(usual, mean), *_peaks(minutes[end : end + AFTERMATH], mean))


def _peaks(minutes: list[int], mean: float) -> tuple[float, float]:
    """The busiest minute and the busiest five in a row, as multiples of the mean."""
    fives = [sum(minutes[start : start + 5]) / 5 for start in range(len(minutes) - 4)]
    return max(minutes) / mean, max(fives) / mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="daemons at most")
    options = parser.parse_args()
    missed = []
    print("| daemons | day | mints a minute | busiest minute | busiest 5 min | after the outage |")
    print("| --- | --- | --- | --- | --- | --- |")
    for scenario in SCENARIOS:
        for daemons in (size for size in SIZES if size <= options.most):
            found = figures(
                mints_by_minute(daemons, scenario, random.Random(options.seed)), scenario
            )
            print(_row(daemons, scenario, found), flush=True)
            missed += _missed(daemons, scenario, found)
    raise SystemExit("\n".join(missed) or 0)


def _row(daemons: int, scenario: Scenario, found: Figures) -> str:
    after = (
        ""
        if found.after_outage is None
        else f"{found.after_outage:.2f} × ({found.after_outage_five:.2f} × over 5)"
    )
    return (
        f"| {daemons:,} | {scenario.name} | {found.mean:.1f} | {found.busiest_minute:.2f} ×"
        f" | {found.busiest_five:.2f} × | {after} |"
    )


def _missed(daemons: int, scenario: Scenario, found: Figures) -> list[str]:
    """The limits that do not hold: by the minute from 5,000 daemons on, over five from 1,000."""
    if daemons < 1_000:
        return []
    by_minute = daemons >= 5_000
    usual = found.busiest_minute if by_minute else found.busiest_five
    after = found.after_outage if by_minute else found.after_outage_five
    where = f"{daemons:,} daemons, {scenario.name}"
    problems = [f"{where}: {usual:.2f} × in the busiest moment, over 1.5"] if usual > 1.5 else []
    if after is not None and after > 3:
        problems.append(f"{where}: {after:.2f} × after the outage, over 3")
    return problems


if __name__ == "__main__":
    main()
