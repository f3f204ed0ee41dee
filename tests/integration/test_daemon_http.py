"""The daemon's socket, asked by clients that keep to HTTP and by clients that do not."""

from __future__ import annotations

import json
import resource
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from agentkeys import __version__
from agentkeys.processes import ProcessId
from agentkeys.protocol import SETTINGS_HEADER, settings_token
from tests.support.place import Place, assert_keeps_secrets, place_in
from tests.support.programs import Home, new_home
from tests.support.raw_http import ask, connect, converse, parse_answer
from tests.support.tokens import ALICE

CREDENTIALS = "/v1/profiles/data/credentials"
RUNS = "/v1/profiles/data/runs"
SESSION = "/v1/identities/me/session"


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """A warm profile `data`: its lease is held."""
    with place_in(home) as found:
        assert found.through("GET credentials").served
        yield found


def request_text(
    home: Home, method: str, path: str, *headers: str, body: bytes = b"", close: bool = True
) -> bytes:
    """A request as it goes over the wire; `headers` come before our own."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: agentkeys",
        *headers,
        f"{SETTINGS_HEADER}: {settings_token(home.environment, lambda: '/')}",
    ]
    if close:
        lines.append("connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def assert_serves(home: Home) -> None:
    answer = ask(home, "GET", CREDENTIALS)
    assert answer.status == 200
    assert answer.json()["SecretAccessKey"]


# answers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/health"),
        ("GET", "/v1/status"),
        ("GET", "/v1/profiles"),
        ("GET", "/v1/profiles/data/status"),
        ("GET", "/v1/identities/me"),
        ("GET", CREDENTIALS),
        ("POST", RUNS),
        ("GET", "/v1/nothing"),
    ],
)
def test_every_answer_has_a_version_and_a_length_and_is_not_for_keeping(
    place: Place, method: str, path: str
) -> None:
    """Whatever is answered, refusals included."""
    answer = ask(place.home, method, path)
    assert answer.headers["agentkeys-protocol"] == "1"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["cache-control"] == "no-store"
    kind = "text/x-environment" if path == RUNS else "application/json"
    assert answer.headers["content-type"] == kind
    assert not {"server", "date"} & set(answer.headers)


def test_health_tells_versions_and_who_it_is(place: Place) -> None:
    """Enough to know whom one speaks to, and no secret."""
    document = ask(place.home, "GET", "/v1/health").json()
    assert list(document) == [
        "version", "protocol", "pid", "instance", "started_at", "socket", "vault",
        "resident_bytes", "open_descriptors", "hardening",
    ]  # fmt: skip
    assert document["version"] == __version__
    assert document["protocol"] == 1
    assert document["pid"] == place.home.daemon_pid()
    assert document["socket"] == str(place.home.socket)
    assert document["vault"] == "memory"


def test_the_status_document_keeps_its_shape(place: Place) -> None:
    """Programs read it by these names."""
    answer = ask(place.home, "GET", "/v1/status")
    document = answer.json()
    assert list(document) == [
        "version", "daemon", "default_profile", "identities", "profiles", "runs", "notices",
    ]  # fmt: skip
    assert document["version"] == 1
    assert list(document["daemon"]) == [
        "version", "protocol", "pid", "instance", "started_at", "socket", "vault",
        "resident_bytes", "open_descriptors", "hardening",
        "vault_detail", "ledger_error", "config", "endpoint_port", "endpoint_error", "config_error",
    ]  # fmt: skip
    (identity,) = document["identities"]
    assert list(identity) == [
        "name", "source", "url", "subject", "wallet", "omni",
        "session", "session_expires_at", "clock_skew_seconds", "vault_error",
    ]  # fmt: skip
    assert (identity["session"], identity["wallet"]) == ("live", ALICE.wallet)
    (profile,) = document["profiles"]
    assert list(profile) == [
        "name", "identity", "subject", "store", "role_arn", "bucket", "prefix", "break_glass",
        "state", "key_ending", "expires_at", "expires_in_seconds", "refresh_at",
        "clock_skew_seconds", "last_error",
    ]  # fmt: skip
    assert profile["state"] == "fresh"
    assert len(profile["key_ending"]) == 4
    assert_keeps_secrets(answer.body.decode(), place.sessions)


def test_status_tells_of_a_broken_configuration_and_hides_nothing_else(place: Place) -> None:
    """In its own fields."""
    place.home.configure("[profiles.data\n")
    document = ask(place.home, "GET", "/v1/status").json()
    assert list(document["daemon"]["config_error"]) == ["code", "message", "hint"]
    assert document["daemon"]["config_error"]["code"] == "config_invalid"
    assert (document["identities"], document["profiles"]) == ([], [])


def test_status_and_whoami_hold_no_secret_after_a_failure(place: Place) -> None:
    """The last error is told by code, message, hint and time."""
    place.tables["profiles"]["data"]["role_arn"] = "arn:aws:iam::111122223333:role/other"
    place.configure()
    place.sts.refuse_with(403, "AccessDenied", place.sessions[0])
    assert ask(place.home, "GET", CREDENTIALS).error()["code"] == "sts_refused"
    answer = ask(place.home, "GET", "/v1/status")
    (profile,) = answer.json()["profiles"]
    assert list(profile["last_error"]) == ["code", "message", "hint", "at"]
    assert profile["state"] == "none"
    for path in ("/v1/status", "/v1/identities/me", "/v1/profiles"):
        assert_keeps_secrets(ask(place.home, "GET", path).body.decode(), place.sessions)


# requests that mean nothing


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/v2/health"),
        ("GET", "/v1/nothing"),
        ("GET", "/v1/health/"),
        ("GET", "/v1/health/x"),
        ("GET", "//v1/health"),
        ("GET", "/v1//health"),
        ("GET", "/v1/profiles/"),
        ("GET", "/v1/profiles/data"),
        ("GET", "/v1/profiles/data/"),
        ("GET", "/v1/profiles/data/nothing"),
        ("GET", "/v1/profiles//credentials"),
        ("GET", "/v1/profiles/data/credentials/"),
        ("GET", "/v1/profiles/data/credentials/x"),
        ("GET", "/v1/profiles/x/../data/credentials"),
        ("GET", "/v1/profiles/data%2Fcredentials"),
        ("GET", "/v1/identities"),
        ("GET", "/v1/identities/me/session"),
        ("POST", "/v1/health"),
        ("POST", CREDENTIALS),
        ("PUT", CREDENTIALS),
        ("GET", RUNS),
        ("GET", "/v1/shutdown"),
        ("DELETE", "/v1/profiles/data"),
        ("OPTIONS", "/v1/health"),
        ("BREW", "/v1/health"),
        ("get", "/v1/health"),
        ("GET", "http://agentkeys/v1/health"),
        ("OPTIONS", "*"),
        ("GET", "/" + "x" * 10_000),
        ("X" * 5_000, "/v1/health"),
    ],
)
def test_what_is_not_there_is_refused(place: Place, method: str, path: str) -> None:
    """As an error like any other, in 4xx, and of a bearable length."""
    answer = parse_answer(converse(place.home, request_text(place.home, method, path)))
    assert 400 <= answer.status < 500
    error = answer.error()
    assert error["code"] == "protocol_error"
    assert len(error["message"]) < 300
    assert error["retryable"] is False


def test_a_question_mark_changes_nothing(place: Place) -> None:
    """The daemon has no use for a query."""
    assert ask(place.home, "GET", "/v1/health?x=1").status == 200


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%2Fdata", "dta", "%00", "%ff", "a%20b", "data%0A", "DATA", "@"]
)
def test_an_unknown_profile_is_refused(place: Place, name: str) -> None:
    """However it is spelt."""
    for method, part in (("GET", "credentials"), ("POST", "runs"), ("GET", "status")):
        answer = ask(place.home, method, f"/v1/profiles/{name}/{part}")
        assert answer.status == 400
        assert answer.error()["code"] == "unknown_profile"


@pytest.mark.parametrize(
    ("settings", "differing"),
    [
        ("", "AGENTKEYS_STATE_DIR and AGENTKEYS_VAULT"),
        ("AGENTKEYS_VAULT=memory", "AGENTKEYS_STATE_DIR"),
        ("garbage", "AGENTKEYS_STATE_DIR and AGENTKEYS_VAULT"),
        ("=&&==&", "AGENTKEYS_STATE_DIR and AGENTKEYS_VAULT"),
        ("{own}&AGENTKEYS_CONFIG=/x", "AGENTKEYS_CONFIG"),
        ("{own}&OTHER=1", "set of them"),
        ("{own}&", "set of them"),
    ],
)
def test_other_settings_are_a_mismatch(place: Place, settings: str, differing: str) -> None:
    """Nothing is served to a client that means another configuration; health is told to all."""
    token = settings.replace("{own}", settings_token(place.home.environment, lambda: "/"))
    for method, path in (
        ("GET", CREDENTIALS),
        ("POST", RUNS),
        ("GET", "/v1/profiles"),
        ("GET", "/v1/identities/me"),
        ("PUT", SESSION),
        ("DELETE", SESSION),
    ):
        answer = ask(place.home, method, path, settings=token)
        assert answer.status == 400
        error = answer.error()
        assert error["code"] == "config_mismatch"
        assert error["message"] == f"the daemon was started with another {differing}"
        assert error["hint"] == "run: agentkeys daemon restart"
    for path in ("/v1/health", "/v1/status"):
        assert ask(place.home, "GET", path, settings=token).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b"{}",
        b'{"session_jwt": null, "url": "https://broker.example.com"}',
        b'{"session_jwt": 3, "url": "https://broker.example.com"}',
        b'{"session_jwt": ["x"], "url": "https://broker.example.com"}',
        b'{"session_jwt": "x"}',
        b'{"session_jwt": "x", "url": 3}',
        b"[" * 60_000,
        b'{"a":' * 9_000,
    ],
)
def test_a_login_without_a_session_is_refused(place: Place, body: bytes) -> None:
    """And whoever was logged in stays so."""
    answer = ask(place.home, "PUT", SESSION, body=body)
    assert answer.status == 400
    assert answer.error()["code"] == "protocol_error"
    assert ask(place.home, "GET", "/v1/identities/me").json()["wallet"] == ALICE.wallet


# clients that do not keep to HTTP


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 500,
        b"hello\r\n\r\n",
        b"GET /v1/health\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\n\r\n",
        b"GET /v1/health HTTP/one\r\nhost: x\r\n\r\n",
        b"GET /v1/ health HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n folded: x\r\nx : y\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na: b\x00c\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"x" * 20_000,
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 20_000,
        b"G" * 100_000,
    ],
)
def test_what_is_no_http_is_refused_like_anything_else(place: Place, sent: bytes) -> None:
    """One error document, then the end of the connection; others do not notice."""
    answer = parse_answer(converse(place.home, sent))
    assert answer.status == 400
    assert answer.headers["agentkeys-protocol"] == "1"
    assert answer.headers["connection"] == "close"
    assert answer.error()["code"] == "protocol_error"
    assert_serves(place.home)


@pytest.mark.parametrize("size", [65_537, 300_000, 5_000_000])
def test_a_body_that_is_too_large_is_refused(place: Place, size: int) -> None:
    """Without waiting for the rest of it."""
    head = request_text(place.home, "PUT", SESSION, f"content-length: {size}")
    with connect(place.home) as connection:
        connection.sendall(head)
        with suppress(OSError):  # refused before the end
            connection.sendall(b"x" * size)
        answer = parse_answer(_read_all(connection))
    assert answer.status == 400
    assert answer.error()["message"] == "the request is too large"
    assert_serves(place.home)


def test_a_body_that_never_ends_is_refused(place: Place) -> None:
    """In chunks, whose sum nobody tells."""
    head = request_text(place.home, "PUT", SESSION, "transfer-encoding: chunked")
    with connect(place.home) as connection:
        connection.sendall(head)
        with suppress(OSError):  # refused before the end
            for _ in range(100):
                connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        answer = parse_answer(_read_all(connection))
    assert answer.error()["message"] == "the request is too large"


def test_a_chunk_that_is_none_ends_the_connection(place: Place) -> None:
    """In the midst of a request's body."""
    head = request_text(place.home, "PUT", SESSION, "transfer-encoding: chunked")
    answer = parse_answer(converse(place.home, head + b"nonsense\r\nxxxx"))
    assert answer.error()["code"] == "protocol_error"
    assert_serves(place.home)


