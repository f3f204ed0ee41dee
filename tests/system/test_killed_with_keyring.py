"""What a real keyring keeps outlives a daemon that is killed with SIGKILL at any point."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.killing import SPAN, wait_until
from tests.support.offspring import Offspring, offspring
from tests.support.place import SHIM, Place, place_in
from tests.support.programs import Home
from tests.system.secret_service import SecretService

ROUNDS = 20
HELPER = "agentkeys.vault.helper"


@pytest.fixture
def daemons() -> Iterator[Offspring]:
    with offspring() as found:
        yield found


@pytest.fixture
def place(daemons: Offspring, home: Home, keyring: SecretService) -> Iterator[Place]:
    """A place whose daemon keeps things, with a profile `data` and one for each round."""
    home.succeed("agentkeys", "daemon", "start")
    with place_in(home) as found:
        for number in range(ROUNDS):
            profile = found.sound_profile(duration=f"{number + 61}m")
            found.tables["profiles"][f"cold{number}"] = profile
        found.configure()
        yield found


def test_what_was_kept_is_served_after_a_kill(place: Place, daemons: Offspring) -> None:
    """Without a login and without a mint, 20 times: killed as it starts, reads, mints or writes."""
    kept = place.through(SHIM)
    assert kept.served
    place.home.succeed("agentkeys", "daemon", "stop")  # which writes what is still to be written
    dice = random.Random(0)
    for number in range(ROUNDS):
        kill_while_it_mints(place, daemons, f"cold{number}", dice.uniform(0, SPAN))
        mints = place.broker.mints
        assert place.through(SHIM) == kept
        assert place.broker.mints == mints
        wait_until(lambda: len(daemons.daemons()) == len(daemons.running(HELPER)) == 1)


def kill_while_it_mints(place: Place, daemons: Offspring, profile: str, pause: float) -> None:
    """Has a daemon start and mint for `profile`, and kills it so many seconds after its birth."""
    daemons.kill(*daemons.daemons())
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(place.through, SHIM, name) for name in ("data", profile)]
        wait_until(daemons.daemons)
        time.sleep(pause)
        daemons.kill(*daemons.daemons())
        for done in asked:
            done.result()


def test_a_login_that_was_answered_is_kept(place: Place, daemons: Offspring) -> None:
    """Killed the moment after: nobody has to log in twice."""
    for _ in range(3):
        place.log_in()
        daemons.kill(*daemons.daemons())
        assert place.through(SHIM).served
