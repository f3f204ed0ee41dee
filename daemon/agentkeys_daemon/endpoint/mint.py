"""As programs asked brokers until July 2026: POST /v1/mint-aws-creds, with the run's token.

The broker's own role is no part of it: what is given is the run's lease, minted for the user's own
web identity token as for everybody else.
"""

from __future__ import annotations

import asyncio

from agentkeys.errors import AgentkeysError, DaemonTimeout
from agentkeys_daemon.endpoint import mint_answers
from agentkeys_daemon.endpoint.asking import only_header
from agentkeys_daemon.endpoint.runs import EndpointRuns, Minted
from agentkeys_daemon.http import HttpAnswer, Scope

__all__ = ["MintSpeaker", "is_for_a_broker", "is_mint"]

_MINT = b"/v1/mint-aws-creds"
_BROKERS = (
    b"/.well-known/",
    b"/auth/",
    b"/healthz",
    b"/metrics",
    b"/readyz",
    b"/v1/agent/",
    b"/v1/auth/",
    b"/v1/grant/",
    b"/v1/mint-",
    b"/v1/wallet/",
)
"""How the paths begin at which a broker answers."""


def is_mint(path: bytes) -> bool:
    """With a slash too many where somebody has put the URL together carelessly."""
    return path in (_MINT, b"/" + _MINT, _MINT + b"/")


def is_for_a_broker(path: bytes) -> bool:
    """Whether it was sent by somebody who takes us for one."""
    return is_mint(path) or path.startswith(_BROKERS)


class MintSpeaker:
    """Gives the credentials of a run to whoever sends its token as a bearer.

    Whatever body comes along stays unread: a signature in it proves a wallet to a broker, and here
    the token alone counts.
    """

    wrong_host = mint_answers.WRONG_HOST

    def __init__(self, *, runs: EndpointRuns, patience_seconds: float) -> None:
        """`patience_seconds` is how long a mint is waited for."""
        self._runs = runs
        self._patience = patience_seconds

    async def answer(self, scope: Scope, body_bytes: int) -> HttpAnswer:
        if not is_mint(scope["raw_path"]):
            return mint_answers.NOT_FOUND
        if scope["method"] != "POST":
            return mint_answers.ONLY_POST
        if body_bytes > mint_answers.LARGEST_BODY:
            return mint_answers.TOO_LARGE
        return await self._serve(_bearer(scope), is_later=_is_later(scope, body_bytes))

    def failure(self, problem: AgentkeysError) -> HttpAnswer:
        return mint_answers.failure(problem)

    def unforeseen(self, message: str) -> HttpAnswer:
        return mint_answers.refusal(500, "internal", message)

    async def _serve(self, token: str, *, is_later: bool) -> HttpAnswer:
        run_id = self._runs.minter(token)
        if run_id is None:
            return mint_answers.NO_RUNS_TOKEN
        try:
            answer = mint_answers.credentials(await self._mint(run_id), is_later=is_later)
        except AgentkeysError as problem:
            answer = mint_answers.failure(problem)
        # It may have ended while we waited, and its token is worth nothing any more.
        is_open = self._runs.minter(token) == run_id
        return answer if is_open else mint_answers.NO_RUNS_TOKEN

    async def _mint(self, run_id: str) -> Minted:
        try:
            async with asyncio.timeout(self._patience):
                return await self._runs.mint(run_id)
        except TimeoutError:
            raise DaemonTimeout(
                "the credentials are still being minted", hint="ask again in a moment"
            ) from None


def _bearer(scope: Scope) -> str:
    """What stands after `Bearer `, spelt exactly so as for a broker; empty where nothing does."""
    scheme, blank, token = (only_header(scope, b"authorization") or b"").partition(b" ")
    return token.decode("latin-1") if scheme + blank == b"Bearer " else ""


def _is_later(scope: Scope, body_bytes: int) -> bool:
    """Whether the caller knows the answer's later shape.

    Those who do have to send a JSON body, which callers of the first shape do not have.
    """
    kind = (only_header(scope, b"content-type") or b"").partition(b";")[0]
    return body_bytes > 0 and kind.strip().lower() == b"application/json"
