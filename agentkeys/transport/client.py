"""Sends requests where they may go."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Self

from agentkeys import loopback
from agentkeys.clock import Clock
from agentkeys.server_times import ServerTimes
from agentkeys.transport.answer import Answer
from agentkeys.transport.failures import TransportError
from agentkeys.transport.outgoing import Destination, encode_body
from agentkeys.transport.pools import Pools

__all__ = ["Transport"]


class Transport:
    """Sends requests over pooled connections; belongs to one event loop until `aclose`.

    Leaving its `async with` closes it.

    `times` knows the clock of every server that has answered. `listener_uid` tells whose socket
    takes connections to a loopback address and port.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        listener_uid: Callable[[str, int], int | None] = loopback.listener_uid,
    ) -> None:
        self.times = ServerTimes(clock=clock)
        self._listener_uid = listener_uid
        self._pools = Pools(clock=clock)
        self._ca_file: Path | None = None

    def trusting(self, ca_file: Path | None) -> Self:
        """The same transport, whose https goes only to hosts that the authorities in it vouch for.

        None stands for the system's authorities. The file is looked at for each request, so that
        a new one counts from then on; `send` raises ConfigError when it cannot be used. The
        servers' times and the end of all connections are shared.
        """
        view = copy(self)
        view._ca_file = ca_file
        return view

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = {},
        form: Mapping[str, str] | None = None,
        json: object | None = None,
        timeout: float = 15.0,  # noqa: ASYNC109 - the message tells it
        connect_timeout: float = 5.0,
        max_bytes: int = 262_144,
    ) -> Answer:
        """One request, one answer; a redirect is an answer like any other.

        `form` or `json` becomes the body. `timeout` bounds everything together and
        `connect_timeout` the connection, in seconds; `max_bytes` bounds the answer's body.
        Raises ConfigError for a URL that must not be used, TransportError when no answer came.
        """
        to = Destination.parse(url)
        to.check_headers(headers)
        content, defaults = encode_body(form, json)
        try:
            async with asyncio.timeout(timeout):
                await self._check_listener(to)
                pool = await self._pools.get(local=bool(to.addresses), ca_file=self._ca_file)
                answer = await pool.exchange(
                    method,
                    url,
                    where=to.where,
                    headers={**defaults, **headers},
                    content=content,
                    connect_timeout=connect_timeout,
                    max_bytes=max_bytes,
                )
        except TimeoutError as error:
            raise TransportError(
                f"{to.where} did not answer within {timeout:g} s",
                hint="ask again; if it stays, see whether the service and the network are up",
            ) from error
        self.times.observe(url, answer.skew)
        return answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes every connection; a later `send` opens new ones."""
        await self._pools.aclose()

    async def _check_listener(self, to: Destination) -> None:
        for address in to.addresses:
            # In a thread: the kernel's table can be megabytes long.
            uid = await asyncio.to_thread(self._listener_uid, address, to.port)
            if uid not in (None, 0, os.getuid()):
                raise TransportError(
                    f"port {to.port} on this machine belongs to another user (uid {uid})",
                    hint="another user answers there and nothing was sent; use a port of your own",
                )
