"""What tests with a real keyring share, and those with a real systemd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import Home, new_home
from tests.system.person import USER, Person
from tests.system.secret_service import SecretService, missing_packages
from tests.system.system_manager import SystemManager, system_manager
from tests.system.user_manager import missing_systemd


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


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemManager]:
    """A systemd for a machine's services, with our programs for everybody."""
    if words := missing_systemd():
        pytest.fail(words)
    with system_manager(tmp_path_factory.mktemp("systemd") / "log") as running:
        yield running


@pytest.fixture
def somebody(manager: SystemManager) -> Iterator[Person]:
    """With a folder of their own and no daemon."""
    folder = "/var/lib/somebody"
    manager.succeed("install", "--directory", "--mode=0700", f"--owner={USER}", folder)
    person = Person(
        manager,
        {
            "HOME": folder,
            "AGENTKEYS_STATE_DIR": f"{folder}/state",
            "AGENTKEYS_SOCKET": f"{folder}/run/daemon.sock",
            "AGENTKEYS_VAULT": "memory",
        },
    )
    yield person
    person.succeed("agentkeys", "daemon", "stop", "--force")
    manager.succeed("rm", "-r", folder)
