"""Real clients' environments, and the places in which they are driven."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.sandbox_record import load_sandbox_record
from agentkeys_shell.sandbox.iam import ROLE_ARN
from agentkeys_shell.sandbox.lifecycle import start_sandbox
from tests.clients.ahead import Ahead
from tests.clients.clients import CLIENTS, DOORS, Client, Door, client_named
from tests.clients.doors import LEASE, Place, play
from tests.clients.environments import install_all
from tests.clients.matrix import Case, render
from tests.clients.stale import STALE, stale_home
from tests.support.dev_broker import BrokerClient
from tests.support.programs import new_home

_LIFETIME = 3 * LEASE.total_seconds() + 3


@pytest.fixture(scope="session")
def installed(request: pytest.FixtureRequest) -> None:
    """Every client that a test of this run drives."""
    driven = {params["client"] for params in _parameters(request) if "client" in params}
    always = {client_named("boto3")}
    install_all(driven | always)


@pytest.fixture(scope="session")
def place(installed: None) -> Iterator[Place]:
    """Where leases last an hour."""
    with _logged_in() as found:
        yield found


@pytest.fixture(scope="session")
def short_place(installed: None) -> Iterator[Place]:
    """Where leases last for LEASE, the longest that the store gives."""
    with _logged_in(max_session=LEASE) as found:
        yield found


@pytest.fixture(scope="session")
def logged_out(place: Place) -> Iterator[Place]:
    """Where nobody has logged in."""
    with new_home() as home:
        home.configure(_configuration("http://127.0.0.1:9", place.endpoint))
        found = Place(home, "data", place.prefix, place.endpoint)
        found.write_aws_files()
        yield found


@pytest.fixture(scope="session")
def leavers_place(place: Place) -> Iterator[Place]:
    """A home at the broker of `place`, for somebody who logs in and out."""
    record = load_sandbox_record(place.home.state / "sandbox")
    assert record
    with new_home() as home:
        home.configure(_configuration(record.broker.url, place.endpoint))
        yield Place(home, "data", place.prefix, place.endpoint)


@pytest.fixture
def leaving(leavers_place: Place, place: Place) -> Place:
    """Where somebody is logged in, and may leave."""
    record = load_sandbox_record(place.home.state / "sandbox")
    assert record
    with BrokerClient(record.broker.url) as broker:
        session = broker.managed_login("leaver@example.com")["session_jwt"]
    done = leavers_place.home.run("agentkeys", "login", "--session-stdin", stdin=session)
    assert done.status == 0, done
    return leavers_place


@pytest.fixture(scope="session")
def once(request: pytest.FixtureRequest, place: Place) -> Iterator[Ahead]:
    """The whole job at every door."""
    with Ahead(
        _cases(request, "once"), lambda client, door: play(place, client, door, "once")
    ) as ahead:
        yield ahead


@pytest.fixture(scope="session")
def lives(request: pytest.FixtureRequest, short_place: Place) -> Iterator[Ahead]:
    """Jobs that outlive three leases, most of which is waiting."""
    with Ahead(
        _cases(request, "lives"),
        lambda client, door: play(short_place, client, door, "live", str(_LIFETIME)),
        # A short lease has to be used within a second or two: a crowd of programs would starve.
        at_once=8,
    ) as ahead:
        yield ahead


@pytest.fixture(scope="session")
def beside_others(
    request: pytest.FixtureRequest, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ahead]:
    """The whole job where variables and ~/.aws hold other credentials, which nobody takes."""
    others = STALE | {"HOME": str(stale_home(tmp_path_factory.mktemp("home")))}
    with Ahead(
        _cases(request, "beside_others"),
        lambda client, door: play(place, client, door, "once", **others),
    ) as ahead:
        yield ahead


@pytest.fixture(scope="session")
def shims(request: pytest.FixtureRequest, logged_out: Place) -> Iterator[Ahead]:
    """One call each, of clients whose shim has nothing for them."""
    with Ahead(
        _cases(request, "shims"), lambda client, door: play(logged_out, client, door, "ask")
    ) as ahead:
        yield ahead


def _cases(request: pytest.FixtureRequest, fixture: str) -> list[tuple[Client, Door]]:
    """Those of this run's tests that use `fixture`."""
    return [
        (params["client"], params["door"])
        for params in _parameters(request, fixture)
        if "door" in params
    ]


def _parameters(request: pytest.FixtureRequest, fixture: str | None = None) -> list[dict[str, Any]]:
    """Of every test of this run that has some, or of those that use `fixture`."""
    return [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        if fixture is None or fixture in item.fixturenames
    ]


def _configuration(broker: str, store: str) -> str:
    return (
        f'[identities.me]\nsource = "broker"\nurl = "{broker}"\n\n'
        f'[stores.lab]\nkind = "seaweedfs"\nsts_endpoint = "{store}"\ns3_endpoint = "{store}"\n\n'
        f'[profiles.data]\nidentity = "me"\nstore = "lab"\nrole_arn = "{ROLE_ARN}"\n'
        'bucket = "agentkeys"\n'
    )


@contextmanager
def _logged_in(max_session: timedelta | None = None) -> Iterator[Place]:
    """A home with a sandbox, in which the made-up user is at home."""
    with new_home() as home:
        home.state.mkdir(mode=0o700)
        record = start_sandbox(
            home.state / "sandbox", users=1, max_session=max_session, progress=lambda _: None
        )
        printed = home.succeed("agentkeys", "exec", "--", "printenv", "AGENTKEYS_S3_PREFIX")
        found = Place(home, record.users[0].profile, printed.strip(), record.store.url)
        found.write_aws_files()
        yield found


def pytest_make_parametrize_id(val: object) -> str | None:
    """A client's name as a test's id."""
    return val.slug if isinstance(val, Client) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The matrix, as this run has found it."""
    failed = _cases_of(terminalreporter, "failed") | _cases_of(terminalreporter, "error")
    passed = _cases_of(terminalreporter, "passed")
    every = {(client.name, door) for client in CLIENTS for door in DOORS}
    if passed or failed:
        terminalreporter.write_sep("=", "clients and doors")
        terminalreporter.write(render(failed, every - passed - failed))


def pytest_itemcollected(item: pytest.Item) -> None:
    """A report knows nothing of its test's parameters unless it is told."""
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        found: dict[str, Any] = item.callspec.params
        if "client" in found and "door" in found:
            item.user_properties.append(("case", (found["client"].name, found["door"])))


def _cases_of(reporter: pytest.TerminalReporter, outcome: str) -> set[Case]:
    found: set[Case] = set()
    for report in reporter.getreports(outcome):
        found |= {value for name, value in report.user_properties if name == "case"}
    return found
