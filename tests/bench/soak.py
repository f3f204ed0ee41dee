"""`make soak`: many callers and no end of faults, for minutes, against sessions of seconds.

A real daemon, a real store, a broker, and a proxy in front of each that fails in every way. A lease
that is good is always there, so no request may fail; and nothing may grow. Then the daemon of
another place is killed again and again. Ends with 1 when anything was not as it should be.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from tests.bench.soaking.callers import Crowd
from tests.bench.soaking.surroundings import SESSION, Surroundings, surroundings
from tests.bench.soaking.weather import Weather
from tests.support.killing import Kills, kill_at_random_points
from tests.support.offspring import offspring
from tests.support.place import new_place
from tests.support.tokens import ALICE, BOB

KILLS = 100
WARM_UP = 0.1
"""A part of the time; there are two of them, so that all callers have come at once before."""
FLAT = 0.05
"""How much more memory may be held at the end, as a part of what was at the start."""
MORE_DESCRIPTORS = 2
SHOWN = 10
"""Failures."""
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Figures:
    """What the daemon takes while nobody asks it anything."""

    resident: int
    """Bytes."""
    descriptors: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="under faults")
    parser.add_argument("--kills", type=int, default=KILLS, help="after that")
    options = parser.parse_args()
    print(
        f"{options.minutes:g} min under faults, {options.kills} kills; a table comes after each",
        flush=True,
    )
    sys.stdout.flush()
    sound = soak(options.minutes * 60)
    return 0 if kill(options.kills) and sound else 1


def soak(seconds: float) -> bool:
    """Prints a table; whether everything was as it should be."""
    with surroundings() as where:
        weather = Weather(where)
        crowd = Crowd(where.home, weather=lambda: weather.now)
        _spend(seconds * WARM_UP, where, weather, crowd)
        start = _spend(seconds * WARM_UP, where, weather, crowd)
        warm = where.mints()
        end = _spend(seconds * (1 - 2 * WARM_UP), where, weather, crowd)
        mints = where.mints()
    for failure in crowd.failures[:SHOWN]:
        print(failure)
    flat_memory = end.resident <= start.resident * (1 + FLAT)
    flat_descriptors = end.descriptors <= start.descriptors + MORE_DESCRIPTORS
    asked = ", ".join(f"{count} {what}" for what, count in sorted(crowd.answers.items()))
    print(f"{seconds:.0f} s, sessions of {SESSION.seconds} s\n")
    print("| figure | measured | demanded |\n| --- | --- | --- |")
    print(f"| answered | {asked} | |")
    print(f"| failures | {len(crowd.failures)} | none |")
    print(f"| spells of faults | {weather.spells.total()}, of {len(weather.spells)} kinds | |")
    print(f"| requests that met a fault | {_faults(where)} | |")
    print(f"| mints | {mints}, {warm} of them while warming up | |")
    print(
        f"| resident, warm and at the end | {start.resident / MEBIBYTE:.1f} MiB,"
        f" {end.resident / MEBIBYTE:.1f} MiB | {FLAT:.0%} more at most |"
    )
    print(
        f"| open descriptors, warm and at the end | {start.descriptors},"
        f" {end.descriptors} | {MORE_DESCRIPTORS} more at most |"
    )
    return not crowd.failures and flat_memory and flat_descriptors


def kill(rounds: int) -> bool:
    """Prints the table's last rows; whether every start after a kill went well."""
    with offspring() as daemons, new_place(ALICE, BOB) as place:
        try:
            kills = kill_at_random_points(place, daemons, rounds=rounds)
        except AssertionError as problem:
            print(f"after a kill: {problem}")
            return False
    _print_kills(kills)
    return True


def _print_kills(kills: Kills) -> None:
    ended = ", ".join(f"{name} × {count}" for name, count in sorted(kills.commands.items()))
    print(f"| SIGKILL at random points | {kills.rounds} | each next start serves |")
    print(f"| programs meanwhile, and their exit status | {ended} | |")
    print(f"| first program after a kill, at most | {kills.slowest:.2f} s | |")
    print(f"| lines of the ledger cut off | {kills.torn_lines} | 1 a kill |")


def _spend(seconds: float, where: Surroundings, weather: Weather, crowd: Crowd) -> Figures:
    """Has everybody ask under faults for a while; what the daemon takes once all is quiet."""
    crowd.begin()
    weather.begin()
    try:
        time.sleep(seconds)
    finally:
        weather.end()
        crowd.end()
    return _figures(where)


def _figures(where: Surroundings) -> Figures:
    health = where.health()
    return Figures(health["resident_bytes"], health["open_descriptors"])


def _faults(where: Surroundings) -> int:
    return sum(proxy.requests - proxy.met("pass") for proxy in (where.broker, where.sts))


if __name__ == "__main__":
    sys.exit(main())
