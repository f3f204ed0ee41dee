"""The endpoint: what an SDK gets, and what whoever may have nothing gets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentkeys.errors import (
    AgentkeysError,
    BrokerUnreachable,
    ConfigError,
    LoginRequired,
    StsBusy,
    StsRefused,
    TokenUnconfined,
    VaultLocked,
    WrongIdentity,
)
from agentkeys_daemon.endpoint import new_token
from tests.support.profiles import a_lease
from tests.support.raw_http import RawAnswer
from tests.support.served_endpoint import RUN, ServedEndpoint, until


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ServedEndpoint]:
    with ServedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def served(endpoint: ServedEndpoint) -> ServedEndpoint:
    endpoint.begin()
    return endpoint


def error(answer: RawAnswer) -> tuple[int, str, str]:
    """Status, code and message of a refusal, after a check that it has the form SDKs read."""
    document = answer.json()
    assert list(document) == ["code", "message"]
    assert document["message"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["connection"] == "close"
    return answer.status, document["code"], document["message"]


def test_a_run_gets_its_credentials(served: ServedEndpoint) -> None:
    """Whole, in the words of the container endpoint, and for no cache to keep."""
    answer = served.ask()
    assert answer.status == 200
    assert answer.json() == {
        "Code": "Success",
        "AccessKeyId": "ASIA0000000000000001",
        "AccessKeyID": "ASIA0000000000000001",
        "SecretAccessKey": "secret-1",
        "Token": "session-1",
        "Expiration": "2026-06-01T13:00:00Z",
    }
    assert answer.headers == {
        "content-type": "application/json",
        "content-length": str(len(answer.body)),
        "cache-control": "no-store",
        "connection": "close",
    }


def test_each_ask_gets_what_counts_now(served: ServedEndpoint) -> None:
    """The door remembers nothing."""
    served.runs.served = a_lease(number=2)
    assert served.ask().json()["Token"] == "session-2"


@pytest.mark.parametrize(
    "path", [f"/v1/runs/{RUN}/credentials?a=b", f"/v1/runs/{RUN}/credentials?/x/y&a=%20"]
)
def test_a_query_is_ignored(served: ServedEndpoint, path: str) -> None:
    """Some SDKs add one."""
    assert served.ask(path=path).status == 200


def test_a_body_is_ignored(served: ServedEndpoint) -> None:
    """However it is sent."""
    assert served.ask(more="Content-Length: 8000\r\n", body=b"x" * 8000).status == 200
    chunked = b"5\r\nhello\r\n0\r\n\r\n"
    assert served.ask(more="Transfer-Encoding: chunked\r\n", body=chunked).status == 200


def test_both_names_of_the_host_are_ours(served: ServedEndpoint) -> None:
    """Programs write either."""
    assert served.ask(host=f"localhost:{served.port}").status == 200


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("Bearer {}", id="with a scheme"),
        pytest.param("{}x", id="longer"),
        pytest.param("x{}", id="with something before it"),
        pytest.param(new_token().reveal(), id="another run's"),
        pytest.param("Basic Og==", id="of another kind"),
        pytest.param("\xe9\xff", id="in no alphabet"),
        pytest.param("{}\r\nAuthorization: {}", id="twice"),
        pytest.param("{}\r\n\tx", id="folded"),
        pytest.param("{}, {}", id="twice in one line"),
    ],
)
def test_nobody_else_gets_any(served: ServedEndpoint, token: str) -> None:
    """Only the token itself opens the door."""
    answer = served.ask(token=token.replace("{}", served.token))
    assert error(answer)[:2] == (401, "token_refused")
    assert served.token.encode() not in answer.body


def test_no_token_at_all(served: ServedEndpoint) -> None:
    """Is answered like a wrong one."""
    sent = f"GET /v1/runs/{RUN}/credentials HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n"
    assert served.converse(sent.encode()).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "run_id", ["zzzzzzzzzzzzzzzz", "%00", "..", "x" * 9000, "é".encode().hex()]
)
def test_an_unknown_run_is_no_news(served: ServedEndpoint, run_id: str) -> None:
    """Nobody can find out by asking which runs there are."""
    unknown = served.ask(path=f"/v1/runs/{run_id}/credentials")
    wrong = served.ask(token="wrong")
    assert (unknown.status, unknown.body) == (wrong.status, wrong.body)


def test_a_run_that_has_ended_gets_nothing(served: ServedEndpoint) -> None:
    """And its token is worth as much as any."""
    served.runs.end(RUN)
    assert error(served.ask())[:2] == (401, "token_refused")


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("evil.example:{}", id="a name that was rebound"),
        pytest.param("127.0.0.1", id="no port"),
        pytest.param("127.0.0.1:1", id="another port"),
        pytest.param("127.0.0.1:{}0", id="a longer port"),
        pytest.param("127.0.0.2:{}", id="another address"),
        pytest.param("[::1]:{}", id="another family"),
        pytest.param("127.0.0.1:{}.evil.example", id="a longer name"),
        pytest.param("user@127.0.0.1:{}", id="with a user"),
        pytest.param("", id="empty"),
    ],
)
def test_another_host_is_refused(served: ServedEndpoint, host: str) -> None:
    """Whoever has the token: a page in a browser may have rebound its name to us."""
    sent = (
        f"GET /v1/runs/{RUN}/credentials HTTP/1.1\r\n"
        f"Host: {host.format(served.port)}\r\nAuthorization: {served.token}\r\n\r\n"
    )
    assert served.converse(sent.encode()).startswith(b"HTTP/1.1 403 ")


def test_no_host_or_two_are_refused(served: ServedEndpoint) -> None:
    """Even where one is ours."""
    head = f"Authorization: {served.token}\r\n\r\n"
    path = f"/v1/runs/{RUN}/credentials"
    without = served.converse(f"GET {path} HTTP/1.0\r\n{head}".encode())
    assert without.startswith(b"HTTP/1.1 403 ")
    host = f"Host: 127.0.0.1:{served.port}\r\n"
    twice = served.converse(f"GET {path} HTTP/1.1\r\n{host}{host}{head}".encode())
    assert twice.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 "))
    assert b"secret-1" not in without + twice


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/status", 404),
        ("GET", "/v1/profiles/data/credentials", 404),
        ("GET", f"/v1/runs/{RUN}", 404),
        ("GET", f"/v1/runs/{RUN}/credentials/", 404),
        ("GET", "/v1/runs//credentials", 404),
        ("GET", f"//v1/runs/{RUN}/credentials", 404),
        ("GET", f"http://evil.example/v1/runs/{RUN}/credentials", 404),
        ("DELETE", f"/v1/runs/{RUN}", 404),
        ("POST", f"/v1/runs/{RUN}/credentials", 405),
        ("PUT", f"/v1/runs/{RUN}/credentials", 405),
        ("OPTIONS", f"/v1/runs/{RUN}/credentials", 405),
        ("BREW", f"/v1/runs/{RUN}/credentials", 405),
    ],
)
def test_there_is_nothing_else_here(
    served: ServedEndpoint, method: str, path: str, expected: int
) -> None:
    """The socket's requests do not exist here, nor may a web page ask for permission."""
    answer = served.ask(method=method, path=path)
    status, code, _ = error(answer)
    assert status == expected
    assert code == {404: "not_found", 405: "method_not_allowed"}[expected]
    assert answer.headers.get("allow") == ("get" if expected == 405 else None)
    assert served.ask(method=method, path=path, host="evil.example").status == 403


