"""What the tests with a real keyring share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import Home, new_home
from tests.system.secret_service import SecretService, missing_packages


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[SecretService]:
    """A session bus that no keyring is on yet."""
    if packages := missing_packages():
        pytest.fail(f"this needs real programs: apt-get install {' '.join(packages)}")
    with SecretService(tmp_path) as service:
        yield service


@pytest.fixture
def keyring(bus: SecretService) -> SecretService:
    """An unlocked keyring with a default collection."""
    bus.start_keyring(password="pw")
    return bus


@pytest.fixture
def home(bus: SecretService) -> Iterator[Home]:
    """A home whose daemon looks for a keyring on that bus; none runs yet."""
    with new_home() as fresh:
        del fresh.environment["AGENTKEYS_VAULT"]
        fresh.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.environment["DBUS_SESSION_BUS_ADDRESS"]
        yield fresh
