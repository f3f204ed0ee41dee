"""The endpoint's ASGI application: in whose words a request is answered, and whether at all."""

from __future__ import annotations

import logging

from agentkeys.errors import AgentkeysError
from agentkeys_daemon.endpoint.asking import Speaker, only_header
from agentkeys_daemon.endpoint.container import ContainerSpeaker
from agentkeys_daemon.endpoint.mint import MintSpeaker, is_for_a_broker
from agentkeys_daemon.endpoint.runs import EndpointRuns
from agentkeys_daemon.http import HttpAnswer, Receive, Scope, Send

__all__ = ["Door"]

log = logging.getLogger("agentkeys.daemon")


class Door:
    """Answers on `port`, to AWS SDKs and to those who believe that they ask a broker.

    The Host header has to be ours: a page in a browser that has rebound its own name to 127.0.0.1
    sends that name.
    """

    def __init__(self, *, runs: EndpointRuns, port: int, mint_seconds: float) -> None:
        """`mint_seconds` is how long those who ask as at a broker wait for a mint."""
        self._hosts = {f"127.0.0.1:{port}".encode(), f"localhost:{port}".encode()}
        self._container = ContainerSpeaker(runs=runs)
        self._mint = MintSpeaker(runs=runs, patience_seconds=mint_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body_bytes = await _read_to_the_end(receive)
        if body_bytes is None:
            return
        speaker: Speaker = self._mint if is_for_a_broker(scope["raw_path"]) else self._container
        try:
            answer = await self._answer(speaker, scope, body_bytes)
        except AgentkeysError as problem:
            answer = speaker.failure(problem)
        except Exception as problem:  # noqa: BLE001 - the top level of a request
            # Only its type: an unforeseen exception's text may quote what it choked on.
            kind = type(problem).__name__
            log.error("unforeseen %s at the endpoint", kind)  # noqa: TRY400
            answer = speaker.unforeseen(
                f"the daemon failed unexpectedly ({kind}); run: agentkeys daemon logs"
            )
        await answer.send(send)

    async def _answer(self, speaker: Speaker, scope: Scope, body_bytes: int) -> HttpAnswer:
        if only_header(scope, b"host") not in self._hosts:
            return speaker.wrong_host
        return await speaker.answer(scope, body_bytes)


async def _read_to_the_end(receive: Receive) -> int | None:
    """Passes over a body, and counts it; None where its sender has gone.

    The connection bounds its size.
    """
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            return size
