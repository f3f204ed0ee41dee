"""What clients need of us, rule by rule, as they were measured.

Here is what is seen with real programs. The other tests of each rule:

1   the same answer to asks that come close together: unit/test_repeating, e2e/test_shim
2   more than 15 minutes left: unit/test_lease_schedule, e2e/test_shim
3   no error while something valid is held: unit/test_lease_cache, integration/test_under_faults
4   nothing that is about to expire: unit/test_lease_cache, unit/test_lease_freshness; rclone, which
    uses credentials to their last second, in test_lives
5   the exact form of Expiration: e2e/test_shim, unit/test_documents
6   Version 1, and always a token: e2e/test_shim
7   the fields of the endpoint's answer: unit/test_endpoint
8   two lines and a status where the shim fails, nothing where it does not: e2e/test_shim; who shows
    them: test_failures
9   the endpoint's errors: unit/test_endpoint; who shows them: test_failures
10  the endpoint answers in time, and the shim ends: unit/test_endpoint, e2e/test_shim
11  the token, in a variable and in a file
12  the form of the endpoint's address
13  proxies are not for this machine
14  no profile in the child: e2e/test_exec, unit/test_child_environment
15  no other credentials in the child: e2e/test_exec, unit/test_child_environment
16  the line in ~/.aws/config: the one that every test at the process door uses
17  standard input is left alone: e2e/test_shim
18  many starts, one mint: unit/test_lease_cache, `make bench`
19  Expiration is the store's own: unit/test_sts_answer
20  no question to the machine's metadata service: unit/test_documents
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.clients.ahead import Ahead
from tests.clients.clients import DOORS, Answers, Client, Door, cases, client_named
from tests.clients.doors import HINT, Place, log_out, open_door, play, play_program

EXPIRATION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
URI = re.compile(r"http://127\.0\.0\.1:[1-9]\d{1,4}/[a-zA-Z0-9/]+")
LINE = re.compile(r"credential_process = (/[A-Za-z0-9_./-]+) --profile [a-z-]+")
DRIVERS = Path(__file__).resolve().parent / "drivers"
BOTO3 = client_named("boto3")
A_PROXY = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}


def given(place: Place, door: Door) -> dict[str, Any]:
    """Key, token and expiration, in the words of the shim's document."""
    if door == "process":
        document: dict[str, Any] = json.loads(
            place.home.succeed("agentkeys-credential-process", "--profile", place.profile)
        )
        return document
    if door == "endpoint":
        answer = asked(place)
        document = json.loads(answer["words"])
        return document | {"SessionToken": document["Token"]}
    variables = run_variables(place)
    return {
        "AccessKeyId": variables["AWS_ACCESS_KEY_ID"],
        "SessionToken": variables["AWS_SESSION_TOKEN"],
        "Expiration": variables["AWS_CREDENTIAL_EXPIRATION"],
    }


def run_variables(place: Place, *options: str, **env: str) -> dict[str, str]:
    """The environment of a program under `exec`."""
    argv = ["agentkeys", "exec", *options, "--", "env", "-0"]
    entries = place.home.succeed(*argv, env=env).split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


def asked(place: Place, act: Callable[..., None] | None = None) -> dict[str, Any]:
    """What a program in a run learns from its endpoint, asked after `act`."""
    command: list[str | Path] = [sys.executable, "-I", DRIVERS / "asking_endpoint.py"]
    done = play_program(place, "endpoint", command, act=act)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


# 1


@pytest.mark.parametrize("door", ["process", "endpoint"])
def test_parts_that_are_read_one_after_the_other_belong_together(
    short_place: Place, door: Door
) -> None:
    """Also where every read asks again, and leases are renewed in between."""
    command, environment = open_door(short_place, BOTO3, door)
    command = [*command[:-1], DRIVERS / "reading_apart.py"]
    done = short_place.home.run(*command, "14", env=environment)
    assert done.status == 0, done
    readings = {tuple(json.loads(line)) for line in done.stdout.splitlines()}
    for part in range(3):
        assert len({reading[part] for reading in readings}) == len(readings)
    assert len(readings) >= 2


# 2, 5, 19


@pytest.mark.parametrize("door", DOORS)
def test_the_expiration_has_one_form_and_is_far_away(place: Place, door: Door) -> None:
    """The one form that all clients read; far enough for SDKs not to ask at every call."""
    expiration = given(place, door)["Expiration"]
    assert EXPIRATION.fullmatch(expiration)
    assert datetime.fromisoformat(expiration) - datetime.now(UTC) > timedelta(minutes=15)


