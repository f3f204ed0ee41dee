"""A home with a running daemon, and a broker and a store for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.place import Place, place_in
from tests.support.programs import Home, new_home


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """One for all tests of a module; its daemon runs."""
    with new_home() as found:
        found.succeed("agentkeys", "daemon", "start")
        yield found


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """Somebody is logged in; nothing is held."""
    with place_in(home) as found:
        yield found
