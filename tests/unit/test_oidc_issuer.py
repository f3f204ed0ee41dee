"""What an issuer says of itself, and when that is not believed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.clock import SystemClock
from agentkeys.errors import (
    AgentkeysError,
    ConfigError,
    IssuerInvalid,
    IssuerRefused,
    IssuerUnreachable,
)
from agentkeys.oidc import Issuer, Issuers, fetch_issuer
from agentkeys.transport import Transport
from tests.fakes.issuer import DISCOVERY, FakeIssuer
from tests.support.calls import over_http
from tests.support.moved_clock import MovedClock
from tests.support.oidc_place import HastyTransport


def fetch(url: str) -> Issuer:
    return over_http(lambda transport: fetch_issuer(transport, url))


def refusal(issuer: FakeIssuer, url: str | None = None) -> AgentkeysError:
    """The error of a fetch, which is one line with a hint."""
    with pytest.raises(AgentkeysError) as caught:
        fetch(url or issuer.url)
    assert caught.value.message.isprintable()
    assert caught.value.hint.isprintable()
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("path", ["", "/realms/main", "/application/o/agentkeys/"])
def test_an_issuer_is_found_by_its_name(path: str) -> None:
    """Its path, and a closing slash, belong to the name; one slash of both is enough."""
    with FakeIssuer(path=path) as issuer:
        found = fetch(issuer.url)
        [request] = issuer.requests
    assert request.path == path.removesuffix("/") + DISCOVERY
    assert request.headers["accept"] == "application/json"
    assert found.url == issuer.url
    assert found.token_endpoint == issuer.description["token_endpoint"]
    assert found.device_endpoint == issuer.description["device_authorization_endpoint"]
    assert "offline_access" in found.scopes


@pytest.mark.parametrize(
    "named", ["https://other.example.com", "{url}/", "{upper}", None, 7, "\x1b[2J"]
)
def test_an_issuer_that_names_itself_otherwise_is_refused(named: object) -> None:
    """Byte for byte, and both names are shown: it is most often a slash."""
    with FakeIssuer() as issuer:
        if isinstance(named, str):
            named = named.format(url=issuer.url, upper=issuer.url.upper())
        issuer.metadata["issuer"] = named
        error = refusal(issuer)
    assert isinstance(error, IssuerInvalid)
    assert repr(issuer.url) in error.message
    if isinstance(named, str) and named.isprintable():
        assert named in error.message


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>please sign in</html>", "something else than its description"),
        (200, b"[1]", "something else"),
        (200, b"\xff", "something else"),
        (200, b"[" * 200_000, "something else"),
        (404, b"<html>", "no OpenID Connect issuer"),
        (403, b"{}", "no OpenID Connect issuer"),
        (200, {}, "names itself nobody"),
    ],
)
def test_what_is_no_issuer_is_said_to_be_none(status: int, body: object, words: str) -> None:
    """A proxy's sign-in page is the most common one."""
    with FakeIssuer() as issuer:
        issuer.answer_with(DISCOVERY, status, body)
        error = refusal(issuer)
    assert isinstance(error, IssuerInvalid)
    assert words in error.message
    assert not error.retryable


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_issuer_that_is_down_for_a_moment_may_be_asked_again(status: int) -> None:
    """When it says itself how long to wait, that is known."""
    with FakeIssuer() as issuer:
        issuer.answer_with(DISCOVERY, status, b"<html>", {"Retry-After": "7"})
        error = refusal(issuer)
    assert isinstance(error, IssuerUnreachable)
    assert (error.retryable, error.retry_after) == (True, 7.0)


def test_an_issuer_that_is_not_there_may_be_asked_again() -> None:
    """It is named."""
    with FakeIssuer() as issuer:
        pass
    error = refusal(issuer)
    assert isinstance(error, IssuerUnreachable)
    assert error.retryable
    assert issuer.url.removeprefix("http://") in error.message


