"""Runs as the endpoint sees them, without a daemon behind them."""

from __future__ import annotations

import asyncio

from agentkeys.errors import AgentkeysError
from agentkeys.leases import Lease
from agentkeys.secret import Secret
from agentkeys_daemon.endpoint import new_token, token_hash
from tests.support.profiles import a_lease

__all__ = ["FakeRuns"]


class FakeRuns:
    """Keeps hashes alone, as the daemon does; what a run is served can be changed at any time."""

    def __init__(self) -> None:
        self.served: Lease | Exception = a_lease()
        self.moves = asyncio.Event()
        """Cleared while whoever asks for credentials has to wait."""
        self.moves.set()
        self.asked = 0
        """How often any run has come for credentials."""
        self._hashes: dict[str, str] = {}

    async def reset(self) -> None:
        """No runs, and a lease at once for each."""
        self.served = a_lease()
        self.moves.set()
        self.asked = 0
        self._hashes.clear()

    def begin(self, run_id: str) -> Secret:
        """The token of a new run."""
        token = new_token()
        self._hashes[run_id] = token_hash(token.reveal())
        return token

    def end(self, run_id: str) -> None:
        del self._hashes[run_id]

    def token_hash(self, run_id: str) -> str | None:
        return self._hashes.get(run_id)

    async def credentials(self, run_id: str) -> Lease:
        assert run_id in self._hashes
        self.asked += 1
        await self.moves.wait()
        if isinstance(self.served, AgentkeysError):
            # As a real one: raised anew each time, and never with the traceback of the last.
            raise self.served.with_traceback(None)
        if isinstance(self.served, Exception):
            raise self.served
        return self.served
