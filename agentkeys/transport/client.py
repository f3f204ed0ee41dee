"""Sends requests where they may go."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from agentkeys import loopback
from agentkeys.clock import Clock
from agentkeys.server_times import ServerTimes
from agentkeys.transport.answer import Answer
from agentkeys.transport.failures import TransportError
from agentkeys.transport.outgoing import Destination, encode_body

if TYPE_CHECKING:
    from agentkeys.transport.pool import Pool

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
        self._clock = clock
        self._listener_uid = listener_uid
        self._opening = asyncio.Lock()
        self._pools: dict[bool, Pool] = {}

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
                pool = await self._pool(local=bool(to.addresses))
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
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()

    async def _check_listener(self, to: Destination) -> None:
        for address in to.addresses:
            # In a thread: the kernel's table can be megabytes long.
            uid = await asyncio.to_thread(self._listener_uid, address, to.port)
            if uid not in (None, 0, os.getuid()):
                raise TransportError(
                    f"port {to.port} on this machine belongs to another user (uid {uid})",
                    hint="another user answers there and nothing was sent; use a port of your own",
                )

    async def _pool(self, *, local: bool) -> Pool:
        async with self._opening:
            if local not in self._pools:
                # In a thread: httpx and the certificates take a tenth of a second to load, and
                # whoever is served from memory meanwhile must not wait for it.
                self._pools[local] = await asyncio.to_thread(_open_pool, self._clock, local)
            return self._pools[local]


def _open_pool(clock: Clock, local: bool) -> Pool:
    # Not above: a daemon that starts with kept leases should not pay for httpx.
    import anyio  # noqa: PLC0415

    from agentkeys.transport.pool import Pool  # noqa: PLC0415

    # httpx would load the half of it that talks to asyncio at the first request, in the event loop.
    anyio.run(anyio.sleep, 0)
    return Pool(clock=clock, local=local)
