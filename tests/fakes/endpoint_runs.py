"""Runs as the endpoint sees them, without a daemon behind them."""

from __future__ import annotations

import asyncio

from agentkeys.errors import AgentkeysError
from agentkeys.leases import Lease
from agentkeys.secret import Secret
from agentkeys_daemon.endpoint import Minted, new_token, owner_of, token_hash
from tests.support.profiles import a_lease
from tests.support.tokens import ALICE

__all__ = ["FakeRuns"]


class FakeRuns:
    """Keeps hashes alone, as the daemon does; what a run is served can be changed at any time."""

    wallet = ALICE.wallet
    record_id = "aud_1780315200_ddcb420b555eecba"

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

    def minter(self, token: str) -> str | None:
        return owner_of(token, self._hashes.items())

    async def mint(self, run_id: str) -> Minted:
        return Minted(await self.credentials(run_id), self.wallet, self.record_id)

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
