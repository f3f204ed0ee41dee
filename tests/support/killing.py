"""Kills the daemon of a place at any point, while programs use it, and sees what comes after."""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.busy_programs import busy_programs, check_document
from tests.support.offspring import Offspring
from tests.support.place import SHIM, Place
from tests.support.programs import PATIENCE, Home

__all__ = ["MOMENTS", "SPAN", "Kills", "kill_at", "kill_at_random_points", "wait_until"]

SPAN = 1.2
"""Seconds from a daemon's birth to where it has started, logged in, minted and written."""
PROMPT = 15.0
"""Seconds that the first program after a kill may take, on a machine that is busy."""

Moment = Callable[[Place, Offspring], None]


@dataclass
class Kills:
    """What happened in some rounds."""

    rounds: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    """What programs that ran while the daemon was killed ended with: name and status."""
    slowest: float = 0.0
    """Seconds that the first program after a kill took at most."""
    torn_lines: int = 0
    """Lines of the ledger that were cut off."""


def kill_at_random_points(
    place: Place, offspring: Offspring, *, rounds: int, seed: int = 0
) -> Kills:
    """Rounds that end between a daemon's birth and some time after its first writes.

    Fails where anything is not as it was before the kill.
    """
    dice = random.Random(seed)
    kills = Kills()
    for _ in range(rounds):
        pause = dice.uniform(0, SPAN)
        kill_at(_after(pause), place, offspring, kills)
    return kills


def kill_at(moment: Moment, place: Place, offspring: Offspring, kills: Kills) -> None:
    """One round: no daemon, programs that start one, a kill when `moment` returns, a recovery."""
    ledger = place.home.state / "audit" / "ledger.jsonl"
    offspring.kill(*offspring.daemons())
    ledger.unlink(missing_ok=True)
    with busy_programs(place, kills.commands):
        moment(place, offspring)
        offspring.kill(*offspring.daemons())
    _recover(place, offspring, kills)
    kills.rounds += 1


# When.


def _after(seconds: float) -> Moment:
    def moment(place: Place, offspring: Offspring) -> None:
        wait_until(offspring.daemons)
        time.sleep(seconds)

    return moment


def _as_its_process_appears(place: Place, offspring: Offspring) -> None:
    wait_until(offspring.daemons)


def _as_it_has_the_lock(place: Place, offspring: Offspring) -> None:
    pid_file = place.home.socket.with_name(f"{place.home.socket.name}.pid")

    def has_it() -> bool:
        return pid_file.exists() and pid_file.read_text() in map(str, offspring.daemons())

    wait_until(has_it)


def _as_its_socket_listens(place: Place, offspring: Offspring) -> None:
    wait_until(lambda: _listens(place.home))


def _in_the_midst_of_a_mint(place: Place, offspring: Offspring) -> None:
    with place.broker.stuck():
        before = place.broker.mints
        wait_until(lambda: place.broker.mints > before)
        offspring.kill(*offspring.daemons())


def _while_the_store_is_asked(place: Place, offspring: Offspring) -> None:
    with place.sts.stuck():
        before = len(place.sts.requests)
        wait_until(lambda: len(place.sts.requests) > before)
        offspring.kill(*offspring.daemons())


def _as_it_has_served(place: Place, offspring: Offspring) -> None:
    ledger = place.home.state / "audit" / "ledger.jsonl"
    wait_until(lambda: ledger.exists() and b'"serve"' in ledger.read_bytes())


MOMENTS: dict[str, Moment] = {
    "as its process appears": _as_its_process_appears,
    "as it has the lock": _as_it_has_the_lock,
    "as its socket listens": _as_its_socket_listens,
    "in the midst of a mint": _in_the_midst_of_a_mint,
    "while the store is asked": _while_the_store_is_asked,
    "as it has served": _as_it_has_served,
}
"""Points that are worth a kill of their own, by their names."""


# What is there afterwards.


def _recover(place: Place, offspring: Offspring, kills: Kills) -> None:
    """The next programs find or make a daemon that serves, and it is the only one."""
    begun = time.monotonic()
    first = place.home.run(SHIM)
    kills.slowest = max(kills.slowest, time.monotonic() - begun)
    assert kills.slowest < PROMPT, kills
    if first.status != 0:
        # What was held in memory has gone with the daemon; whoever logs in again goes on.
        assert first.status == 3, first
        assert first.complaint() == ("nobody is logged in as me", "run: agentkeys login me")
    place.log_in()
    check_document(place.home.succeed(SHIM))
    place.home.succeed("agentkeys", "exec", "--", "true")
    wait_until(lambda: len(offspring.daemons()) <= 1)
    assert offspring.daemons() == [place.home.daemon_pid()]
    kills.torn_lines += _torn_lines(place)


def _torn_lines(place: Place) -> int:
    """How many of the ledger's lines cannot be read; more than one kill can tear is an error."""
    torn = 0
    text = (place.home.state / "audit" / "ledger.jsonl").read_text(encoding="utf-8")
    for line in text.splitlines():
        try:
            json.loads(line)
        except ValueError:
            torn += 1
    assert torn <= 1, text
    return torn


def _listens(home: Home) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(home.socket)) == 0


def wait_until(condition: Callable[[], object]) -> None:
    """Looks again and again, since what is waited for gives no sign."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.002)
