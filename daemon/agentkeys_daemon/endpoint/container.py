"""As AWS SDKs ask: GET /v1/runs/ID/credentials, the container credentials endpoint."""

from __future__ import annotations

import asyncio

from agentkeys.errors import AgentkeysError, DaemonTimeout
from agentkeys.leases import Lease
from agentkeys_daemon.endpoint import answers
from agentkeys_daemon.endpoint.asking import only_header
from agentkeys_daemon.endpoint.runs import EndpointRuns
from agentkeys_daemon.endpoint.tokens import matches
from agentkeys_daemon.http import HttpAnswer, Scope

__all__ = ["ContainerSpeaker"]

PATIENCE_SECONDS = 0.7
"""Some clients give up after a second."""


class ContainerSpeaker:
    """Gives a run's credentials to whoever sends the run's token.

    The Authorization header is the token itself, as SDKs send it, and nothing before it. Query
    strings are ignored. A run that does not live and a wrong token get the same answer.
    """

    wrong_host = answers.WRONG_HOST

    def __init__(self, *, runs: EndpointRuns) -> None:
        self._runs = runs

    async def answer(self, scope: Scope, body_bytes: int) -> HttpAnswer:
        run_id = _run_id(scope["raw_path"])
        if run_id is None:
            return answers.NOT_FOUND
        if scope["method"] != "GET":
            return answers.ONLY_GET
        token = (only_header(scope, b"authorization") or b"").decode("latin-1")
        return await self._serve(run_id, token)

    def failure(self, problem: AgentkeysError) -> HttpAnswer:
        return answers.failure(problem)

    def unforeseen(self, message: str) -> HttpAnswer:
        return answers.refusal(500, "error", message)

    async def _serve(self, run_id: str, token: str) -> HttpAnswer:
        if not self._is_open(run_id, token):
            return answers.NO_RUNS_TOKEN
        try:
            answer = answers.credentials(await self._credentials(run_id))
        except AgentkeysError as problem:
            answer = answers.failure(problem)
        # It may have ended while we waited, and its token is worth nothing any more.
        return answer if self._is_open(run_id, token) else answers.NO_RUNS_TOKEN

    def _is_open(self, run_id: str, token: str) -> bool:
        return matches(token, self._runs.token_hash(run_id))

    async def _credentials(self, run_id: str) -> Lease:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._runs.credentials(run_id)
        except TimeoutError:
            raise DaemonTimeout(
                "the credentials are still being fetched", hint="ask again in a moment"
            ) from None


def _run_id(path: bytes) -> str | None:
    match path.decode("ascii").split("/"):
        case ["", "v1", "runs", run_id, "credentials"] if run_id:
            return run_id
    return None
