"""The endpoint as a program sees it that believes to ask a broker: POST /v1/mint-aws-creds."""

from __future__ import annotations

import asyncio
import json
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.errors import (
    AgentkeysError,
    BrokerUnreachable,
    ConfigError,
    DaemonTimeout,
    IssuerUnreachable,
    LoginRequired,
    ScopeRefused,
    StsBusy,
    StsRefused,
    StsUnreachable,
    TokenUnconfined,
    UnknownRun,
    VaultLocked,
    WrongIdentity,
)
from agentkeys_daemon.endpoint import Limits, new_token
from tests.support.profiles import a_lease
from tests.support.programs import PATIENCE
from tests.support.raw_http import RawAnswer, parse_answer
from tests.support.samples import broker_sample
from tests.support.served_endpoint import MINT, RUN, ServedEndpoint, connect, until
from tests.support.tokens import ALICE

LARGEST = 65_536
HEAD = 16_384
CROWD = 500
JSON = "Content-Type: application/json\r\n"
SIGNED = json.dumps(broker_sample("mint-aws-creds.request.v2")).encode()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ServedEndpoint]:
    with ServedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def served(endpoint: ServedEndpoint) -> Iterator[ServedEndpoint]:
    """One that still serves after what a test has done to it."""
    endpoint.begin()
    yield endpoint
    endpoint.begin()
    assert endpoint.mint().status == 200


def error(answer: RawAnswer) -> tuple[int, str, str]:
    """Status, error and message of a refusal, after a check that it is a broker's envelope."""
    document = answer.json()
    assert list(document) == ["error", "message"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["connection"] == "close"
    prefix, _, message = document["message"].partition(": ")
    assert prefix == document["error"].replace("_", " ")
    return answer.status, document["error"], message


def shape(document: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in document.items()}


# what a caller gets


def test_a_caller_gets_what_brokers_gave(served: ServedEndpoint) -> None:
    """The very shape of a broker's own answer, with the credentials of the run's lease."""
    answer = served.mint()
    assert answer.status == 200
    assert answer.json() == {
        "access_key_id": "ASIA0000000000000001",
        "secret_access_key": "secret-1",
        "session_token": "session-1",
        "expiration": 1780318800,
        "wallet": ALICE.wallet,
    }
    assert shape(answer.json()) == shape(broker_sample("mint-aws-creds.200.legacy"))
    assert answer.headers == {
        "content-type": "application/json",
        "content-length": str(len(answer.body)),
        "cache-control": "no-store",
        "connection": "close",
    }


def test_a_caller_that_signs_gets_the_later_shape(served: ServedEndpoint) -> None:
    """With a record id, and no anchors, since nobody has made any."""
    answer = served.mint(more=JSON, body=SIGNED)
    assert shape(answer.json()) == shape(broker_sample("mint-aws-creds.200.v2"))
    assert answer.json()["audit_record_id"] == served.runs.record_id
    assert answer.json()["anchored"] == []


@pytest.mark.parametrize(
    ("more", "body", "is_later"),
    [
        (JSON, b"", False),
        ("", SIGNED, False),
        ("Content-Type: text/plain\r\n", SIGNED, False),
        (JSON * 2, SIGNED, False),
        (JSON, b"no json at all", True),
        ("Content-Type: Application/JSON; charset=utf-8\r\n", b"{}", True),
    ],
)
def test_a_body_is_looked_at_from_outside_alone(
    served: ServedEndpoint, more: str, body: bytes, is_later: bool
) -> None:
    """Whether there is one and what it is said to be; nothing in it is ever read."""
    answer = served.mint(more=more, body=body)
    assert answer.status == 200
    assert ("audit_record_id" in answer.json()) is is_later


def test_its_last_second_is_not_promised(served: ServedEndpoint) -> None:
    """A part of a second is left out of the time that it ends."""
    lease = a_lease()
    ends = lease.credentials.expires_at + timedelta(seconds=0.999)
    served.runs.served = replace(lease, credentials=replace(lease.credentials, expires_at=ends))
    assert served.mint().json()["expiration"] == 1780318800


@pytest.mark.parametrize(
    "path", [MINT, f"{MINT}/", f"/{MINT}", f"{MINT}?a=b"], ids=["", "after", "before", "query"]
)
def test_a_slash_too_many_does_no_harm(served: ServedEndpoint, path: str) -> None:
    """It comes of a base URL that ends in one."""
    assert served.mint(path=path).status == 200


def test_both_names_of_the_host_are_ours(served: ServedEndpoint) -> None:
    """Programs write either."""
    assert served.mint(host=f"localhost:{served.port}").status == 200


def test_sdks_are_served_beside_it(served: ServedEndpoint) -> None:
    """By the same token, in their own words."""
    assert served.ask().json()["Token"] == served.mint().json()["session_token"]


# who gets nothing


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("{}", id="no scheme"),
        pytest.param("bearer {}", id="spelt otherwise"),
        pytest.param("Bearer  {}", id="two blanks"),
        pytest.param("Bearer {}x", id="longer"),
        pytest.param("Bearer x{}", id="with something before it"),
        pytest.param("Bearer", id="no token"),
        pytest.param("Bearer {}\r\nAuthorization: Bearer {}", id="twice"),
        pytest.param("Bearer {}, Bearer {}", id="twice in one line"),
        pytest.param("Bearer \xe9\xff", id="in no alphabet"),
        pytest.param("Basic {}", id="another scheme"),
        pytest.param(f"Bearer {new_token().reveal()}", id="another run's"),
    ],
)
def test_nobody_else_gets_any(served: ServedEndpoint, authorization: str) -> None:
    """Only the token itself opens the door, sent as to a broker."""
    token = authorization.replace("{}", served.token)
    answer = served.ask(method="POST", path=MINT, token=token)
    assert error(answer)[:2] == (401, "unauthorized")
    assert served.token.encode() not in answer.body


