"""Faults that come and go, each for less long than every lease has left when it begins."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.bench.soaking.surroundings import Surroundings
from tests.support.faults import BROKER_FAULTS, STS_FAULTS, Fault
from tests.support.faulty_proxy import FaultyProxy

__all__ = ["Weather"]

SHORTEST, LONGEST = 0.3, 1.5
"""Seconds that a spell of faults or of none may last."""

RESERVE = 2.0
"""Seconds of every lease that are left after a spell, for the refresh that it kept from success."""

Spell = tuple[str, Callable[[FaultyProxy], None]]


class Weather:
    """Changes by itself between `begin` and `end`; `spells` counts what there was."""

    def __init__(self, where: Surroundings, *, seed: int = 0) -> None:
        self.spells: Counter[str] = Counter()
        self.now = "calm"
        self._where = where
        self._dice = random.Random(seed)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self._over.clear()
        self._thread = threading.Thread(target=self._change)
        self._thread.start()

    def end(self) -> None:
        """Returns when it is calm."""
        self._over.set()
        if self._thread:
            self._thread.join()

    def _change(self) -> None:
        while not self._over.wait(self._dice.uniform(SHORTEST, LONGEST)):
            length = self._dice.uniform(SHORTEST, LONGEST)
            if self._where.seconds_left() >= length + RESERVE:
                self._spell(length)

    def _spell(self, length: float) -> None:
        sides = self._dice.choice((("broker",), ("STS",), ("broker", "STS")))
        names = []
        for side in sides:
            proxy, faults = self._side(side)
            name, begin = self._dice.choice(_spells(tuple(faults)))
            begin(proxy)
            names.append(f"{side}: {name}")
        self.spells.update(names)
        self.now = " and ".join(names)
        time.sleep(length)
        for side in sides:
            self._side(side)[0].mend()
        if self._where.needs_login():
            self._where.log_in()
        self.now = f"calm after {self.now}"

    def _side(self, side: str) -> tuple[FaultyProxy, Sequence[Fault]]:
        if side == "broker":
            return self._where.broker, tuple(BROKER_FAULTS.values())
        return self._where.sts, tuple(STS_FAULTS.values())


def _spells(faults: Sequence[Fault]) -> Sequence[Spell]:
    def all_alike(fault: Fault) -> Spell:
        return fault.name, lambda proxy: proxy.play(fault)

    return (
        *map(all_alike, faults),
        ("refuse", lambda proxy: proxy.refuse()),
        ("flip", lambda proxy: proxy.flip(*faults)),
        ("draw", lambda proxy: proxy.draw(*faults, seed=len(proxy.handled))),
    )