@pytest.mark.parametrize("door", DOORS)
def test_the_expiration_is_the_stores(place: Place, door: Door) -> None:
    """Few clients ask again before it: what the store will not take any more must be over then."""
    found = given(place, door)
    payload = found["SessionToken"].split(".")[1]
    sealed = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert datetime.fromisoformat(found["Expiration"]).timestamp() <= sealed["exp"]


# 6


def test_a_request_without_the_session_token_is_refused(place: Place) -> None:
    """By this store: so whoever works here has sent it."""
    command, environment = open_door(place, BOTO3, "environment")
    at = command.index("--") + 1
    without = ["env", "-u", "AWS_SESSION_TOKEN", "-u", "AWS_CREDENTIAL_EXPIRATION"]
    done = place.home.run(*command[:at], *without, *command[at:], "once", env=environment)
    assert "InvalidAccessKeyId" in done.stdout


# 7, 9, 11, 12


def test_the_endpoint_answers_with_all_that_any_client_asks_for(place: Place) -> None:
    """As JSON."""
    answer = asked(place)
    assert answer["status"] == 200
    assert answer["type"].startswith("application/json")
    document = json.loads(answer["words"])
    needed = {"Code", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert needed <= document.keys()
    assert document["Code"] == "Success"


def test_the_endpoint_says_what_a_retry_will_not_mend(leaving: Place) -> None:
    """As 403, which no client repeats, with a code and with the hint in the message."""
    answer = asked(leaving, log_out)
    assert answer["status"] == 403
    assert answer["type"].startswith("application/json")
    document = json.loads(answer["words"])
    assert document["code"] == "login_required"
    assert HINT in document["message"]


def test_the_token_is_the_same_in_its_variable_and_in_its_file(place: Place) -> None:
    """Without a newline, which would be part of the header; nobody else can read it."""
    answer = asked(place)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", answer["token"])
    assert answer["token in file"] == answer["token"]
    assert answer["mode of file"] == 0o600


def test_the_endpoints_address_is_one_that_every_client_takes(place: Place) -> None:
    """In digits, without TLS, and with nothing beside it that would win."""
    environment = asked(place)["environment"]
    assert URI.fullmatch(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" not in environment
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    assert not keys & environment.keys()


# 13


def test_a_child_behind_a_proxy_does_not_ask_it_for_this_machine(place: Place) -> None:
    """What the user has excepted stays excepted."""
    variables = run_variables(place, "--refresh", **A_PROXY, NO_PROXY="internal.example.com")
    for name in ("NO_PROXY", "no_proxy"):
        hosts = variables[name].split(",")
        assert {"127.0.0.1", "localhost"} <= set(hosts)
    assert "internal.example.com" in variables["NO_PROXY"].split(",")


@pytest.mark.parametrize(
    "client", [client_named("obstore"), client_named("boto3"), client_named("rclone")]
)
def test_a_client_behind_a_proxy_asks_the_endpoint_itself(place: Place, client: Client) -> None:
    """Its token would go to the proxy with the request, and nothing would come back from here."""
    played = play(place, client, "endpoint", "once", **A_PROXY)
    assert played.steps["list"] == "", played.text


# 14, 15


@pytest.mark.parametrize(("client", "door"), cases(Answers, "environment", "endpoint"))
def test_nothing_that_the_user_has_lying_about_wins(
    beside_others: Ahead, client: Client, door: Door
) -> None:
    """Neither variables nor the keys of a [default] profile, but where a client reads no other."""
    played = beside_others.of(client, door)
    is_misled = client.reads_home and door == "endpoint"
    assert bool(played.steps["put"]) == is_misled, played.text
    if not is_misled:
        assert played.steps["list"] == ""


# 16


def test_the_line_in_the_config_file_needs_no_quotes(place: Place) -> None:
    """An absolute path without blanks, and no secret: it is shown in errors."""
    text = (place.aws_folder / "config").read_text(encoding="utf-8")
    found = LINE.search(text)
    assert found
    assert Path(found[1]).is_file()


# 20


@pytest.mark.parametrize("options", [(), ("--refresh",)])
def test_no_client_asks_the_machines_metadata_service(
    place: Place, options: tuple[str, ...]
) -> None:
    """Which would only cost it time, or give it somebody else's credentials."""
    assert run_variables(place, *options)["AWS_EC2_METADATA_DISABLED"] == "true"