def test_no_redirect_is_followed() -> None:
    """Wherever it leads, it is not the issuer that was configured."""
    with FakeIssuer() as issuer:
        issuer.answer_with(DISCOVERY, 302, b"", {"Location": f"{issuer.url}/elsewhere"})
        error = refusal(issuer)
        assert len(issuer.requests) == 1
    assert isinstance(error, IssuerRefused)
    assert "redirect" in error.message


def test_an_endless_description_is_refused() -> None:
    """After a quarter of a megabyte."""
    with FakeIssuer() as issuer:
        issuer.pour(DISCOVERY)
        error = refusal(issuer)
    assert "more than 262144 bytes" in error.message


def test_a_description_that_never_ends_to_come_is_not_waited_for() -> None:
    """A byte now and then does not keep us."""

    async def story() -> None:
        transport = HastyTransport(clock=SystemClock())
        try:
            with pytest.raises(IssuerUnreachable, match="did not answer within"):
                await fetch_issuer(transport, issuer.url)
        finally:
            await transport.aclose()

    with FakeIssuer() as issuer:
        issuer.drip(DISCOVERY)
        asyncio.run(story())


@pytest.mark.parametrize(
    "endpoint",
    [
        "token_endpoint",
        "authorization_endpoint",
        "device_authorization_endpoint",
        "jwks_uri",
    ],
)
@pytest.mark.parametrize(
    "address",
    ["http://issuer.example.com/x", "ftp://127.0.0.1/x", "https://", "/x", 7, "https://a/\x1b"],
)
def test_endpoints_are_https_or_on_this_machine(endpoint: str, address: object) -> None:
    """What is sent there is secret."""
    with FakeIssuer() as issuer:
        issuer.metadata[endpoint] = address
        error = refusal(issuer)
    assert isinstance(error, IssuerInvalid)
    assert endpoint in error.message


def test_an_issuer_without_a_token_endpoint_is_none() -> None:
    """Some only sign tokens, as brokers do."""
    with FakeIssuer() as issuer:
        issuer.metadata["token_endpoint"] = None
        assert "offers no token endpoint" in refusal(issuer).message


@pytest.mark.parametrize("listed", [None, "openid", 7, {"openid": 1}, [7, "openid"]])
def test_lists_that_are_none_hold_nothing(listed: Any) -> None:
    """They are only hints."""
    with FakeIssuer() as issuer:
        issuer.metadata["scopes_supported"] = listed
        found = fetch(issuer.url)
    assert found.scopes <= {"openid"}


def test_a_plain_issuer_elsewhere_is_a_mistake_in_the_configuration() -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigError, match="http:// is not allowed"):
        fetch("http://issuer.example.com")


def test_a_description_is_kept_for_an_hour() -> None:
    """One fetch, however many ask at once; then another."""
    clock = MovedClock()

    async def story(transport: Transport) -> None:
        issuers = Issuers(transport=transport, clock=clock)
        await asyncio.gather(*(issuers.get(issuer.url) for _ in range(20)))
        clock.move(timedelta(minutes=59))
        await issuers.get(issuer.url)
        assert len(issuer.requests) == 1
        clock.move(timedelta(minutes=2))
        await issuers.get(issuer.url)
        assert len(issuer.requests) == 2

    with FakeIssuer() as issuer:
        over_http(story)


def test_a_failed_fetch_is_not_kept() -> None:
    """The next one may succeed."""

    async def story(transport: Transport) -> None:
        issuers = Issuers(transport=transport, clock=MovedClock())
        issuer.answer_with(DISCOVERY, 503)
        with pytest.raises(IssuerUnreachable):
            await issuers.get(issuer.url)
        assert (await issuers.get(issuer.url)).url == issuer.url

    with FakeIssuer() as issuer:
        over_http(story)


def test_importing_it_costs_nobody_authlib() -> None:
    """Nor the cryptography below it: most daemons know no such issuer."""
    script = """if True:
        import sys
        import agentkeys.login.oidc, agentkeys.oidc
        import agentkeys.tokens.client_credentials, agentkeys.tokens.oidc
        roots = {name.partition(".")[0] for name in sys.modules}
        print(sorted(roots & {"authlib", "joserfc", "cryptography", "jwt"}))
    """
    printed = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "[]\n"