@pytest.mark.parametrize("method_and_path", [("POST", RUNS), ("DELETE", SESSION), ("PUT", SESSION)])
def test_half_a_request_does_nothing(place: Place, method_and_path: tuple[str, str]) -> None:
    """A client that breaks off has asked for nothing: no run, no logout, no login, no end."""
    ledger = place.home.state / "audit" / "ledger.jsonl"
    session = place.broker.session_jwt(ALICE, jti="half")
    body = json.dumps({"session_jwt": session, "url": place.broker.url}).encode()
    before = ledger.read_bytes()
    whole = request_text(
        place.home, *method_and_path, f"content-length: {len(body) + 10}", body=body
    )
    shutdown = request_text(place.home, "POST", "/v1/shutdown", "content-length: 10")
    for sent in (whole, shutdown, whole[:30], whole[: -len(body) - 1], b""):
        with connect(place.home) as connection:
            connection.sendall(sent)
        # Answered only after the daemon has seen the end of the one before.
        assert ask(place.home, "GET", "/v1/status").status == 200
    assert ledger.read_bytes() == before
    assert place.status()["identities"][0]["session"] == "live"


def test_requests_in_a_row_are_answered_in_their_order(place: Place) -> None:
    """All sent before the first answer is read, good and bad ones mixed."""
    paths = ["/v1/health", "/v1/nothing", CREDENTIALS, "/v1/profiles/dta/credentials"] * 25
    sent = b"".join(request_text(place.home, "GET", path, close=False) for path in paths)
    received = converse(place.home, sent + request_text(place.home, "GET", "/v1/health"))
    heads = [piece for piece in received.split(b"HTTP/1.1 ") if piece]
    statuses = [int(head[:3]) for head in heads]
    assert statuses == [200, 400, 200, 400] * 25 + [200]


