"""A session of boto3 belongs to its profile, whatever is around it, and goes on for days."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import ReadOnlyCredentials

import agentkeys
from agentkeys.aws.boto3_sessions import open_session
from agentkeys.errors import ConfigMismatch, RemoteError, WrongIdentity
from tests.fakes.broker import FakeBroker
from tests.fakes.sts import FakeSts
from tests.support.moved_clock import MovedClock
from tests.support.place import Place
from tests.support.programs import Home
from tests.support.tokens import ALICE, BOB

ENDPOINT = "http://127.0.0.1:9"
INSIDE_THE_WINDOW = timedelta(minutes=14)
"""botocore asks at every call."""

HOSTILE = {
    "AWS_PROFILE": "missing",
    "AWS_DEFAULT_PROFILE": "missing",
    "AWS_ACCESS_KEY_ID": "AKIAHOSTILE",
    "AWS_SECRET_ACCESS_KEY": "hostile",
    "AWS_SESSION_TOKEN": "hostile",
    "AWS_SECURITY_TOKEN": "hostile",
    "AWS_CREDENTIAL_EXPIRATION": "2000-01-01T00:00:00Z",
    "AWS_DEFAULT_REGION": "ap-hostile-1",
    "AWS_ENDPOINT_URL": "http://hostile.example.com",
    "AWS_ENDPOINT_URL_S3": "http://hostile.example.com",
    "AWS_ENDPOINT_URL_STS": "http://hostile.example.com",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/hostile",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent",
    "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/hostile",
}
FILE = """\
[default]
aws_access_key_id = AKIAHOSTILE
aws_secret_access_key = hostile
region = ap-hostile-1
endpoint_url = http://hostile.example.com
s3 =
    addressing_style = hostile
"""


@contextmanager
def a_place(home: Home, longest: timedelta | None = None, **store: str) -> Iterator[Place]:
    """ALICE is logged in; the store's endpoint is ENDPOINT unless `store` says another."""
    with FakeBroker() as broker, FakeSts("aws", longest=longest) as sts:
        place = Place(home, broker, sts)
        place.tables["stores"]["lab"] |= {"s3_endpoint": ENDPOINT} | store
        place.tables["profiles"]["data"] |= {"bucket": "agentkeys", "prefix": "bots/{wallet}/"}
        place.configure()
        place.log_in()
        yield place


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    with a_place(home) as found:
        yield found


@pytest.fixture
def short(home: Home) -> Iterator[Place]:
    """Where sessions are so short that botocore asks at every call."""
    with a_place(home, INSIDE_THE_WINDOW) as found:
        yield found


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock(datetime.now(UTC))


def session_at(place: Place, profile: str | None = None) -> boto3.Session:
    return agentkeys.boto3_session(profile, environ=place.home.environment)


def frozen(session: boto3.Session) -> ReadOnlyCredentials:
    """What the next request would be signed with, after a check that it is all of one answer."""
    credentials = session.get_credentials()
    assert credentials
    found = credentials.get_frozen_credentials()
    numbers = [re.sub(r"\D*0*", "", text or "") for text in found[:3]]
    assert len(set(numbers)) == 1, found
    return found


# whose it is


def test_clients_need_no_argument(place: Place) -> None:
    """Keys, region and endpoint are the profile's."""
    session = session_at(place)
    assert session.region_name == "us-east-1"
    assert frozen(session).access_key == place.through("GET credentials").key
    credentials = session.get_credentials()
    assert credentials
    assert credentials.method == "agentkeys"
    for client in (session.client("s3"), session.resource("s3").meta.client):
        assert (client.meta.region_name, client.meta.endpoint_url) == ("us-east-1", ENDPOINT)


def test_no_service_leaves_a_store_of_one_s_own(place: Place) -> None:
    """Its session token would otherwise be shown to AWS."""
    session = session_at(place)
    assert session.client("sts").meta.endpoint_url == ENDPOINT
    assert session.client("iam").meta.endpoint_url == ENDPOINT


