"""The whole call, over HTTP on loopback."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentkeys.clock import SystemClock
from agentkeys.errors import ConfigError, StsBusy, StsRefused, StsUnreachable
from agentkeys.models import AssumedRole, RoleArn
from agentkeys.secret import Secret
from agentkeys.stores import CEPH, SEAWEEDFS, STORE_KINDS, StoreKind
from agentkeys.sts.client import StsClient
from agentkeys.sts.refusals import Audiences
from agentkeys.sts.request import AssumeRoleRequest
from agentkeys.transport import Transport
from tests.fakes.sts import FakeSts
from tests.support.moved_clock import MovedClock

REQUEST = AssumeRoleRequest(
    role_arn=RoleArn.parse("arn:aws:iam::000000000001:role/data"),
    role_session_name="agentkeys-run",
    token=Secret("header.payload.signature"),
    duration=timedelta(hours=1),
)


def assume(
    url: str,
    *,
    store: StoreKind = SEAWEEDFS,
    request: AssumeRoleRequest = REQUEST,
    **options: Any,
) -> AssumedRole:
    async def once() -> AssumedRole:
        transport = Transport(clock=SystemClock())
        try:
            client = StsClient(transport=transport, clock=SystemClock(), store=store, endpoint=url)
            return await client.assume_role_with_web_identity(request, **options)
        finally:
            await transport.aclose()

    return asyncio.run(once())


@pytest.mark.parametrize("store", STORE_KINDS.values())
def test_a_token_becomes_credentials(store: StoreKind) -> None:
    """One unsigned POST with a form, an empty query and nothing else."""
    with FakeSts(store.name) as sts:
        role = assume(sts.url, store=store)
    assert role.credentials.session_token == Secret("session-1")
    left = role.credentials.expires_at - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    [sent] = sts.requests
    assert (sent.method, sent.path) == ("POST", "/")
    assert sent.form["WebIdentityToken"] == "header.payload.signature"
    assert "authorization" not in sent.headers


def test_the_store_s_expiration_counts_and_not_what_was_asked() -> None:
    """A store may shorten a session without a word."""
    with FakeSts("seaweedfs", longest=timedelta(seconds=6)) as sts:
        role = assume(sts.url)
    assert role.credentials.expires_at - datetime.now(UTC) <= timedelta(seconds=6)


def test_a_busy_store_is_asked_once() -> None:
    """Whether to ask again is for the caller, who knows the deadline."""
    with FakeSts("seaweedfs") as sts:
        sts.answer_with(503, b"", {"Retry-After": "3"})
        with pytest.raises(StsBusy) as busy:
            assume(sts.url)
        assert len(sts.requests) == 1
    assert busy.value.retry_after == 3


def test_a_refusal_is_one() -> None:
    """With both audiences when the caller knows them."""
    with FakeSts("seaweedfs") as sts:
        sts.refuse_with(403, "AccessDenied", "trust policy validation failed")
        with pytest.raises(StsRefused) as refusal:
            assume(sts.url, audiences=Audiences(("a",), "b"))
    assert 'the token is for "a", expected is "b"' in refusal.value.hint


def test_no_answer_is_unreachable_with_the_address() -> None:
    """The transport's words, as an error of the STS family."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StsUnreachable, match=f"nothing answers at 127.0.0.1:{port}"):
            assume(f"http://127.0.0.1:{port}")


def test_a_store_that_hangs_is_unreachable_in_time() -> None:
    """The time that the caller allows is kept."""
    with FakeSts("ceph") as sts, sts.stuck(), pytest.raises(StsUnreachable, match="within"):
        assume(sts.url, store=CEPH, timeout=0.05)


def test_a_request_the_store_would_misunderstand_is_not_sent() -> None:
    """A narrower session was asked for, and would not have been given."""
    request = AssumeRoleRequest(
        role_arn=REQUEST.role_arn,
        role_session_name="agentkeys-run",
        token=REQUEST.token,
        policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
    )
    with FakeSts("seaweedfs") as sts:
        with pytest.raises(ConfigError):
            assume(sts.url, request=request)
        assert sts.requests == []


def test_an_endpoint_with_a_query_is_refused() -> None:
    """Some stores read parameters from there before the form."""
    with pytest.raises(ConfigError, match="has a query"):
        assume("https://sts.example.com/?Action=GetCallerIdentity")


def test_every_answer_measures_the_clocks() -> None:
    """The store's date comes for free, refusals included."""
    theirs = MovedClock()
    theirs.move(timedelta(seconds=90))

    async def measure(url: str) -> tuple[timedelta | None, timedelta | None]:
        ours = MovedClock()
        transport = Transport(clock=ours)
        client = StsClient(transport=transport, clock=ours, store=SEAWEEDFS, endpoint=url)
        before = transport.times.skew(url)
        with pytest.raises(StsRefused):
            await client.assume_role_with_web_identity(REQUEST)
        await transport.aclose()
        return before, transport.times.skew(url)

    with FakeSts("seaweedfs", clock=theirs) as sts:
        sts.refuse_with(403, "AccessDenied")
        assert asyncio.run(measure(sts.url)) == (None, timedelta(seconds=90))


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_credentials_come_with_the_store_s_clock(hours: int) -> None:
    """What has expired by a clock of ours that is ahead is good by the store's own."""
    theirs = MovedClock()
    theirs.move(timedelta(hours=hours))

    async def assumed(url: str) -> AssumedRole:
        ours = MovedClock()
        transport = Transport(clock=ours)
        client = StsClient(transport=transport, clock=ours, store=SEAWEEDFS, endpoint=url)
        try:
            return await client.assume_role_with_web_identity(REQUEST)
        finally:
            await transport.aclose()

    with FakeSts("seaweedfs", clock=theirs) as sts:
        role = asyncio.run(assumed(sts.url))
    assert role.skew == timedelta(hours=hours)
    assert role.credentials.expires_at - theirs.now() == timedelta(hours=1)
