"""The development broker's own wallets, and what it needs installed to have any."""

from __future__ import annotations

import functools
import hashlib

from agentkeys.errors import SandboxError
from agentkeys.ethereum import ORDER, address_of, import_ethereum, is_installed, sign_message
from agentkeys.secret import Secret

__all__ = ["Wallet", "check_installed", "derive_wallet", "preload"]

# Everybody can read this, so the keys made from it are nobody's secret: never fund them.
_DEVELOPMENT_SEED = b"agentkeys sandbox development seed, not a secret"


def check_installed() -> None:
    """Raises SandboxError when eth-account is missing; cheap, since nothing is imported."""
    if not is_installed():
        raise SandboxError(
            "the sandbox needs eth-account, which is not installed",
            hint="run: pip install 'agentkeys[sandbox]'",
        )


def preload() -> None:
    """Imports eth-account now, so that the first login need not wait for it."""
    import_ethereum()


class Wallet:
    """A key pair of the signer's, made from the development seed."""

    def __init__(self, private_key: Secret) -> None:
        self._private_key = private_key
        self.address = address_of(private_key)
        """In lower case."""

    def sign(self, message: bytes) -> str:
        """The EIP-191 signature: `0x`, then 65 bytes in hex, the last of them 0 or 1."""
        return sign_message(self._private_key, message)


@functools.lru_cache(maxsize=256)
def derive_wallet(omni: str) -> Wallet:
    """The same wallet for an omni on every machine and after every start."""
    digest = hashlib.sha256(_DEVELOPMENT_SEED + omni.encode()).digest()
    return Wallet(Secret((int.from_bytes(digest) % (ORDER - 1) + 1).to_bytes(32).hex()))
