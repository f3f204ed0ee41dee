"""Tokens of a job of GitHub Actions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from agentkeys.errors import (
    IssuerUnreachable,
    SourceAbsent,
    SourceFailed,
    TokenError,
    TokenInvalid,
    VaultLocked,
    WrongIdentity,
)
from agentkeys.keeper import Keeper
from agentkeys.models import WebIdentityToken
from agentkeys.secret import Secret
from agentkeys.sessions import GithubSession
from agentkeys.tokens.github import GithubTokenSource
from agentkeys.transport import Transport
from tests.fakes.github_issuer import FakeGithub
from tests.fakes.vault import FragileVault
from tests.support.moved_clock import MovedClock
from tests.support.oidc_place import HastyTransport
from tests.support.tokens import ISSUER, web_identity_jwt

T = TypeVar("T")

SUB = "repo:an-owner/a-repository:ref:refs/heads/main"


class Place:
    """A source at work: the real keeper and transport, GitHub on loopback."""

    def __init__(self, github: FakeGithub, transport: Transport, audience: str) -> None:
        self.github = github
        self.vault = FragileVault()
        self.keeper = Keeper(
            identity="ci",
            account="ci",
            vault=self.vault,
            clock=github.clock,
            times=transport.times,
        )
        self.source = GithubTokenSource(
            sessions=self.keeper.of(GithubSession), audience=audience, transport=transport
        )

    async def start(self, sub: str = SUB) -> GithubSession:
        """A job's client has come by."""
        job = self.github.start_job(sub)
        await self.keeper.keep_session(job)
        return job

    async def fetch(self) -> WebIdentityToken:
        return await self.source.fetch_token(await self.source.subject())

    async def refusal(self, kind: type[TokenError]) -> TokenError:
        """What is said: a line, a hint, and never the bearer or the job's URL."""
        with pytest.raises(kind) as caught:
            await self.fetch()
        problem = caught.value
        assert problem.message.isprintable()
        assert problem.hint
        job = self.keeper.of(GithubSession).held_session
        if job:
            told = f"{problem.message} {problem.hint} {problem.__cause__}"
            assert job.request_token.reveal() not in told
            assert "/idtoken/" not in told
        return problem


def play(
    story: Callable[[Place], Awaitable[T]],
    *,
    audience: str = "sts.amazonaws.com",
    make_transport: Callable[..., Transport] = Transport,
) -> T:
    clock = MovedClock()

    async def played() -> T:
        transport = make_transport(clock=clock)
        try:
            return await story(Place(github, transport, audience))
        finally:
            await transport.aclose()

    with FakeGithub(clock=clock) as github:
        return asyncio.run(played())


@pytest.mark.parametrize("audience", ["sts.amazonaws.com", "https://minio.example.com/a?b=c&d ü"])
def test_a_job_gets_tokens_for_its_audience(audience: str) -> None:
    """The URL that GitHub gave has a query already, which stays."""

    async def story(place: Place) -> None:
        job = await place.start()
        token = await place.fetch()
        assert (token.subject, token.audiences) == (SUB, (audience,))
        [request] = place.github.requests
        assert request.query == {"api-version": ["2.0"], "audience": [audience]}
        assert request.path == "/abcd//idtoken/5c2f/7e1a"
        assert request.headers["authorization"] == f"Bearer {job.request_token.reveal()}"
        assert request.headers["accept"] == "application/json"

    play(story, audience=audience)


def test_each_job_is_somebody_else() -> None:
    """Even of the same workflow: its tokens may say something else."""

    async def story(place: Place) -> None:
        await place.start()
        first = await place.source.subject()
        await place.start()
        assert place.source.held_subject() != first
        with pytest.raises(WrongIdentity, match="another job"):
            await place.source.fetch_token(first)
        assert place.github.requests == []

    play(story)


def test_outside_of_a_job_the_source_is_absent() -> None:
    """Which is no failure: it says what a job needs."""

    async def story(place: Place) -> None:
        assert place.source.held_subject() is None
        problem = await place.refusal(SourceAbsent)
        assert "id-token: write" in problem.hint

    play(story)


def test_a_locked_vault_is_no_missing_job() -> None:
    """There may be one in it."""

    async def story(place: Place) -> None:
        place.vault.problem = VaultLocked("locked")
        with pytest.raises(VaultLocked):
            await place.source.subject()

    play(story)