def test_a_client_that_says_nothing_keeps_nobody_waiting(place: Place) -> None:
    """Nor does one that says half of something, nor a hundred of them."""
    with ExitStack() as stack:
        for number in range(100):
            connection = stack.enter_context(connect(place.home))
            connection.sendall(b"GET /v1/health HTTP/1.1\r\nhost"[: number % 20])
        for _ in range(20):
            assert_serves(place.home)


def test_a_client_that_never_reads_keeps_nobody_waiting(place: Place) -> None:
    """However much it asks for; what it has not read does not pile up without end."""
    with connect(place.home) as connection:
        connection.setblocking(False)
        sent = request_text(place.home, "GET", "/v1/status", close=False) * 100
        for _ in range(1_000):
            try:
                connection.send(sent)
            except BlockingIOError:
                break  # the daemon has stopped to read from it
            assert_serves(place.home)
        else:
            raise AssertionError("the daemon goes on reading what nobody wants answered")
        for _ in range(20):
            assert_serves(place.home)


def test_600_at_once_are_all_served_from_memory(place: Place) -> None:
    """Connected before the first of them asks; one mint was enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 2048), hard), hard))
    sent = request_text(place.home, "GET", CREDENTIALS)
    try:
        with ExitStack() as stack:
            connections = [stack.enter_context(connect(place.home)) for _ in range(600)]
            for connection in connections:
                connection.sendall(sent)
            answers = [parse_answer(_read_all(connection)) for connection in connections]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert len(place.sts.requests) == 1


def test_many_at_once_on_a_cold_profile_share_one_mint(place: Place) -> None:
    """Whoever waits holds nothing that a warm profile needs."""
    place.tables["profiles"]["cold"] = place.sound_profile(duration="2h")
    place.configure()
    place.sts.wait_for_request()  # of the warm one
    with ThreadPoolExecutor(100) as pool:
        with place.sts.stuck():
            waiting = [pool.submit(place.through, "GET credentials", "cold") for _ in range(100)]
            place.sts.wait_for_request()
            for _ in range(20):
                assert_serves(place.home)
            assert not any(done.done() for done in waiting)
        outcomes = {done.result() for done in waiting}
    assert len(outcomes) == 1
    assert outcomes.pop().served
    assert len(place.sts.requests) == 2


def _read_all(connection: socket.socket) -> bytes:
    """Until the end, which is a reset where the daemon has left something unread."""
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            received += piece
    return received


# what lies on the disk


def test_everything_on_the_disk_is_private(place: Place) -> None:
    """Folders 0700, files and the socket 0600."""
    place.through("POST runs")
    assert stat.S_IMODE(place.home.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.home.socket.parent.stat().st_mode) == 0o700
    found = [place.home.state, *place.home.state.rglob("*"), *place.home.socket.parent.iterdir()]
    assert place.home.state / "audit" / "ledger.jsonl" in found
    for path in found:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_no_secret_lies_on_the_disk(place: Place) -> None:
    """After a login, a mint, a run, a refusal and a failure that nobody foresaw."""
    place.through("POST runs")
    place.sts.refuse_with(403, "AccessDenied", place.sessions[0])
    place.tables["profiles"]["data"] = place.sound_profile(duration="3h")
    place.configure()
    assert not place.through("GET credentials").served
    assert place.hand_over(place.sessions[0] + "x.").status != 200
    for path in place.home.state.rglob("*"):
        if path.is_file():
            assert_keeps_secrets(path.read_text(encoding="utf-8"), place.sessions)


def test_a_shutdown_is_answered_and_then_carried_out() -> None:
    """The socket goes with the daemon, and idle clients do not hold it up."""
    with new_home() as own:
        own.succeed("agentkeys", "daemon", "start")
        pid = own.daemon_pid()
        assert pid
        with connect(own), connect(own) as half:
            half.sendall(b"GET /v1/hea")
            assert ask(own, "POST", "/v1/shutdown").json()["pid"] == pid
            while ProcessId.of(pid) is not None:
                pass
        assert not own.socket.exists()
