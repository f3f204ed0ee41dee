"""The endpoint's life: opened, served, closed, or handed on to the next daemon while it listens."""

from __future__ import annotations

import asyncio
import socket

from agentkeys_daemon.endpoint.door import Door
from agentkeys_daemon.endpoint.listener import LOOPBACK
from agentkeys_daemon.endpoint.protocol import EndpointProtocol, EndpointState, Limits
from agentkeys_daemon.endpoint.runs import EndpointRuns
from agentkeys_daemon.http_server import HttpServer
from agentkeys_daemon.request_log import logging_requests

__all__ = ["Endpoint"]


class Endpoint:
    """HTTP on 127.0.0.1 for programs under `exec`; closed until `start`."""

    def __init__(self, *, runs: EndpointRuns, limits: Limits | None = None) -> None:
        self._runs = runs
        self._limits = limits or Limits()
        self._listening: socket.socket | None = None
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int | None:
        """None while it is closed."""
        return _port(self._listening) if self._listening else None

    @property
    def base_url(self) -> str:
        """Without a path; the endpoint has to be open."""
        return f"http://{LOOPBACK}:{self.port}"

    def url(self, run_id: str) -> str:
        """Where the SDKs of a run ask; the endpoint has to be open."""
        return f"{self.base_url}/v1/runs/{run_id}/credentials"

    def start(self, listening: socket.socket) -> None:
        """Serves on a socket of `listen` or `adopt`, which it takes over."""
        if self._listening:
            raise RuntimeError("the endpoint is open already")
        self._listening = listening
        self._stop = asyncio.Event()
        door = Door(runs=self._runs, port=_port(listening), mint_seconds=self._limits.mint_seconds)
        server = HttpServer(
            logging_requests(door, door="endpoint"),
            protocol=EndpointProtocol,
            until=self._stop,
        )
        server.server_state = EndpointState(self._limits)
        # The server closes what it was given; the socket itself may have to go on.
        served = server.serve(sockets=[listening.dup()])
        self._serving = asyncio.get_running_loop().create_task(served)

    async def stop(self) -> None:
        """Answers whoever has asked, and closes; does nothing where it is closed."""
        if listening := await self.hand_on():
            listening.close()

    async def hand_on(self) -> socket.socket | None:
        """Answers whoever has asked, and leaves the rest to whoever gets the socket.

        That goes on listening: who connects meanwhile waits in its queue. None where it is closed.
        """
        listening, self._listening = self._listening, None
        if self._serving:
            self._stop.set()
            serving, self._serving = self._serving, None
            await serving
        return listening


def _port(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port
