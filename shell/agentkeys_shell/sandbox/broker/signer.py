"""The signer service: keeps wallets for people who log in with an e-mail address.

Elsewhere it has a host of its own; here it answers on the broker's.
"""

from __future__ import annotations

import re

from agentkeys_shell.sandbox.broker.ethereum import Wallet, derive_wallet
from agentkeys_shell.sandbox.broker.sessions import Sessions
from agentkeys_shell.sandbox.broker.web import Refused, Request, Response, Route, json_answer

__all__ = ["Signer"]

_OMNI = re.compile(r"[0-9a-f]{64}")
_KEY_VERSION = 1


class Signer:
    """Signs for whoever has a session of the account that they name."""

    def __init__(self, *, sessions: Sessions) -> None:
        self._sessions = sessions

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/dev/derive-address", self.derive_address, reads_json=True),
            Route("POST", "/dev/sign-message", self.sign_message, reads_json=True),
        )

    def derive_address(self, request: Request) -> Response:
        wallet = self._wallet(request)
        return json_answer({"address": wallet.address, "key_version": _KEY_VERSION})

    def sign_message(self, request: Request) -> Response:
        text = request.fields.text("message_hex")
        wallet = self._wallet(request)
        signature = wallet.sign(_parse_message(text))
        return json_answer(
            {"signature": signature, "address": wallet.address, "key_version": _KEY_VERSION}
        )

    def _wallet(self, request: Request) -> Wallet:
        omni = request.fields.text("omni_account")
        if not _OMNI.fullmatch(omni):
            raise Refused("invalid_omni_account", "omni_account must be 64 lower-case hex digits")
        if self._sessions.check(request.bearer()).omni != omni:
            raise Refused("unauthorized", "the session is of another account")
        return derive_wallet(omni)


def _parse_message(text: str) -> bytes:
    # bytes.fromhex would let spaces pass.
    if len(text) % 2 or not re.fullmatch(r"[0-9a-fA-F]*", text):
        raise Refused("invalid_message_hex", "message_hex must be bytes in hex, without 0x")
    return bytes.fromhex(text)
