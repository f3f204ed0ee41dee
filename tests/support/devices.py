"""The device of the contract's samples, which needs no eth-account to prove itself."""

from __future__ import annotations

from agentkeys.secret import Secret
from agentkeys.sessions import DeviceProof
from tests.support.samples import broker_sample
from tests.support.tokens import User

__all__ = ["AGENT", "DEVICE", "DEVICE_KEY"]

_VECTORS = broker_sample("vectors")
_REQUEST = broker_sample("pairing-request.request")

DEVICE_KEY: str = _VECTORS["device"]["private_key_hex"]
DEVICE = DeviceProof(_REQUEST["device_pubkey"], Secret(_REQUEST["pop_sig"]))
AGENT = User(omni=broker_sample("pairing-poll.claimed")["child_omni"], identity_type="agent_hdkd")
"""What it is once its owner has claimed it."""
