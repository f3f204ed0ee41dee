"""A home with a running daemon, and brokers, issuers and stores for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.federated_store import FederatedStore, running_federated_store
from tests.support.offspring import Offspring, offspring
from tests.support.oidc_provider import OidcProvider, running_provider
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


@pytest.fixture
def daemons() -> Iterator[Offspring]:
    """The test's own, however detached; those that are left are killed."""
    with offspring() as found:
        yield found


@pytest.fixture(scope="session")
def oidc_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    """One for all tests, which leave it as they find it."""
    with running_provider(tmp_path_factory.mktemp("oidc-provider")) as found:
        yield found


@pytest.fixture(scope="session")
def federated_store(
    oidc_provider: OidcProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FederatedStore]:
    """One that believes the provider, for all tests; nobody reads what another has put there."""
    folder = tmp_path_factory.mktemp("federated")
    with running_federated_store(folder / "store", provider=oidc_provider) as found:
        yield found
