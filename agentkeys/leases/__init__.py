"""The lease engine: minting, sharing, freshness."""

from agentkeys.leases.cache import LeaseCache, LeaseHolder
from agentkeys.leases.failures import FailureMemory
from agentkeys.leases.lease import Freshness, Lease, LeaseKey, assess
from agentkeys.leases.minting import Exchange, Minter
from agentkeys.leases.schedule import SHORTEST

__all__ = [
    "SHORTEST",
    "Exchange",
    "FailureMemory",
    "Freshness",
    "Lease",
    "LeaseCache",
    "LeaseHolder",
    "LeaseKey",
    "Minter",
    "assess",
]
