"""The runs as the endpoint sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agentkeys.leases import Lease

__all__ = ["EndpointRuns", "Minted"]


@dataclass(frozen=True, slots=True)
class Minted:
    """What a run that asks as it once asked its broker is given."""

    lease: Lease
    wallet: str
    """Of the lease's own user: what their token says, or whatever else names them there."""
    audit_record_id: str
    """`aud_<Unix seconds>_<16 hex digits>`, the latter being the ledger's `event_id`."""


class EndpointRuns(Protocol):
    """The runs that live, and what each of them is served."""

    def token_hash(self, run_id: str) -> str | None:
        """The hash of the run's token; None where no run that fetches has it, for any text."""
        ...

    async def credentials(self, run_id: str) -> Lease:
        """From memory, or within half a second; raises AgentkeysError and its leaves.

        Cancelling it must not cancel a mint: others wait for that too.
        """
        ...

    def minter(self, token: str) -> str | None:
        """The run that mints with `token`; None where no such run lives, for any text at all.

        Takes as long whichever it is.
        """
        ...

    async def mint(self, run_id: str) -> Minted:
        """The same credentials, for who has the time to wait for a mint.

        Raises AgentkeysError and its leaves; cancelling it must not cancel a mint.
        """
        ...