def test_a_head_gets_no_body(served: ServedEndpoint) -> None:
    """And no credentials."""
    sent = (
        f"HEAD /v1/runs/{RUN}/credentials HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{served.port}\r\nAuthorization: {served.token}\r\n\r\n"
    )
    head, _, body = served.converse(sent.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert body == b""


@pytest.mark.parametrize(
    "problem",
    [
        LoginRequired("nobody is logged in as me", hint="run: agentkeys login me"),
        WrongIdentity("the token is of 0xbob", hint="log in as 0xalice"),
        TokenUnconfined("the token has no tags", hint="ask whoever runs the broker"),
        ConfigError("no such profile", hint="mend config.toml"),
        StsRefused("STS refused it (AccessDenied)", hint="change the role's trust policy"),
        VaultLocked("the keyring is locked", hint="unlock it"),
    ],
    ids=lambda problem: problem.code,
)
def test_what_asking_again_will_not_mend_is_403(
    served: ServedEndpoint, problem: AgentkeysError
) -> None:
    """So that no SDK asks for a minute, with what happened and what to do in the message."""
    served.runs.served = problem
    answer = served.ask()
    assert error(answer) == (403, problem.code, f"{problem.message}; {problem.hint}")
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(
    ("problem", "wait"),
    [
        (BrokerUnreachable("the broker does not answer", hint="look at the network"), "1"),
        (StsBusy("STS is busy", hint="wait", retry_after=7.2), "8"),
    ],
)
def test_what_may_pass_is_503(served: ServedEndpoint, problem: AgentkeysError, wait: str) -> None:
    """With when to come back."""
    served.runs.served = problem
    answer = served.ask()
    assert error(answer) == (503, problem.code, f"{problem.message}; {problem.hint}")
    assert answer.headers["retry-after"] == wait


def test_a_message_is_one_line_of_ascii(served: ServedEndpoint) -> None:
    """Whatever a store has said: SDKs print it in a line of a log."""
    served.runs.served = StsRefused("it said «no»\r\nand more", hint="")
    answer = served.ask()
    assert error(answer)[2] == "it said «no»\r\nand more"
    assert answer.body.isascii()
    assert answer.body.count(b"\n") == 1


def test_an_unforeseen_error_shows_no_more_than_its_name(
    served: ServedEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither to the program nor in the log."""
    served.runs.served = ValueError("choked on secret-1")
    status, code, message = error(served.ask())
    assert (status, code) == (500, "error")
    assert message == "the daemon failed unexpectedly (ValueError); run: agentkeys daemon logs"
    logged = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "secret-1" not in caplog.text
    assert [record.getMessage() for record in logged] == ["unforeseen ValueError at the endpoint"]
    assert logged[0].exc_info is None


def test_a_mint_that_takes_long_is_answered_in_time(served: ServedEndpoint) -> None:
    """Some SDKs hang up after a second; what they get before tells them to come back."""
    served.runs.moves.clear()
    answer = served.ask()
    assert error(answer)[:2] == (503, "daemon_timeout")
    assert answer.headers["retry-after"] == "1"


def test_a_run_that_ends_while_it_waits_gets_nothing(served: ServedEndpoint) -> None:
    """Its token is useless from then on, for credentials and for reasons."""

    async def end() -> None:
        served.runs.end(RUN)
        served.runs.moves.set()

    served.runs.moves.clear()
    served.runs.served = a_lease()
    with served.asking() as answers:
        until(lambda: served.runs.asked == 1)
        served.do(end)
    assert error(answers[0])[:2] == (401, "token_refused")
