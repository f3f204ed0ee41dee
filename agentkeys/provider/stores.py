"""The STS of every profile, over connections that all of them share."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from agentkeys.clock import Clock
from agentkeys.leases import Exchange
from agentkeys.provider.settings import Setting
from agentkeys.sts.client import StsClient
from agentkeys.transport import Transport

__all__ = ["StsStores", "TransportStores"]


class StsStores(Protocol):
    """Where tokens are traded."""

    def exchange(self, setting: Setting) -> Exchange: ...

    def now(self, setting: Setting) -> datetime:
        """The time at the profile's store, as far as it is known."""
        ...

    async def aclose(self) -> None: ...


class TransportStores:
    """Belongs to one event loop until `aclose`."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._transport = Transport(clock=clock)

    def exchange(self, setting: Setting) -> Exchange:
        return StsClient(
            transport=self._transport,
            clock=self._clock,
            store=setting.profile.store.kind,
            endpoint=setting.sts_endpoint,
        )

    def now(self, setting: Setting) -> datetime:
        return self._transport.times.now(setting.sts_endpoint)

    async def aclose(self) -> None:
        await self._transport.aclose()
