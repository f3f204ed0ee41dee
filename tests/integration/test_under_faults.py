"""An hour in which broker and stores fail in another way every minute, in compressed time.

The App of a daemon with its refresher, its transport and real HTTP on loopback; only time is not
real.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentkeys.errors import AgentkeysError, LoginRequired
from agentkeys.leases import Freshness, Lease, assess
from tests.fakes.broker import FakeBroker
from tests.fakes.sts import FakeSts
from tests.support.compressed import CompressedDaemon, compressed_daemon
from tests.support.faults import BROKER_FAULTS, STS_FAULTS, Fault
from tests.support.faulty_proxy import FaultyProxy
from tests.support.hasty_loop import run_hastily
from tests.support.moved_clock import MovedClock
from tests.support.place import ROLE

BRIEF = timedelta(minutes=5)
"""How long sessions of the store `brief` live, whatever it is asked for."""
LONG = {f"long{minutes}": ("lab", minutes) for minutes in range(15, 61, 3)}
SHORT = {f"short{minutes}": ("brief", minutes) for minutes in range(15, 19)}
PROFILES = {**LONG, **SHORT}
"""Each with its store and the minutes that it asks for, so that each has leases of its own."""

MINUTES = 60
REQUESTS = 3
"""For each profile in a minute, more or less."""
SOON = timedelta(seconds=5)
"""Within this a request is answered for which something good is held."""
ZERO = timedelta(0)


@dataclass
class Surroundings:
    """What the daemon of a story has around it."""

    folder: Path
    clock: MovedClock
    broker: FakeBroker
    to_broker: FaultyProxy
    to_stores: Mapping[str, FaultyProxy]

    @property
    def requests(self) -> int:
        """How many have arrived, answered well or not."""
        proxies = (self.to_broker, *self.to_stores.values())
        return sum(proxy.requests for proxy in proxies)

    def at_stores(self, begin: Callable[[FaultyProxy], None]) -> None:
        for proxy in self.to_stores.values():
            begin(proxy)

    def mend(self) -> None:
        self.to_broker.mend()
        self.at_stores(lambda proxy: proxy.mend())

    def play(self, story: Callable[[CompressedDaemon], Awaitable[None]]) -> None:
        """With a daemon at which somebody has logged in."""

        async def whole() -> None:
            async with compressed_daemon(self.folder, self._tables(), clock=self.clock) as daemon:
                await daemon.log_in(self.broker.session_jwt())
                await story(daemon)

        run_hastily(whole())

    def _tables(self) -> dict[str, Any]:
        return {
            "identities": {"me": {"source": "broker", "url": self.to_broker.url}},
            "stores": {
                name: {"kind": "aws", "sts_endpoint": proxy.url}
                for name, proxy in self.to_stores.items()
            },
            "profiles": {
                name: {
                    "identity": "me",
                    "store": store,
                    "role_arn": ROLE,
                    "duration": f"{minutes}m",
                }
                for name, (store, minutes) in PROFILES.items()
            },
        }


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Surroundings]:
    clock = MovedClock()
    with ExitStack() as stack:
        broker = stack.enter_context(FakeBroker(clock=clock))
        stores = {"lab": FakeSts(clock=clock), "brief": FakeSts(clock=clock, longest=BRIEF)}
        proxies = {
            name: stack.enter_context(FaultyProxy(stack.enter_context(store).url))
            for name, store in stores.items()
        }
        to_broker = stack.enter_context(FaultyProxy(broker.url))
        yield Surroundings(tmp_path, clock, broker, to_broker, proxies)


# the hour

Trouble = Callable[[Surroundings], None]


def troubles(dice: random.Random) -> Mapping[str, Trouble]:
    """One for each minute: every fault of either side, then of both sides at once."""
    broker, sts = tuple(BROKER_FAULTS.values()), tuple(STS_FAULTS.values())
    found: dict[str, Trouble] = {
        "broker: refuse": lambda around: around.to_broker.refuse(),
        "STS: refuse": lambda around: around.at_stores(lambda proxy: proxy.refuse()),
        "broker: flip": lambda around: around.to_broker.flip(*broker),
        "STS: flip": lambda around: around.at_stores(lambda proxy: proxy.flip(*sts)),
        "broker: draw": lambda around: around.to_broker.draw(*broker, seed=1),
        "STS: draw": lambda around: around.at_stores(lambda proxy: proxy.draw(*sts, seed=2)),
    }
    found |= {f"broker: {fault.name}": partial(_play, fault, None) for fault in broker}
    found |= {f"STS: {fault.name}": partial(_play, None, fault) for fault in sts}
    while len(found) < MINUTES:
        one, other = dice.choice(broker), dice.choice(sts)
        found[f"broker: {one.name}, STS: {other.name}"] = partial(_play, one, other)
    names = list(found)
    dice.shuffle(names)
    return {name: found[name] for name in names}


def _play(broker: Fault | None, sts: Fault | None, around: Surroundings) -> None:
    if broker:
        around.to_broker.play(broker)
    if sts:
        around.at_stores(lambda proxy: proxy.play(sts))


@dataclass(frozen=True)
class Asked:
    """A request that has been answered."""

    minute: str
    profile: str
    left: timedelta
    """Of the lease that was held when it came."""
    took: timedelta
    outcome: Lease | AgentkeysError
    good_for: timedelta
    """What was served, when it was served."""


async def ask(daemon: CompressedDaemon, profile: str, minute: str = "") -> Asked:
    left, begun = daemon.left(profile), daemon.clock.now()
    outcome: Lease | AgentkeysError
    good_for = ZERO
    try:
        outcome = await daemon.ask(profile)
        good_for = outcome.remaining(daemon.clock)
    except AgentkeysError as problem:
        outcome = problem
    return Asked(minute, profile, left, daemon.clock.now() - begun, outcome, good_for)


async def spend_a_minute(
    daemon: CompressedDaemon, around: Surroundings, name: str, trouble: Trouble, dice: random.Random
) -> list[Asked]:
    """Trouble for a part of it, and requests at any time."""
    begin = dice.randrange(20)
    end = begin + dice.randrange(10, 40)
    asking = []
    for second in range(60):
        if second == begin:
            trouble(around)
        if second == end:
            around.mend()
        asking += [
            asyncio.ensure_future(ask(daemon, profile, name))
            for profile in PROFILES
            if dice.random() < REQUESTS / 60
        ]
        await daemon.spend(1)
    while not all(task.done() for task in asking):
        await daemon.spend(1)
    return [task.result() for task in asking]


def test_an_hour_of_faults_loses_no_request(around: Surroundings) -> None:
    """While a lease is good it is served, at once or nearly so; and in the end all is well."""
    dice = random.Random(3)
    answered: list[Asked] = []

    async def story(daemon: CompressedDaemon) -> None:
        for profile in PROFILES:
            assert isinstance(await daemon.told(profile), Lease)
        for name, trouble in troubles(dice).items():
            answered.extend(await spend_a_minute(daemon, around, name, trouble, dice))
            if daemon.needs_login():
                await daemon.log_in(around.broker.session_jwt())
        assert_bounded(daemon, around)
        await assert_recovers(daemon, around)

    around.play(story)
    for each in answered:
        if each.left > SOON:
            assert isinstance(each.outcome, Lease), each
            assert each.took <= SOON, each
        if isinstance(each.outcome, Lease):
            assert each.good_for > ZERO, each


def assert_bounded(daemon: CompressedDaemon, around: Surroundings) -> None:
    """A few leases in the life of one, and a few requests for each."""
    mints = Counter({name: daemon.rows.mints(name) for name in PROFILES})
    for name, (store, minutes) in PROFILES.items():
        lives = MINUTES / (BRIEF / timedelta(minutes=1) if store == "brief" else minutes)
        assert mints[name] <= 4 * (lives + 1), mints
    assert around.requests <= 5 * mints.total()


async def assert_recovers(daemon: CompressedDaemon, around: Surroundings) -> None:
    """With all faults gone, each lease is as fresh as can be before the next hour is over."""
    around.mend()
    for _ in range(15):
        await daemon.spend(60)
        for profile in PROFILES:
            assert isinstance(await daemon.told(profile), Lease)
    for name in PROFILES:
        held = daemon.held(name)
        assert held
        assert assess(held, daemon.clock) is Freshness.FRESH
    assert not daemon.app.last_errors


# what is remembered of faults


def test_a_refused_session_is_not_shown_again(around: Surroundings) -> None:
    """401 is an answer, not a reason to ask again; leases go on, and a login ends it."""

    async def story(daemon: CompressedDaemon) -> None:
        for profile in LONG:
            assert isinstance(await daemon.told(profile), Lease)
        around.to_broker.play(BROKER_FAULTS["401"])
        while any(daemon.left(profile) > SOON for profile in LONG):
            for profile in LONG:
                good = daemon.left(profile) > SOON
                told = await daemon.told(profile)
                assert isinstance(told, Lease if good else Lease | LoginRequired)
            await daemon.spend(30)
        assert 1 <= around.to_broker.met("401") <= len(LONG)
        around.mend()
        await daemon.log_in(around.broker.session_jwt())
        for profile in LONG:
            assert isinstance(await daemon.told(profile), Lease)

    around.play(story)


@pytest.mark.parametrize("name", [name for name in BROKER_FAULTS if name not in ("401", "delay")])
def test_a_failure_is_told_to_everybody_for_a_few_seconds(around: Surroundings, name: str) -> None:
    """One attempt for a storm of callers; once its time is over, the next one goes out again."""

    async def story(daemon: CompressedDaemon) -> None:
        around.to_broker.play(BROKER_FAULTS[name])
        first = await daemon.told("long60")
        assert isinstance(first, AgentkeysError)
        around.mend()
        asked = around.requests
        for _ in range(50):
            told = await ask(daemon, "long60")
            assert isinstance(told.outcome, AgentkeysError)
            assert told.outcome.message == first.message
        assert around.requests == asked
        await daemon.spend(10)
        assert isinstance(await daemon.told("long60"), Lease)

    around.play(story)
