"""Web identity tokens of a job of GitHub Actions, from the endpoint that the job is told of.

Source of the protocol: GitHub's documentation of OpenID Connect in Actions, and its toolkit.
"""

from __future__ import annotations

import json
from urllib.parse import urlencode, urlsplit, urlunsplit

from agentkeys.errors import (
    ConfigError,
    IssuerUnreachable,
    LoginRequired,
    SourceAbsent,
    SourceFailed,
    TokenError,
    WrongIdentity,
)
from agentkeys.http_dates import retry_after
from agentkeys.jwts import parse_web_identity_token
from agentkeys.models import WebIdentityToken
from agentkeys.secret import Secret
from agentkeys.sessions import GithubSession
from agentkeys.tokens import SessionHolder
from agentkeys.transport import Answer, Transport, TransportError
from agentkeys.transport.outgoing import Destination

__all__ = ["GithubTokenSource", "no_job"]

_PERMISSION = "add to the job: permissions: id-token: write"


class GithubTokenSource:
    """Has GitHub sign a token for whichever job the client that asks runs in."""

    def __init__(
        self, *, sessions: SessionHolder[GithubSession], audience: str, transport: Transport
    ) -> None:
        self._sessions = sessions
        self._audience = audience
        self._transport = transport

    async def subject(self) -> str:
        return (await self._job()).owner

    def held_subject(self) -> str | None:
        job = self._sessions.held_session
        return job.owner if job else None

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        job = await self._job()
        if job.owner != subject:
            raise WrongIdentity(
                "another job has taken over while credentials were minted", hint="try again"
            )
        jwt = _token(await self._ask(job))
        return parse_web_identity_token(jwt, now=self._transport.times.now(job.request_url))

    async def _job(self) -> GithubSession:
        try:
            job = await self._sessions.last_session()
        except LoginRequired:
            raise no_job() from None
        if not (job.request_url and job.request_token):
            raise no_job()
        return job

    async def _ask(self, job: GithubSession) -> Answer:
        headers = {
            "accept": "application/json",
            "authorization": f"Bearer {job.request_token.reveal()}",
        }
        try:
            answer = await self._transport.send("GET", self._url(job), headers=headers)
        except TransportError as problem:
            raise IssuerUnreachable(
                f"GitHub gave no token: {problem.message}", hint=problem.hint
            ) from None
        if answer.status != 200:
            raise self._refusal(answer, job)
        return answer

    def _url(self, job: GithubSession) -> str:
        """The job's own URL, which has a query already, with the audience."""
        url = job.request_url
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise _bad_url("it holds characters that no URL has")
        try:
            Destination.parse(url)
            parts = urlsplit(url)
        except ConfigError as problem:
            raise _bad_url(problem.message) from None
        query = "&".join(filter(None, (parts.query, urlencode({"audience": self._audience}))))
        return urlunsplit(parts._replace(query=query, fragment=""))

    def _refusal(self, answer: Answer, job: GithubSession) -> TokenError:
        if answer.status in (401, 403):
            return SourceFailed(
                f"GitHub gives this job no token (status {answer.status})",
                hint=f"the job may be over, or may not have any; {_PERMISSION}",
            )
        if answer.status in (408, 429) or answer.status >= 500:
            return IssuerUnreachable(
                f"GitHub answered {answer.status} instead of giving a token",
                hint="try again in a moment; if it stays, see https://www.githubstatus.com",
                retry_after=retry_after(answer.headers, self._transport.times.now(job.request_url)),
            )
        return SourceFailed(
            f"GitHub gave no token (status {answer.status})",
            hint="check the identity's audience, and ACTIONS_ID_TOKEN_REQUEST_URL",
        )


def no_job() -> SourceAbsent:
    """The error to raise where nothing says how a job fetches its tokens."""
    return SourceAbsent("this is no job of GitHub Actions that may have tokens", hint=_PERMISSION)


def _token(answer: Answer) -> Secret:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    value = found.get("value") if isinstance(found, dict) else None
    if not isinstance(value, str) or not value:
        raise SourceFailed(
            "GitHub answered something else than a token",
            hint="check that ACTIONS_ID_TOKEN_REQUEST_URL is GitHub's, and no proxy's",
        )
    return Secret(value)


def _bad_url(problem: str) -> SourceFailed:
    return SourceFailed(
        f"ACTIONS_ID_TOKEN_REQUEST_URL cannot be used: {problem}",
        hint="leave it as GitHub has set it",
    )