def test_no_token_at_all(served: ServedEndpoint) -> None:
    """Is answered like a wrong one."""
    sent = f"POST {MINT} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n"
    without = parse_answer(served.converse(sent.encode()))
    assert (without.status, without.body) == (401, served.mint(bearer="wrong").body)


def test_a_run_that_has_ended_gets_nothing(served: ServedEndpoint) -> None:
    """And its token is worth as much as any."""
    served.runs.end(RUN)
    assert error(served.mint())[:2] == (401, "unauthorized")
    assert served.runs.asked == 0


@pytest.mark.parametrize("comes", [a_lease(), StsRefused("no", hint=""), UnknownRun("", hint="")])
def test_a_run_that_ends_while_it_waits_gets_nothing(served: ServedEndpoint, comes: Any) -> None:
    """What was minted for it meanwhile goes to nobody, and neither does why it failed."""
    served.runs.served = comes
    answers: list[RawAnswer] = []
    asker = threading.Thread(target=lambda: answers.append(served.mint()))
    served.runs.moves.clear()
    asker.start()
    until(lambda: served.runs.asked == 1)
    served.runs.end(RUN)

    async def go_on() -> None:
        served.runs.moves.set()

    served.do(go_on)
    asker.join(PATIENCE)
    assert error(answers[0])[:2] == (401, "unauthorized")


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("evil.example:{}", id="a name that was rebound"),
        pytest.param("127.0.0.1", id="no port"),
        pytest.param("127.0.0.2:{}", id="another address"),
        pytest.param("127.0.0.1:{}.evil.example", id="a longer name"),
    ],
)
def test_another_host_is_refused(served: ServedEndpoint, host: str) -> None:
    """Whoever has the token: a page in a browser may have rebound its name to us."""
    answer = served.mint(host=host.format(served.port))
    assert error(answer)[:2] == (403, "forbidden")
    assert served.runs.asked == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_it_is_only_posted_to(served: ServedEndpoint, method: str) -> None:
    """As at a broker, without a body."""
    answer = served.mint(method=method)
    assert (answer.status, answer.body) == (405, b"")
    assert answer.headers["allow"] == "post"


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/.well-known/jwks.json",
        "/v1/mint-oidc-jwt",
        "/v1/mint-aws-creds-v2",
        "/v1/auth/wallet/start",
        "/v1/agent/resolve",
        f"{MINT}/more",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_rest_of_a_broker_is_not_here(served: ServedEndpoint, method: str, path: str) -> None:
    """Said as a broker says it that does not know a path."""
    answer = served.mint(method=method, path=path)
    assert (answer.status, answer.body) == (404, b"")


