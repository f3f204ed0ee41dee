"""The little of Ethereum that logins need: addresses and EIP-191 signatures.

eth-account takes most of a second to import, so it is imported by the first call that needs it.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import re
import sys
from typing import Any

from agentkeys.errors import SandboxError

__all__ = [
    "Wallet",
    "check_installed",
    "derive_wallet",
    "parse_address",
    "preload",
    "recover_address",
]

_MODULE = "eth_account"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HEX_SIGNATURE = re.compile(r"(?:0x)?([0-9a-fA-F]{130})")
# The order of secp256k1's group: r and s lie below it.
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_RECURSION_LIMIT = sys.getrecursionlimit()
_RECOVERY_IDS = (0, 1, 27, 28)
# Everybody can read this, so the keys made from it are nobody's secret: never fund them.
_DEVELOPMENT_SEED = b"agentkeys sandbox development seed, not a secret"


def check_installed() -> None:
    """Raises SandboxError when eth-account is missing; cheap, since nothing is imported."""
    if importlib.util.find_spec(_MODULE) is None:
        raise SandboxError(
            "the sandbox needs eth-account, which is not installed",
            hint="run: pip install 'agentkeys[sandbox]'",
        )


def preload() -> None:
    """Imports eth-account now, so that the first login need not wait for it."""
    _import(_MODULE)


def parse_address(text: str) -> str:
    """An address in lower case; ValueError unless it is `0x` and 40 hex digits."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("not an address")
    return text.lower()


def recover_address(message: bytes, signature: str) -> str:
    """Who signed `message` (EIP-191), in lower case; ValueError if nobody can have."""
    raw = _parse_signature(signature)
    try:
        return str(_account().recover_message(_signable(message), signature=raw)).lower()
    except Exception as error:
        # eth-account's parts each raise their own kind for an r that is no point on the curve.
        raise ValueError("impossible r or s") from error


def _parse_signature(text: str) -> bytes:
    match = _HEX_SIGNATURE.fullmatch(text)
    if not match:
        raise ValueError("not 65 bytes in hex")
    raw = bytes.fromhex(match[1])
    if raw[64] not in _RECOVERY_IDS:
        raise ValueError("v is none of 0, 1, 27, 28")
    if not all(0 < int.from_bytes(part) < _ORDER for part in (raw[:32], raw[32:64])):
        raise ValueError("impossible r or s")
    return raw


class Wallet:
    """A key pair of the signer's, made from the development seed."""

    def __init__(self, private_key: bytes) -> None:
        self._account = _account().from_key(private_key)

    @property
    def address(self) -> str:
        """In lower case."""
        return str(self._account.address).lower()

    def sign(self, message: bytes) -> str:
        """The EIP-191 signature: `0x`, then 65 bytes in hex, the last of them 0 or 1."""
        signature = bytes(self._account.sign_message(_signable(message)).signature)
        return f"0x{signature[:64].hex()}{signature[64] - 27:02x}"


@functools.lru_cache(maxsize=256)
def derive_wallet(omni: str) -> Wallet:
    """The same wallet for an omni on every machine and after every start."""
    digest = hashlib.sha256(_DEVELOPMENT_SEED + omni.encode()).digest()
    return Wallet((int.from_bytes(digest) % (_ORDER - 1) + 1).to_bytes(32))


def _account() -> Any:
    return _import(_MODULE).Account


def _signable(message: bytes) -> Any:
    return _import(f"{_MODULE}.messages").encode_defunct(primitive=message)


def _import(name: str) -> Any:
    module = importlib.import_module(name)
    # A part of eth-account sets this to 100000, and then a deeply nested JSON body of some caller
    # overflows the C stack and ends the process, where it would have been a RecursionError.
    sys.setrecursionlimit(_RECURSION_LIMIT)
    return module
