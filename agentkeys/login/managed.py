"""From an e-mail or OAuth2 session to one with a wallet, where the broker's signer keeps wallets.

Source of the wire format: the broker's client contract, signer service. The signer holds the key;
this client only carries messages between signer and broker.
"""

from __future__ import annotations

import re

from agentkeys.broker import BrokerClient
from agentkeys.errors import LoginFailed
from agentkeys.login.wallet import answer_challenge, start_wallet_login
from agentkeys.secret import Secret
from agentkeys.sessions import parse_broker_session

__all__ = ["take_managed_wallet"]

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")


async def take_managed_wallet(
    broker: BrokerClient, signer: BrokerClient, session: Secret
) -> Secret:
    """The session of the wallet that belongs to `session`'s user; `session` itself is left behind.

    Raises LoginFailed, LoginRequired, BrokerRefused, BrokerUnreachable.
    """
    omni = parse_broker_session(session, url=broker.url).omni
    address = await _derive_address(signer, session, omni)
    await broker.call(
        "POST",
        "/v1/wallet/link",
        body={"identity_type": "evm", "identity_value": address},
        bearer=session,
    )
    challenge = await start_wallet_login(broker, address)
    signature = await _sign(signer, session, omni, address, challenge.message)
    return await answer_challenge(broker, challenge, signature)


async def _derive_address(signer: BrokerClient, session: Secret, omni: str) -> str:
    answer = await signer.call(
        "POST", "/dev/derive-address", body={"omni_account": omni}, bearer=session
    )
    address = str(answer.get("address", "")).lower()
    if not _ADDRESS.fullmatch(address):
        raise LoginFailed(
            "the signer gave no wallet address", hint="check the identity's signer_url"
        )
    return address


async def _sign(
    signer: BrokerClient, session: Secret, omni: str, address: str, message: str
) -> str:
    answer = await signer.call(
        "POST",
        "/dev/sign-message",
        body={"omni_account": omni, "message_hex": message.encode().hex()},
        bearer=session,
    )
    if str(answer.get("address", "")).lower() != address:
        raise LoginFailed(
            "the signer signed with another wallet than it had named",
            hint="check the identity's signer_url, and tell its operator",
        )
    return str(answer.get("signature", ""))
