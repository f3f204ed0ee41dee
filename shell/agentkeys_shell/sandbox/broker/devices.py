"""What a device shows instead of a bearer: its address, and a signature by its key."""

from __future__ import annotations

from agentkeys.ethereum import parse_address, recover_address
from agentkeys.login.device_key import pop_message
from agentkeys_shell.sandbox.broker.web import Fields, Refused

__all__ = ["check_device", "parse_device"]


def parse_device(fields: Fields) -> str:
    """The `device_pubkey`, lower-case; Refused (`bad_request`) when it is no address."""
    try:
        return parse_address(fields.text("device_pubkey"))
    except ValueError as error:
        raise Refused("bad_request", f"device_pubkey: {error}") from error


def check_device(fields: Fields) -> str:
    """The address of a device that has proved its key with `pop_sig`; Refused otherwise."""
    signature = fields.text("pop_sig")
    device = parse_device(fields)
    try:
        signer = recover_address(pop_message(device), signature)
    except ValueError as error:
        raise Refused("unauthorized", f"pop_sig: {error}") from error
    if signer != device:
        raise Refused("unauthorized", "pop_sig is by another key")
    return device