def test_aws_has_its_own_endpoints(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the profile's region, whatever the environment says."""
    del place.tables["stores"]["lab"]["s3_endpoint"]
    place.tables["profiles"]["data"]["region"] = "eu-central-1"
    place.configure()
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    session = session_at(place)
    assert session.client("s3").meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"
    assert session.client("sts").meta.endpoint_url == "https://sts.eu-central-1.amazonaws.com"


def test_the_surroundings_have_no_say(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither variables nor files, nor a profile that does not exist."""
    (tmp_path / ".aws").mkdir()
    for file in ("config", "credentials"):
        (tmp_path / ".aws" / file).write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    session = session_at(place)
    s3 = session.client("s3")
    assert (s3.meta.endpoint_url, s3.meta.region_name) == (ENDPOINT, "us-east-1")
    assert session.available_profiles == []
    key = place.through("GET credentials").key
    assert frozen(session).access_key == key
    url = s3.generate_presigned_url("get_object", {"Bucket": "agentkeys", "Key": "a"})
    assert url.startswith(f"{ENDPOINT}/agentkeys/a?")
    assert f"{key}" in url


def test_what_cannot_change_who_one_is_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries, certificates and checksums are the user's."""
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "7")
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    config: Any = session_at(place).client("s3").meta.config
    assert config.retries["mode"] == "adaptive"
    assert config.retries["total_max_attempts"] == 7
    assert config.request_checksum_calculation == "when_required"


def test_what_the_program_says_wins(place: Place) -> None:
    """It may know better for one client."""
    session = session_at(place)
    s3 = session.client("s3", endpoint_url="http://127.0.0.1:10", region_name="eu-west-1")
    assert (s3.meta.endpoint_url, s3.meta.region_name) == ("http://127.0.0.1:10", "eu-west-1")


def test_no_way_of_saying_nothing_leads_to_aws(place: Place) -> None:
    """An endpoint that is none is none, also where it stands among others."""
    core: Any = session_at(place)._session
    for client in (
        core.create_client("s3", "us-east-1", None, True, None, None),
        core.create_client(service_name="s3", endpoint_url=None),
    ):
        assert client.meta.endpoint_url == ENDPOINT


def test_a_refusal_comes_before_the_first_call(place: Place) -> None:
    """A service that nobody logged in for does not start."""
    place.log_out()
    with pytest.raises(RemoteError) as caught:
        session_at(place)
    assert caught.value.code == "login_required"


# for days


def test_the_next_lease_is_taken_in_time(short: Place, clock: MovedClock) -> None:
    """One ask suffices: the daemon has it already."""
    session = open_session(None, environ=short.home.environment, clock=clock)
    first = frozen(session).access_key
    assert short.home.run("agentkeys", "forget", "data").status == 0
    assert frozen(session).access_key == first
    clock.move(timedelta(seconds=6))
    assert frozen(session).access_key != first


def test_threads_never_mix_two_leases(home: Home) -> None:
    """Thirty-two of them sign with one client's credentials while leases come and go."""
    with a_place(home, timedelta(seconds=4)) as place:
        session = session_at(place)
        seen: set[str | None] = set()

        def sign() -> None:
            end = time.monotonic() + 60
            while len(seen) < 4 and time.monotonic() < end:
                seen.add(frozen(session).access_key)
                time.sleep(0.001)

        with ThreadPoolExecutor(32) as pool:
            for done in [pool.submit(sign) for _ in range(32)]:
                done.result()
        assert len(seen) >= 4


def without_a_daemon(place: Place) -> None:
    pid = place.home.daemon_pid()
    assert pid
    os.kill(pid, signal.SIGKILL)


def logged_out(place: Place) -> None:
    place.log_out()


def with_a_broken_configuration(place: Place) -> None:
    place.home.configure("profiles = 7")


@pytest.mark.parametrize("trouble", [without_a_daemon, logged_out, with_a_broken_configuration])
def test_what_is_good_is_gone_on_with(
    short: Place, clock: MovedClock, trouble: Callable[[Place], None]
) -> None:
    """No call fails before its credentials have ended; then it fails with the reason."""
    session = open_session(None, environ=short.home.environment, clock=clock)
    first = frozen(session)
    trouble(short)
    for _ in range(3):
        clock.move(timedelta(minutes=4))
        assert frozen(session) == first
    clock.move(timedelta(minutes=3))
    with pytest.raises(agentkeys.AgentkeysError) as caught:
        frozen(session)
    assert caught.value.hint


def test_a_stuck_daemon_holds_up_one_thread_for_a_moment(short: Place, clock: MovedClock) -> None:
    """The others go on at once."""
    session = open_session(None, environ=short.home.environment, clock=clock)
    first = frozen(session)
    pid = short.home.daemon_pid()
    assert pid
    clock.move(timedelta(minutes=1))
    os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(8) as pool:
            begun = time.monotonic()
            calls = [pool.submit(timed, session) for _ in range(8)]
            assert {call.result()[0] for call in calls} == {first}
            assert sum(call.result()[1] > 1 for call in calls) == 1
            assert time.monotonic() - begun < 20
    finally:
        os.kill(pid, signal.SIGCONT)


def timed(session: boto3.Session) -> tuple[ReadOnlyCredentials, float]:
    begun = time.monotonic()
    return frozen(session), time.monotonic() - begun


def test_a_session_stays_its_user_s(short: Place, clock: MovedClock) -> None:
    """Whoever logs in later is somebody else."""
    session = open_session(None, environ=short.home.environment, clock=clock)
    first = frozen(session)
    short.log_in(BOB)
    clock.move(timedelta(minutes=1))
    assert frozen(session) == first
    clock.move(timedelta(minutes=14))
    with pytest.raises(WrongIdentity, match=f"{BOB.wallet} and not {ALICE.wallet}"):
        frozen(session)


def test_a_session_stays_at_its_store(short: Place, clock: MovedClock) -> None:
    """Its clients would send keys of the new one to the old one."""
    session = open_session(None, environ=short.home.environment, clock=clock)
    short.tables["stores"]["lab"]["s3_endpoint"] = "http://127.0.0.1:10"
    short.configure()
    clock.move(timedelta(minutes=15))
    with pytest.raises(ConfigMismatch, match="endpoint_url of profile data has changed"):
        frozen(session)


def test_a_session_stays_with_its_profile(short: Place, clock: MovedClock) -> None:
    """Also where it was the default one, and another is now."""
    session = open_session(None, environ=short.home.environment, clock=clock)
    short.tables["profiles"]["other"] = short.sound_profile(duration="20m")
    short.tables["default_profile"] = "other"
    short.configure()
    clock.move(timedelta(seconds=6))
    assert frozen(session).access_key == short.through("GET credentials", "data").key


FORKED = """\
import os, signal, sys, threading, time
import agentkeys

daemon = int(sys.argv[1])
credentials = agentkeys.boto3_session().get_credentials()
time.sleep(2)  # longer than an answer repeats itself
os.kill(daemon, signal.SIGSTOP)
threading.Thread(target=credentials.get_frozen_credentials, daemon=True).start()
while not credentials._refresh_lock.locked():
    time.sleep(0.01)
child = os.fork()
os.kill(daemon, signal.SIGCONT)
if child == 0:
    signal.alarm(30)
    os._exit(0 if credentials.get_frozen_credentials().token else 1)
print(os.waitpid(child, 0)[1])
"""


def test_a_fork_in_the_middle_of_a_refresh_harms_nobody(home: Home) -> None:
    """The child does not wait for a thread that it does not have."""
    with a_place(home, timedelta(seconds=15)):
        script = home.work / "forked.py"
        script.write_text(FORKED, encoding="utf-8")
        printed = home.succeed(sys.executable, "-W", "ignore", script, str(home.daemon_pid()))
    assert printed == "0\n"
