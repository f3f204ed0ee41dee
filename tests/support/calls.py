"""Runs a story with what it needs to speak HTTP, in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agentkeys.broker import BrokerClient
from agentkeys.clock import SystemClock
from agentkeys.transport import Transport

__all__ = ["at_broker", "over_http"]

T = TypeVar("T")


def over_http(story: Callable[[Transport], Awaitable[T]]) -> T:
    """Plays the story with a transport; its connections are closed afterwards."""

    async def play() -> T:
        transport = Transport(clock=SystemClock())
        try:
            return await story(transport)
        finally:
            await transport.aclose()

    return asyncio.run(play())


def at_broker(url: str, story: Callable[[BrokerClient], Awaitable[T]]) -> T:
    """Plays the story with a client of the broker at `url`."""
    return over_http(lambda transport: story(BrokerClient(url=url, transport=transport)))