# why it failed


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (LoginRequired("nobody is logged in", hint="log in"), (403, "forbidden")),
        (WrongIdentity("the token is of 0xbob", hint="log in"), (403, "forbidden")),
        (TokenUnconfined("the token has no tags", hint="ask"), (403, "forbidden")),
        (ScopeRefused("it lies outside", hint="ask for less"), (403, "forbidden")),
        (BrokerUnreachable("no answer", hint="look"), (502, "backend_unreachable")),
        (IssuerUnreachable("no answer", hint="look"), (502, "backend_unreachable")),
        (StsRefused("AccessDenied", hint="change the role"), (502, "sts_error")),
        (StsUnreachable("no answer", hint="look"), (502, "sts_error")),
        (ConfigError("no such profile", hint="mend config.toml"), (500, "internal")),
        (VaultLocked("the keyring is locked", hint="unlock it"), (500, "internal")),
        (DaemonTimeout("not minted yet", hint="ask again"), (503, "backend_unreachable")),
    ],
    ids=lambda value: value.code if isinstance(value, AgentkeysError) else "",
)
def test_a_failure_is_told_as_a_broker_would(
    served: ServedEndpoint, problem: AgentkeysError, expected: tuple[int, str]
) -> None:
    """5xx where asking again may help, so that callers stop where it does not."""
    served.runs.served = problem
    answer = served.mint()
    assert error(answer) == (*expected, f"{problem.message}; {problem.hint}")
    assert ("retry-after" in answer.headers) is problem.retryable


def test_a_busy_store_says_when_to_come_back(served: ServedEndpoint) -> None:
    """In whole seconds."""
    served.runs.served = StsBusy("STS is busy", hint="wait", retry_after=7.2)
    assert served.mint().headers["retry-after"] == "8"


