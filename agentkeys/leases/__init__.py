"""The lease engine: minting, sharing, freshness."""

from agentkeys.leases.cache import LeaseCache, LeaseHolder
from agentkeys.leases.lease import Freshness, Lease, LeaseKey, assess, refresh_at
from agentkeys.leases.minting import Exchange, Minter

__all__ = [
    "Exchange",
    "Freshness",
    "Lease",
    "LeaseCache",
    "LeaseHolder",
    "LeaseKey",
    "Minter",
    "assess",
    "refresh_at",
]
