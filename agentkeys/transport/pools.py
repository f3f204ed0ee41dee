"""One pool for each kind of destination, opened when it is first needed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from agentkeys.clock import Clock
from agentkeys.transport.authorities import Authorities, load_authorities

if TYPE_CHECKING:
    from agentkeys.transport.pool import Pool

__all__ = ["Pools"]

_Kind = tuple[bool, Path | None]
"""Whether it is this machine, and the file of authorities, if not the system's."""


class Pools:
    """Opens pools and keeps them; one whose file of authorities has changed is opened anew."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._opening = asyncio.Lock()
        self._open: dict[_Kind, tuple[Authorities | None, Pool]] = {}

    async def get(self, *, local: bool, ca_file: Path | None) -> Pool:
        """Raises ConfigError when the environment's settings or `ca_file` cannot be used."""
        # In threads: files may be far away, and httpx and the certificates take a tenth of a
        # second to load; whoever is served from memory meanwhile must not wait for it.
        found = await asyncio.to_thread(load_authorities, ca_file) if ca_file else None
        async with self._opening:
            held = self._open.get((local, ca_file))
            if held and held[0] == found:
                return held[1]
            pool = await asyncio.to_thread(_open_pool, self._clock, local, found)
            self._open[local, ca_file] = found, pool
            if held:
                await held[1].retire()
            return pool

    async def aclose(self) -> None:
        """Closes every connection; pools are opened anew if more are asked for."""
        held, self._open = self._open, {}
        for _, pool in held.values():
            await pool.aclose()


def _open_pool(clock: Clock, local: bool, authorities: Authorities | None) -> Pool:
    # Not above: a daemon that starts with kept leases should not pay for httpx.
    import anyio  # noqa: PLC0415

    from agentkeys.transport.pool import Pool  # noqa: PLC0415

    # httpx would load the half of it that talks to asyncio at the first request, in the event loop.
    anyio.run(anyio.sleep, 0)
    return Pool(clock=clock, local=local, authorities=authorities)
