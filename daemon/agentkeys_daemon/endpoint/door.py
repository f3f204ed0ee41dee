"""The endpoint's ASGI application: who asks, for which run, and whether with its token."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from agentkeys.errors import AgentkeysError, DaemonTimeout
from agentkeys.leases import Lease
from agentkeys_daemon.endpoint import answers
from agentkeys_daemon.endpoint.tokens import matches
from agentkeys_daemon.http import HttpAnswer, Receive, Scope, Send

__all__ = ["Door", "EndpointRuns"]

log = logging.getLogger("agentkeys.daemon")

PATIENCE_SECONDS = 0.7
"""Some clients give up after a second."""


class EndpointRuns(Protocol):
    """The runs that live, and what each of them is served."""

    def token_hash(self, run_id: str) -> str | None:
        """The hash of the run's token; None where no such run lives, for any text at all."""
        ...

    async def credentials(self, run_id: str) -> Lease:
        """From memory, or within half a second; raises AgentkeysError and its leaves.

        Cancelling it must not cancel a mint: others wait for that too.
        """
        ...


class Door:
    """Answers GET /v1/runs/ID/credentials on `port`, to whoever sends the run's token.

    The Authorization header is the token itself, as SDKs send it, and nothing before it. The Host
    header has to be ours: a page in a browser that has rebound its own name to 127.0.0.1 sends that
    name. Query strings are ignored. A run that does not live and a wrong token get the same answer.
    """

    def __init__(self, *, runs: EndpointRuns, port: int) -> None:
        self._runs = runs
        self._hosts = {f"127.0.0.1:{port}".encode(), f"localhost:{port}".encode()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not await _read_to_the_end(receive):
            return
        try:
            answer = await self._answer(scope)
        except AgentkeysError as problem:
            answer = answers.failure(problem)
        except Exception as problem:  # noqa: BLE001 - the top level of a request
            # Only its type: an unforeseen exception's text may quote what it choked on.
            log.error("unforeseen %s at the endpoint", type(problem).__name__)  # noqa: TRY400
            answer = _unforeseen(problem)
        await answer.send(send)

    async def _answer(self, scope: Scope) -> HttpAnswer:
        if _only(scope, b"host") not in self._hosts:
            return answers.WRONG_HOST
        run_id = _run_id(scope["raw_path"])
        if run_id is None:
            return answers.NOT_FOUND
        if scope["method"] != "GET":
            return answers.ONLY_GET
        token = (_only(scope, b"authorization") or b"").decode("latin-1")
        return await self._serve(run_id, token)

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


async def _read_to_the_end(receive: Receive) -> bool:
    """Passes over a body; False where its sender has gone. The connection bounds its size."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        if not message.get("more_body"):
            return True


def _only(scope: Scope, name: bytes) -> bytes | None:
    """The value of a header that was sent exactly once."""
    found: list[bytes] = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else None


def _run_id(path: bytes) -> str | None:
    match path.decode("ascii").split("/"):
        case ["", "v1", "runs", run_id, "credentials"] if run_id:
            return run_id
    return None


def _unforeseen(problem: Exception) -> HttpAnswer:
    return answers.refusal(
        500,
        "error",
        f"the daemon failed unexpectedly ({type(problem).__name__}); run: agentkeys daemon logs",
    )