@pytest.mark.parametrize("status", [401, 403])
def test_a_job_that_gets_no_token_is_told_why(status: int) -> None:
    """It is over, or may not have any."""

    async def story(place: Place) -> None:
        await place.start()
        place.github.answer_with(status, {"message": "no"})
        problem = await place.refusal(SourceFailed)
        assert f"status {status}" in problem.message
        assert "the job may be over" in problem.hint
        assert await place.fetch()

    play(story)


def test_a_job_that_is_over_gets_none() -> None:
    """GitHub knows."""

    async def story(place: Place) -> None:
        await place.start()
        place.github.end_jobs()
        await place.refusal(SourceFailed)

    play(story)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_github_in_trouble_is_asked_again(status: int) -> None:
    """When it wants to be."""

    async def story(place: Place) -> None:
        await place.start()
        place.github.answer_with(status, b"<html>", {"Retry-After": "7"})
        problem = await place.refusal(IssuerUnreachable)
        assert problem.retryable
        assert problem.retry_after == 7

    play(story)


@pytest.mark.parametrize("status", [204, 302, 400, 404])
def test_other_answers_are_refusals(status: int) -> None:
    """No redirect is followed: the bearer is for GitHub alone."""

    async def story(place: Place) -> None:
        await place.start()
        place.github.answer_with(status, b"", {"Location": f"{place.github.origin}/elsewhere"})
        problem = await place.refusal(SourceFailed)
        assert f"status {status}" in problem.message
        assert len(place.github.requests) == 1

    play(story)


@pytest.mark.parametrize(
    "body",
    [b"<html>sign in</html>", b"", b"[" * 100_000, [], {}, {"value": ""}, {"value": ["a.b.c"]}],
)
def test_an_answer_without_a_token_is_told(body: object) -> None:
    """A proxy's sign-in page, for example."""

    async def story(place: Place) -> None:
        await place.start()
        place.github.answer_with(200, body)
        problem = await place.refusal(SourceFailed)
        assert "something else than a token" in problem.message

    play(story)


@pytest.mark.parametrize("value", ["no token", web_identity_jwt(issuer=ISSUER)[:-5] + "!"])
def test_what_is_no_token_is_not_passed_on(value: str) -> None:
    """Whoever says that it is one."""

    async def story(place: Place) -> None:
        await place.start()
        place.github.answer_with(200, {"value": value})
        await place.refusal(TokenInvalid)

    play(story)


def test_a_slow_answer_is_not_waited_for() -> None:
    """The transport's limit holds here too."""

    async def story(place: Place) -> None:
        await place.start()
        place.github.hold()
        problem = await place.refusal(IssuerUnreachable)
        assert "did not answer within" in problem.message

    play(story, make_transport=HastyTransport)


def test_nobody_there_is_told() -> None:
    """A retry may help."""

    async def story(place: Place) -> None:
        url = "http://127.0.0.1:1/abcd/idtoken/1?api-version=2.0"
        await place.keeper.keep_session(GithubSession(url, Secret("a-bearer")))
        problem = await place.refusal(IssuerUnreachable)
        assert problem.retryable

    play(story)


@pytest.mark.parametrize(
    "url",
    [
        "http://pipelines.example.com/idtoken/?api-version=2.0",
        "ftp://127.0.0.1/idtoken/",
        "/idtoken/",
        "https://[::1/idtoken/",
        "https://user:pw@example.com/idtoken/",
        "https://example.com:port/idtoken/",
        "https://example.com/idtoken/?a=b c",
        "https://example.com/idtoken/\n",
        "https://exämple.com/idtoken/",
    ],
)
def test_the_bearer_goes_to_no_strange_place(url: str) -> None:
    """It is sent over https or loopback, to what is a URL."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(GithubSession(url, Secret("a-bearer")))
        problem = await place.refusal(SourceFailed)
        assert "ACTIONS_ID_TOKEN_REQUEST_URL" in problem.message

    play(story)


@pytest.mark.parametrize(
    "session", [GithubSession("", Secret("x")), GithubSession("u", Secret(""))]
)
def test_half_a_job_is_none(session: GithubSession) -> None:
    """There is nowhere to ask, or nothing to ask with."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(session)
        with pytest.raises(SourceAbsent, match="no job of GitHub Actions"):
            await place.fetch()

    play(story)


def test_a_bearer_that_http_forbids_is_told() -> None:
    """Without showing it."""

    async def story(place: Place) -> None:
        job = await place.start()
        broken = GithubSession(job.request_url, Secret("a-bearer\r\nHost: evil.example.com"))
        await place.keeper.keep_session(broken)
        await place.refusal(IssuerUnreachable)
        assert place.github.requests == []

    play(story)
