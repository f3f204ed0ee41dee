"""The owner's side of pairing, for a sandbox's made-up users: they claim an agent's code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agentkeys.broker import BrokerClient
from agentkeys.broker_refusals import Refusal
from agentkeys.clock import SystemClock
from agentkeys.errors import LoginFailed, SandboxError
from agentkeys.login import await_login, start_email_login, take_managed_wallet
from agentkeys.sandbox_record import SandboxRecord, SandboxUser
from agentkeys.secret import Secret
from agentkeys.transport import Transport

__all__ = ["ClaimedAgent", "claim_agent", "find_user"]

_NO_SUCH_CODE = Refusal(
    LoginFailed,
    "run agentkeys login --pair once more, and claim its code within 10 minutes",
    "the sandbox's broker knows no such pairing code",
)


@dataclass(frozen=True, slots=True)
class ClaimedAgent:
    """An agent that belongs to a made-up user from now on."""

    owner: str
    label: str
    omni: str
    """What its prefix is named after."""


def find_user(record: SandboxRecord, name: str | None) -> SandboxUser:
    """The user of that name, or the first one; raises SandboxError."""
    users = {user.name: user for user in record.users}
    if name is None:
        return record.users[0]
    if name not in users:
        raise SandboxError(
            f"the sandbox has no user {name!r}", hint=f"its users are {', '.join(users)}"
        )
    return users[name]


def claim_agent(record: SandboxRecord, user: SandboxUser, code: str, label: str) -> ClaimedAgent:
    """Lets the machine that shows `code` in, as `user`'s agent `label`.

    Raises LoginFailed for a code that is none, or no longer, BrokerRefused, BrokerUnreachable.
    """
    return asyncio.run(_claim(record.broker.url, user, code, label))


async def _claim(url: str, user: SandboxUser, code: str, label: str) -> ClaimedAgent:
    async with Transport(clock=SystemClock()) as transport:
        broker = BrokerClient(url=url, transport=transport)
        answer = await broker.call(
            "POST",
            "/v1/agent/pairing/claim",
            body={"pairing_code": code, "label": label},
            bearer=await _session(broker, user),
            refusals={401: _NO_SUCH_CODE},
        )
    return ClaimedAgent(user.name, label, str(answer["child_omni"]))


async def _session(broker: BrokerClient, user: SandboxUser) -> Secret:
    """What their own profile has too; the development broker follows its own links."""
    pending = await start_email_login(broker, user.email)
    session = await await_login(broker, pending, clock=SystemClock())
    return await take_managed_wallet(broker, broker, session)
