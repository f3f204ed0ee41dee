"""What a lease is asked for: by whom, where, and how narrow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from agentkeys.config import Profile
from agentkeys.models import AssumedRole, TokenUser
from agentkeys.scopes import WHOLE, Scope
from agentkeys.sts.refusals import Audiences
from agentkeys.sts.request import AssumeRoleRequest

__all__ = ["Exchange", "LeaseTerms"]


class Exchange(Protocol):
    """Trades a token for credentials at one STS, with one call each time."""

    async def assume_role_with_web_identity(
        self, request: AssumeRoleRequest, *, audiences: Audiences | None = None
    ) -> AssumedRole: ...


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """Whose lease it is to be, and at which STS it can be had."""

    profile: Profile
    sts_endpoint: str
    exchange: Exchange = field(compare=False, repr=False)
    """What speaks to the STS at that endpoint."""
    scope: Scope = WHOLE
    run_id: str | None = None
    """Whose own lease it is to be; None for one that all runs of a profile share."""
    user: TokenUser | None = None
    """Who alone will do; None for whoever is logged in.

    No part of the profile's pins: who may be served differs, what is minted does not.
    """
