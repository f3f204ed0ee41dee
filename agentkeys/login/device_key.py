"""The key of a paired device, and the one proof of it that the broker ever asks for.

Source of the wire format: the broker's client contract, agent pairing. The proof is the same for
every call, so that a device needs its key once and keeps the proof alone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agentkeys.errors import LoginFailed
from agentkeys.ethereum import address_of, keccak256, parse_private_key, sign_message
from agentkeys.secret import Secret
from agentkeys.sessions import DeviceProof

__all__ = ["device_key_hash", "pop_message", "prove_possession", "read_device_key"]

_MOST_BYTES = 200


def device_key_hash(address: str) -> str:
    """What names a device to the broker and on chain: `0x` and 64 hex digits."""
    return f"0x{keccak256(bytes.fromhex(address.removeprefix('0x'))).hex()}"


def pop_message(address: str) -> bytes:
    """The 32 bytes that a device signs (EIP-191) to prove that it has its key."""
    return keccak256(f"agentkeys-agent-pop:{device_key_hash(address)}".encode())


def prove_possession(private_key: Secret) -> DeviceProof:
    """What the broker is shown instead of the key; raises ExtraMissing."""
    address = address_of(private_key)
    return DeviceProof(address, Secret(sign_message(private_key, pop_message(address))))


def read_device_key(path: Path) -> Secret:
    """The private key in a file of ours that nobody else can read: 64 hex digits.

    Raises LoginFailed, which never repeats what the file holds.
    """
    try:
        text = _read_private(path)
    except OSError as problem:
        raise _unusable(path, f"cannot be read: {problem.strerror}") from None
    try:
        return parse_private_key(text.strip())
    except ValueError:
        raise _unusable(path, "does not hold a private key of 64 hex digits") from None


def _read_private(path: Path) -> str:
    # A symbolic link is refused by the system (ELOOP), and a pipe does not keep us waiting.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
            raise _unusable(path, "is no file of yours")
        if found.st_mode & 0o077:
            raise _unusable(path, "can be opened by others", hint=f"run: chmod 600 {path}")
        return file.read(_MOST_BYTES).decode("ascii", "replace")


def _unusable(path: Path, what: str, *, hint: str = "") -> LoginFailed:
    return LoginFailed(
        f"the device key {path} {what}",
        hint=hint
        or "set AGENTKEYS_DEVICE_KEY_FILE to a key of yours, or unset it to get a new one",
    )
