"""The lease engine: minting, sharing, freshness."""

from agentkeys.leases.cache import LeaseCache
from agentkeys.leases.failures import FailureMemory
from agentkeys.leases.lease import Freshness, Lease, LeaseKey, assess
from agentkeys.leases.minting import Minter
from agentkeys.leases.schedule import SHORTEST
from agentkeys.leases.shared_mints import LeaseHolder, Report
from agentkeys.leases.terms import Exchange, LeaseTerms

__all__ = [
    "SHORTEST",
    "Exchange",
    "FailureMemory",
    "Freshness",
    "Lease",
    "LeaseCache",
    "LeaseHolder",
    "LeaseKey",
    "LeaseTerms",
    "Minter",
    "Report",
    "assess",
]
