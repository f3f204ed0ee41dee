"""`agentkeys.Client` and `agentkeys.AsyncClient` give what a profile has, or say why not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import agentkeys
from agentkeys.clock import format_utc
from agentkeys.errors import DaemonNotRunning, DaemonTimeout, RemoteError
from tests.fakes.scripted_daemon import ScriptedDaemon
from tests.support.place import Place
from tests.support.programs import Home, new_home
from tests.support.tokens import ALICE

Fetch = Callable[..., agentkeys.ServedCredentials]


def blocking(
    home: Home, profile: str | None = None, *, env: dict[str, str] | None = None, **options: Any
) -> agentkeys.ServedCredentials:
    client = agentkeys.Client(profile, environ=home.environment | (env or {}))
    return client.credentials(**options)


def awaited(
    home: Home, profile: str | None = None, *, env: dict[str, str] | None = None, **options: Any
) -> agentkeys.ServedCredentials:
    client = agentkeys.AsyncClient(profile, environ=home.environment | (env or {}))
    return asyncio.run(client.credentials(**options))


@pytest.fixture(params=[blocking, awaited], ids=["Client", "AsyncClient"])
def fetch(request: pytest.FixtureRequest) -> Fetch:
    found: Fetch = request.param
    return found


@pytest.fixture
def empty_home() -> Iterator[Home]:
    """No daemon runs in it."""
    with new_home() as found:
        yield found


def test_it_gives_what_every_door_gives(fetch: Fetch, place: Place) -> None:
    """The same lease, and where it works."""
    place.tables["stores"]["lab"]["s3_endpoint"] = "http://127.0.0.1:9"
    place.tables["profiles"]["data"] |= {"bucket": "agentkeys", "prefix": "bots/{wallet}/"}
    place.configure()
    found = fetch(place.home, "data")
    shim = place.through("agentkeys-credential-process")
    assert found.access_key_id == shim.key
    assert found.secret_access_key.reveal() in shim.text
    assert found.session_token.reveal() in shim.text
    assert format_utc(found.expires_at) in shim.text
    assert (found.profile, found.region) == ("data", "us-east-1")
    assert (found.endpoint_url, found.bucket) == ("http://127.0.0.1:9", "agentkeys")
    assert (found.wallet, found.prefix) == (ALICE.wallet, f"bots/{ALICE.wallet}/")
    assert found.as_environment()["AWS_EC2_METADATA_DISABLED"] == "true"


def test_the_profile_is_the_named_one_or_the_environment_s_or_the_default(
    fetch: Fetch, place: Place
) -> None:
    """As everywhere."""
    place.tables["profiles"] |= {"other": place.sound_profile(), "third": place.sound_profile()}
    place.tables["default_profile"] = "third"
    place.configure()
    env = {"AGENTKEYS_PROFILE": "other"}
    assert fetch(place.home).profile == "third"
    assert fetch(place.home, env=env).profile == "other"
    assert fetch(place.home, "data", env=env).profile == "data"


def test_an_inherited_region_counts_where_nothing_else_says_one(fetch: Fetch, place: Place) -> None:
    """As it does under `exec`."""
    place.configure()
    assert fetch(place.home, env={"AWS_REGION": "eu-central-1"}).region == "eu-central-1"


def test_a_refusal_says_what_is_wrong_and_what_to_do(fetch: Fetch, place: Place) -> None:
    """With the code that programs can tell it by."""
    with pytest.raises(RemoteError, match="there is no profile 'dta'") as caught:
        fetch(place.home, "dta")
    assert (caught.value.code, caught.value.hint) == ("unknown_profile", "did you mean data?")
    place.log_out()
    with pytest.raises(agentkeys.AgentkeysError) as refused:
        fetch(place.home)
    assert (refused.value.code, refused.value.retryable) == ("login_required", False)
    assert refused.value.hint == "run: agentkeys login me"


def test_it_starts_a_daemon_where_there_is_none(fetch: Fetch, empty_home: Home) -> None:
    """As every command does that needs one."""
    with pytest.raises(RemoteError):
        fetch(empty_home, "nothing")
    assert empty_home.daemon_pid()


def test_many_start_one_daemon(empty_home: Home) -> None:
    """Whoever comes later waits for it."""
    client = agentkeys.AsyncClient("nothing", environ=empty_home.environment)

    async def crowd() -> list[Any]:
        return await asyncio.gather(
            *(client.credentials() for _ in range(50)), return_exceptions=True
        )

    assert {type(answer) for answer in asyncio.run(crowd())} == {RemoteError}
    log = (empty_home.state / "logs" / "daemon.jsonl").read_text(encoding="utf-8")
    assert log.count("serving ") == 1


def test_it_starts_none_inside_a_run(fetch: Fetch, empty_home: Home) -> None:
    """The daemon that the run belongs to is gone; another would know nothing of it."""
    with pytest.raises(DaemonNotRunning) as caught:
        fetch(empty_home, env={"AGENTKEYS_RUN": "abcdefghijklmnop"})
    assert caught.value.hint
    assert not empty_home.socket.exists()


def test_it_waits_no_longer_than_it_is_told(fetch: Fetch, empty_home: Home) -> None:
    """A daemon that is stuck is not waited for."""
    with ScriptedDaemon(empty_home.socket, None), pytest.raises(DaemonTimeout):
        fetch(empty_home, timeout=0.2)


def test_a_client_can_be_shared_by_threads(place: Place) -> None:
    """It keeps nothing between two asks."""
    client = agentkeys.Client(environ=place.home.environment)
    found: list[str] = []

    def ask() -> None:
        found.extend(client.credentials().access_key_id for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 320
    assert len(set(found)) == 1


def test_an_async_client_can_be_shared_by_event_loops(place: Place) -> None:
    """One after the other, and by hundreds of tasks in each."""
    client = agentkeys.AsyncClient(environ=place.home.environment)

    async def crowd() -> set[str]:
        answers = await asyncio.gather(*(client.credentials() for _ in range(300)))
        return {answer.access_key_id for answer in answers}

    assert asyncio.run(crowd()) == asyncio.run(crowd())
    assert len(place.sts.requests) == 1