def test_an_unforeseen_error_shows_no_more_than_its_name(
    served: ServedEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither to the program nor in the log."""
    served.runs.served = ValueError("choked on secret-1")
    status, code, message = error(served.mint())
    assert (status, code) == (500, "internal")
    assert message == "the daemon failed unexpectedly (ValueError); run: agentkeys daemon logs"
    assert caplog.messages == ["unforeseen ValueError at the endpoint"]


def test_a_mint_that_takes_its_time_is_waited_for() -> None:
    """For longer than SDKs have patience; in the end it is a failure that may pass."""
    with ServedEndpoint(limits=Limits(mint_seconds=1.5)) as served:
        served.runs.moves.clear()
        begun = time.monotonic()
        status, code, message = error(served.mint())
        assert (status, code) == (503, "backend_unreachable")
        assert message == "the credentials are still being minted; ask again in a moment"
        assert time.monotonic() - begun >= 1.5


def test_whoever_waits_for_a_mint_is_not_hung_up_on() -> None:
    """A connection may then last for longer than any other."""
    with ServedEndpoint(limits=Limits(seconds=0.3, mint_seconds=1.5)) as served:
        served.runs.moves.clear()
        assert served.mint().status == 503


# bodies


def body_of(size: int, *, framing: str) -> tuple[str, bytes]:
    """Headers and body, in chunks or as a whole."""
    if framing == "length":
        return f"Content-Length: {size}\r\n", b"x" * size
    chunks = [b"x" * min(8192, size - start) for start in range(0, size, 8192)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return "Transfer-Encoding: chunked\r\n", framed + b"0\r\n\r\n"


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("size", [0, 1, HEAD, HEAD + 1, LARGEST])
def test_any_body_is_taken(served: ServedEndpoint, framing: str, size: int) -> None:
    """Up to 64 KiB, be it in one piece or in many."""
    more, body = body_of(size, framing=framing)
    assert served.mint(more=more, body=body).status == 200


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("size", [LARGEST + 1, 2 * LARGEST, 3_000_000])
def test_a_larger_one_is_refused(served: ServedEndpoint, framing: str, size: int) -> None:
    """And the caller gets to see it; nothing was asked for."""
    more, body = body_of(size, framing=framing)
    answer = served.mint(more=more, body=body)
    assert error(answer)[:2] == (413, "bad_request")
    assert served.runs.asked == 0


def test_small_chunks_do_not_make_a_small_body_too_large(served: ServedEndpoint) -> None:
    """As some clients write them, a line at a time."""
    body = b"".join(b"50\r\n%b\r\n" % (b"x" * 80) for _ in range(700)) + b"0\r\n\r\n"
    assert served.mint(more="Transfer-Encoding: chunked\r\n", body=body).status == 200


def test_a_body_that_nobody_ends_is_cut_off(served: ServedEndpoint) -> None:
    """In chunks as small as can be."""
    more = "Transfer-Encoding: chunked\r\n"
    answer = served.mint(more=more, body=b"1\r\nx\r\n" * 100_000)
    assert error(answer)[:2] == (413, "bad_request")


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_head_may_not_be_as_large_as_a_body(served: ServedEndpoint, pieces: int) -> None:
    """Whatever comes behind it, and in however many pieces."""
    head = (
        f"POST {MINT} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        f"Authorization: Bearer {served.token}\r\nContent-Length: {LARGEST}\r\n"
    )
    room = HEAD - len(head) - len("X: \r\n\r\n")
    for length, status in ((room, 200), (room + 1, 413)):
        sent = f"{head}X: {'x' * length}\r\n\r\n".encode() + b"y" * LARGEST
        step = len(sent) // pieces + 1
        with connect(served.port) as connection:
            for start in range(0, len(sent), step):
                connection.sendall(sent[start : start + step])
            received = b""
            while piece := connection.recv(LARGEST):
                received += piece
        assert parse_answer(received).status == status


def test_nobody_else_may_send_so_much(served: ServedEndpoint) -> None:
    """An SDK sends no body at all."""
    assert served.ask(more=f"Content-Length: {LARGEST}\r\n", body=b"x" * LARGEST).status == 413


def test_whoever_never_comes_to_the_end_is_hung_up_on() -> None:
    """The time for a mint is for those who wait for one."""
    with ServedEndpoint(limits=Limits(seconds=0.3, mint_seconds=3 * PATIENCE)) as served:
        head = (
            f"POST {MINT} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            f"Authorization: Bearer {served.token}\r\nContent-Length: 100\r\n\r\n"
        ).encode()
        with connect(served.port) as connection:
            connection.sendall(head)
            _send_until_cut_off(connection)
        assert served.runs.asked == 0
        assert served.mint().status == 200


def test_a_client_may_wait_to_be_told_to_go_on(served: ServedEndpoint) -> None:
    """As curl does before a body."""
    head = (
        f"POST {MINT} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        f"Authorization: Bearer {served.token}\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    ).encode()
    with connect(served.port) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"x")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_noise_in_a_body_is_no_trouble(served: ServedEndpoint) -> None:
    """Nobody looks at it."""
    for body in (b"\0" * 100, b"[" * 50_000, b"POST / HTTP/1.1\r\n\r\n", bytes(range(256))):
        assert served.mint(more=JSON, body=body).status == 200


# many at once


@pytest.fixture
def descriptors() -> Iterator[None]:
    """For both ends of all connections, as a daemon has them for its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("descriptors")
def test_five_hundred_at_once_are_all_answered() -> None:
    """None is refused, none is hung up on."""
    with ServedEndpoint() as served:
        assert asyncio.run(_mint_together(served)) == Counter({200: CROWD})


@pytest.mark.usefixtures("descriptors")
def test_five_hundred_that_wait_for_a_mint_keep_nobody_from_a_warm_answer() -> None:
    """SDKs that ask meanwhile are told in time, strangers make no room, and all of them get it."""
    with ServedEndpoint() as served:
        served.runs.moves.clear()
        counted: list[Counter[int]] = []
        crowd = threading.Thread(target=lambda: counted.append(asyncio.run(_mint_together(served))))
        crowd.start()
        until(lambda: served.runs.asked == CROWD)
        assert served.ask().status == 503
        assert served.mint(bearer="wrong").status == 401

        async def go_on() -> None:
            served.runs.moves.set()

        served.do(go_on)
        crowd.join(PATIENCE)
        assert counted == [Counter({200: CROWD})]


async def _mint_together(served: ServedEndpoint) -> Counter[int]:
    """The statuses that come back on so many connections, all open before the first one asks."""
    connections = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(CROWD)]
    sent = (
        f"POST {MINT} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        f"Authorization: Bearer {served.token}\r\n{JSON}Content-Length: {len(SIGNED)}\r\n\r\n"
    ).encode() + SIGNED
    for _, writer in connections:
        writer.write(sent)
    statuses = Counter([int((await reader.read()).split(b" ", 2)[1]) for reader, _ in connections])
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    return statuses


def _send_until_cut_off(connection: Any) -> None:
    end = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            connection.sendall(b"x")
            time.sleep(0.02)
    except (BrokenPipeError, ConnectionResetError):
        return
    pytest.fail("nobody has hung up")
