"""Sign-In with Ethereum: the broker states a challenge, the wallet's owner signs it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agentkeys.broker import BrokerClient
from agentkeys.errors import LoginFailed
from agentkeys.login.polling import session_jwt
from agentkeys.secret import Secret

__all__ = ["SiweChallenge", "answer_challenge", "start_wallet_login"]

CHAIN_ID = 84532
"""What the original client sends; the broker only repeats it in the message."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_SIGNATURE = re.compile(r"(?:0x)?[0-9a-fA-F]{130}")


@dataclass(frozen=True, slots=True)
class SiweChallenge:
    """A message to sign exactly as it is, newlines included (EIP-4361, signed as EIP-191)."""

    address: str
    message: str
    request_id: Secret = field(repr=False)


async def start_wallet_login(broker: BrokerClient, address: str) -> SiweChallenge:
    """Raises LoginFailed when the broker asks to sign something else than a login at itself."""
    if not _ADDRESS.fullmatch(address):
        raise LoginFailed(f"{address!r} is not a wallet address", hint="write 0x and 40 hex digits")
    answer = await broker.call(
        "POST", "/v1/auth/wallet/start", body={"address": address, "chain_id": CHAIN_ID}
    )
    message, request_id = answer.get("siwe_message"), answer.get("request_id")
    if not isinstance(message, str) or not isinstance(request_id, str):
        raise LoginFailed("the broker gave no challenge to sign", hint="check the identity's url")
    challenge = SiweChallenge(address.lower(), message, Secret(request_id))
    _check_message(challenge, broker.url)
    return challenge


async def answer_challenge(
    broker: BrokerClient, challenge: SiweChallenge, signature: str
) -> Secret:
    """The session JWT. Any attempt uses the challenge up, a failed one too.

    `signature` is 65 bytes r‖s‖v in hex. Raises LoginFailed, BrokerRefused.
    """
    if not _SIGNATURE.fullmatch(signature):
        raise LoginFailed(
            "that is not a signature of 65 bytes in hex", hint="sign the message as EIP-191"
        )
    answer = await broker.call(
        "POST",
        "/v1/auth/wallet/verify",
        body={"request_id": challenge.request_id.reveal(), "signature": signature},
    )
    return session_jwt(answer)


def _check_message(challenge: SiweChallenge, url: str) -> None:
    """A broken or hostile broker must not get a signature under anything but a login at itself."""
    lines = challenge.message.split("\n")
    host = urlsplit(url).netloc.lower()
    if not lines[0].startswith(f"{host} ") or lines[1:2] != [challenge.address]:
        raise LoginFailed(
            "the broker asks to sign something else than a login at itself",
            hint=f"do not sign it; check that {url} is your broker",
        )
