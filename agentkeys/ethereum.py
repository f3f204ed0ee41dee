"""The little of Ethereum that logins need: addresses, Keccak hashes and EIP-191 signatures.

eth-account takes most of a second to import, so it is imported by the first call that needs it.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from typing import Any

from agentkeys.errors import ExtraMissing
from agentkeys.secret import Secret

__all__ = [
    "ORDER",
    "address_of",
    "import_ethereum",
    "is_installed",
    "keccak256",
    "new_private_key",
    "parse_address",
    "parse_private_key",
    "recover_address",
    "sign_message",
]

_MODULE = "eth_account"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_PRIVATE_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_SIGNATURE = re.compile(r"(?:0x)?([0-9a-fA-F]{130})")
# The order of secp256k1's group: private keys, r and s lie below it.
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_RECURSION_LIMIT = sys.getrecursionlimit()
_RECOVERY_IDS = (0, 1, 27, 28)


def is_installed() -> bool:
    """Cheap, since nothing is imported."""
    return importlib.util.find_spec(_MODULE) is not None


def import_ethereum(name: str = _MODULE) -> Any:
    """eth-account, or a module that comes with it; raises ExtraMissing."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as problem:
        raise ExtraMissing(
            "this needs eth-account, which is not installed",
            hint="run: pip install 'agentkeys[pairing]'",
        ) from problem
    # A part of eth-account sets this to 100000, and then deeply nested JSON of somebody else
    # overflows the C stack and ends the process, where it would have been a RecursionError.
    sys.setrecursionlimit(_RECURSION_LIMIT)
    return module


def parse_address(text: str) -> str:
    """An address in lower case; ValueError unless it is `0x` and 40 hex digits."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("not an address")
    return text.lower()


def parse_private_key(text: str) -> Secret:
    """64 lower-case hex digits, from a text with or without 0x; ValueError, without its value."""
    match = _PRIVATE_KEY.fullmatch(text)
    if not match or not 0 < int(match[1], 16) < ORDER:
        raise ValueError("not a private key")
    return Secret(match[1].lower())


def new_private_key() -> Secret:
    """One from the system's random numbers; raises ExtraMissing."""
    return Secret(bytes(import_ethereum().Account.create().key).hex())


def address_of(private_key: Secret) -> str:
    """In lower case; raises ExtraMissing."""
    return str(_account(private_key).address).lower()


def sign_message(private_key: Secret, message: bytes) -> str:
    """The EIP-191 signature: `0x`, then 65 bytes in hex, the last of them 0 or 1.

    The same for the same message (RFC 6979). Raises ExtraMissing.
    """
    signature = bytes(_account(private_key).sign_message(_signable(message)).signature)
    return f"0x{signature[:64].hex()}{signature[64] - 27:02x}"


def recover_address(message: bytes, signature: str) -> str:
    """Who signed `message` (EIP-191), in lower case; ValueError if nobody can have."""
    raw = _parse_signature(signature)
    account = import_ethereum().Account
    try:
        return str(account.recover_message(_signable(message), signature=raw)).lower()
    except Exception as error:
        # eth-account's parts each raise their own kind for an r that is no point on the curve.
        raise ValueError("impossible r or s") from error


def keccak256(data: bytes) -> bytes:
    """32 bytes; not the SHA-3 of the standard library. Raises ExtraMissing."""
    return bytes(import_ethereum("eth_utils").keccak(primitive=data))


def _account(private_key: Secret) -> Any:
    return import_ethereum().Account.from_key(private_key.reveal())


def _signable(message: bytes) -> Any:
    return import_ethereum(f"{_MODULE}.messages").encode_defunct(primitive=message)


def _parse_signature(text: str) -> bytes:
    match = _SIGNATURE.fullmatch(text)
    if not match:
        raise ValueError("not 65 bytes in hex")
    raw = bytes.fromhex(match[1])
    if raw[64] not in _RECOVERY_IDS:
        raise ValueError("v is none of 0, 1, 27, 28")
    if not all(0 < int.from_bytes(part) < ORDER for part in (raw[:32], raw[32:64])):
        raise ValueError("impossible r or s")
    return raw
