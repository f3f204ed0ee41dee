"""What holds a secret goes to the address that it is meant for, and is led to no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from agentkeys.broker import BrokerClient
from agentkeys.clock import SystemClock
from agentkeys.errors import AgentkeysError
from agentkeys.keeper import Keeper
from agentkeys.login import (
    PendingLogin,
    SiweChallenge,
    answer_challenge,
    await_login,
    request_pairing,
    start_email_login,
    start_wallet_login,
    take_managed_wallet,
)
from agentkeys.models import RoleArn
from agentkeys.oidc import Issuers, OidcClient
from agentkeys.secret import Secret
from agentkeys.sessions import DeviceProof, GithubSession
from agentkeys.stores import AWS
from agentkeys.sts.client import StsClient
from agentkeys.sts.request import AssumeRoleRequest
from agentkeys.tokens.github import GithubTokenSource
from agentkeys.transport import Transport
from tests.fakes.broker import FakeBroker
from tests.fakes.issuer import FakeIssuer
from tests.fakes.sts import FakeSts
from tests.fakes.vault import FragileVault
from tests.support.oidc_place import an_identity
from tests.support.tokens import ALICE

STATUSES = (300, 301, 302, 303, 307, 308)
ROLE = RoleArn.parse("arn:aws:iam::111122223333:role/data")
SECRET = Secret("very-secret")
DEVICE = DeviceProof(ALICE.wallet, Secret("0x" + "5a" * 65))

Ask = Callable[[Transport, str], Awaitable[object]]


def _mint(transport: Transport, url: str) -> Awaitable[object]:
    return BrokerClient(url=url, transport=transport).mint_oidc_jwt(SECRET)


def _resolve(transport: Transport, url: str) -> Awaitable[object]:
    return BrokerClient(url=url, transport=transport).resolve_device(DEVICE)


def _email(transport: Transport, url: str) -> Awaitable[object]:
    return start_email_login(BrokerClient(url=url, transport=transport), "me@example.com")


def _poll(transport: Transport, url: str) -> Awaitable[object]:
    pending = PendingLogin("email", SECRET, timedelta(minutes=5))
    broker = BrokerClient(url=url, transport=transport)
    return await_login(broker, pending, clock=SystemClock())


def _siwe_start(transport: Transport, url: str) -> Awaitable[object]:
    return start_wallet_login(BrokerClient(url=url, transport=transport), ALICE.wallet)


def _siwe_verify(transport: Transport, url: str) -> Awaitable[object]:
    challenge = SiweChallenge(ALICE.wallet, "sign", SECRET)
    broker = BrokerClient(url=url, transport=transport)
    return answer_challenge(broker, challenge, DEVICE.signature.reveal())


def _signer(transport: Transport, url: str) -> Awaitable[object]:
    broker = BrokerClient(url=url, transport=transport)
    with FakeBroker(ALICE) as another:
        session = Secret(another.session_jwt())
    return take_managed_wallet(broker, broker, session)


def _pair(transport: Transport, url: str) -> Awaitable[object]:
    return request_pairing(BrokerClient(url=url, transport=transport), DEVICE)


def _sts(transport: Transport, url: str) -> Awaitable[object]:
    request = AssumeRoleRequest(ROLE, "agentkeys-test", SECRET)
    client = StsClient(transport=transport, clock=SystemClock(), store=AWS, endpoint=url)
    return client.assume_role_with_web_identity(request)


async def _github(transport: Transport, url: str) -> object:
    clock = SystemClock()
    vault = FragileVault()
    keeper = Keeper(identity="ci", account="ci", vault=vault, clock=clock, times=transport.times)
    job = GithubSession(url, SECRET)
    keeper.hold_session(job)
    holder = keeper.of(GithubSession)
    source = GithubTokenSource(sessions=holder, audience="sts", transport=transport)
    return await source.fetch_token(job.owner)


ASKS = (
    _mint, _resolve, _email, _poll, _siwe_start, _siwe_verify, _signer, _pair, _sts, _github,
)  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("ask", ASKS)
def test_nothing_follows_a_redirect(ask: Ask, status: int) -> None:
    """Not to another server, whatever is asked for, and its address is not repeated either."""
    with FakeSts() as first, FakeSts() as second:
        first.answer_with(status, b"", {"Location": f"{second.url}?token={SECRET.reveal()}"})
        told = refusal(ask, first.url.removesuffix("/"))
    assert len(first.requests) == 1
    assert second.requests == []
    assert "redirect" in told or f"{status}" in told


OIDC_ASKS: dict[str, Callable[[OidcClient], Awaitable[object]]] = {
    "/.well-known/openid-configuration": lambda client: client.issuer(),
    "/token": lambda client: client.refresh(SECRET),
    "/device": lambda client: client.start_device(["openid"]),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("path", OIDC_ASKS)
def test_an_issuer_leads_nobody_elsewhere(path: str, status: int) -> None:
    """Neither with its description nor with what it answers to those who follow it."""
    with FakeIssuer() as issuer, FakeSts() as second:
        issuer.answer_with(path, status, b"", {"Location": f"{second.url}?t={SECRET.reveal()}"})

        def ask(transport: Transport, url: str) -> Awaitable[object]:
            issuers = Issuers(transport=transport, clock=SystemClock())
            identity = an_identity(url)
            client = OidcClient(settings=identity, issuers=issuers, transport=transport, environ={})
            return OIDC_ASKS[path](client)

        told = refusal(ask, issuer.url)
    assert second.requests == []
    assert "redirect" in told or f"{status}" in told


def refusal(ask: Ask, url: str) -> str:
    """What is said, after a check that it does not hold the secret."""

    async def story() -> None:
        async with Transport(clock=SystemClock()) as transport:
            await ask(transport, url)

    with pytest.raises(AgentkeysError) as refused:
        asyncio.run(story())
    told = f"{refused.value.message} {refused.value.hint} {refused.value.__cause__}"
    assert SECRET.reveal() not in told
    return told
