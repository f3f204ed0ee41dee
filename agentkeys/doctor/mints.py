"""The doctor's own mints: each is told, none is kept."""

from __future__ import annotations

from agentkeys.clock import Clock
from agentkeys.doctor.attempts import Minted, StoreAttempts
from agentkeys.errors import AgentkeysError
from agentkeys.leases import Lease, LeaseTerms, Minter
from agentkeys.models import WebIdentityToken
from agentkeys.transport import Transport

__all__ = ["Mints"]


class Mints:
    """Mints with a token at hand. `minted` hears of every mint, and of refusals that count."""

    def __init__(self, *, transport: Transport, clock: Clock, minted: Minted) -> None:
        self._transport = transport
        self._clock = clock
        self._minted = minted
        self._minter = Minter(clock=clock)

    async def mint(self, terms: LeaseTerms, token: WebIdentityToken) -> Lease:
        """Raises AgentkeysError."""
        try:
            lease = await self._minter.mint_once(terms, token)
        except AgentkeysError as problem:
            await self._minted(terms, problem)
            raise
        await self._minted(terms, lease)
        return lease

    def attempts(self, terms: LeaseTerms, token: WebIdentityToken) -> StoreAttempts:
        return StoreAttempts(
            terms=terms,
            token=token,
            minter=self._minter,
            transport=self._transport,
            clock=self._clock,
            minted=self._minted,
        )
