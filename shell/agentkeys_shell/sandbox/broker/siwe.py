"""Wallet login: a message to sign (EIP-4361), and a session for whoever signed it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from agentkeys.clock import Clock, format_utc
from agentkeys.ethereum import parse_address, recover_address
from agentkeys_shell.sandbox.broker.expiring import Expiring
from agentkeys_shell.sandbox.broker.identity import EVM, Identity
from agentkeys_shell.sandbox.broker.sessions import Sessions
from agentkeys_shell.sandbox.broker.web import Refused, Request, Response, Route, json_answer

__all__ = ["WalletLogin", "siwe_message"]

_LIFETIME = timedelta(seconds=2700)


@dataclass(frozen=True, slots=True)
class _Challenge:
    address: str
    message: str


class WalletLogin:
    """Challenges, each good for one attempt whatever comes of it."""

    def __init__(self, *, issuer: str, sessions: Sessions, clock: Clock) -> None:
        self._issuer = issuer
        self._sessions = sessions
        self._clock = clock
        self._challenges: Expiring[_Challenge] = Expiring(lifetime=_LIFETIME, clock=clock)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/v1/auth/wallet/start", self.start, reads_json=True),
            Route("POST", "/v1/auth/wallet/verify", self.verify, reads_json=True),
        )

    def start(self, request: Request) -> Response:
        chain_id = request.fields.count("chain_id")
        try:
            address = parse_address(request.fields.text("address"))
        except ValueError as error:
            raise Refused("bad_request", f"address: {error}") from error
        nonce, now = secrets.token_hex(16), self._clock.now()
        message = siwe_message(
            issuer=self._issuer, address=address, chain_id=chain_id, nonce=nonce, issued_at=now
        )
        request_id = f"siwe-{secrets.token_hex(16)}"
        self._challenges.put(request_id, _Challenge(address, message))
        return json_answer(
            {
                "request_id": request_id,
                "expires_in_seconds": int(_LIFETIME.total_seconds()),
                "siwe_message": message,
                "nonce": nonce,
                "expires_at_iso": format_utc(now + _LIFETIME),
            }
        )

    def verify(self, request: Request) -> Response:
        request_id = request.fields.text("request_id")
        signature = request.fields.text("signature")
        challenge = self._challenges.take(request_id)
        if challenge is None:
            raise Refused("unauthorized", "this challenge is unknown, used or too old")
        address = self._signer_of(challenge, signature)
        issued = self._sessions.issue(Identity(EVM, address), wallet=address)
        return json_answer(
            {
                **issued.answer(),
                "wallet_address": address,
                "identity_type": EVM,
                "identity_value": address,
            }
        )

    def _signer_of(self, challenge: _Challenge, signature: str) -> str:
        try:
            signer = recover_address(challenge.message.encode(), signature)
        except ValueError as error:
            raise Refused("bad_request", f"signature: {error}") from error
        if signer != challenge.address:
            raise Refused("unauthorized", "the signature is by another key")
        return signer


def siwe_message(
    *, issuer: str, address: str, chain_id: int, nonce: str, issued_at: datetime
) -> str:
    """The text to sign, good for 45 minutes from `issued_at`."""
    return "\n".join(
        (
            f"{urlsplit(issuer).netloc} wants you to sign in with your Ethereum account:",
            address,
            "",
            "Log in to the agentkeys development broker.",
            "",
            f"URI: {issuer}",
            "Version: 1",
            f"Chain ID: {chain_id}",
            f"Nonce: {nonce}",
            f"Issued At: {format_utc(issued_at)}",
            f"Expiration Time: {format_utc(issued_at + _LIFETIME)}",
        )
    )
