"""Logs a person in at their broker: what is printed, asked, opened and waited for.

Each way ends in a session JWT; the daemon keeps it.
"""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
import webbrowser
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import click
from rich.console import Console

from agentkeys.broker import BrokerClient
from agentkeys.clock import SystemClock
from agentkeys.config import BrokerIdentity
from agentkeys.errors import LoginFailed
from agentkeys.login import (
    PendingLogin,
    SiweChallenge,
    answer_challenge,
    await_login,
    start_email_login,
    start_oauth2_login,
    start_wallet_login,
    take_managed_wallet,
)
from agentkeys.secret import Secret
from agentkeys.transport import Transport

__all__ = ["by_email", "by_oauth2", "by_wallet"]

SIGNER_SECONDS = 120

T = TypeVar("T")


def by_email(identity: BrokerIdentity, address: str) -> Secret:
    """Mails a link and waits until it has been followed."""

    async def log_in(transport: Transport) -> Secret:
        broker = BrokerClient(url=identity.url, transport=transport)
        pending = await start_email_login(broker, address)
        return await _finish(
            identity, broker, transport, pending, f"follow the link mailed to {address}"
        )

    return _run(identity, log_in)


def by_oauth2(identity: BrokerIdentity, *, browser: bool) -> Secret:
    """Opens the provider's page, or prints where it is, and waits until it is done."""

    async def log_in(transport: Transport) -> Secret:
        broker = BrokerClient(url=identity.url, transport=transport)
        pending = await start_oauth2_login(broker)
        click.echo(f"log in at {pending.authorization_url}", err=True)
        if browser and sys.stderr.isatty():
            webbrowser.open(str(pending.authorization_url))
        return await _finish(identity, broker, transport, pending, "waiting for the provider")

    return _run(identity, log_in)


def by_wallet(identity: BrokerIdentity, address: str, signer_command: str | None) -> Secret:
    """Has the wallet's owner, or their command, sign the broker's challenge."""

    async def log_in(transport: Transport) -> Secret:
        broker = BrokerClient(url=identity.url, transport=transport)
        challenge = await start_wallet_login(broker, address)
        signature = _signed(challenge, signer_command) if signer_command else _pasted(challenge)
        return await answer_challenge(broker, challenge, signature)

    return _run(identity, log_in)


def _run(identity: BrokerIdentity, work: Callable[[Transport], Awaitable[T]]) -> T:
    async def with_transport() -> T:
        async with Transport(clock=SystemClock()).trusting(identity.ca_file) as transport:
            return await work(transport)

    return asyncio.run(with_transport())


async def _finish(
    identity: BrokerIdentity,
    broker: BrokerClient,
    transport: Transport,
    pending: PendingLogin,
    words: str,
) -> Secret:
    with _waiting(words):
        session = await await_login(broker, pending, clock=SystemClock())
    if identity.signer_url is None:
        return session
    signer = BrokerClient(url=identity.signer_url, transport=transport)
    return await take_managed_wallet(broker, signer, session)


def _waiting(words: str) -> AbstractContextManager[object]:
    """A spinner where somebody watches and the terminal can turn it, one line elsewhere."""
    console = Console(stderr=True, highlight=False)
    if console.is_interactive:
        return console.status(words)
    click.echo(words, err=True)
    return nullcontext()


def _signed(challenge: SiweChallenge, command: str) -> str:
    try:
        argv = shlex.split(command)
    except ValueError:
        argv = []
    if not argv:
        raise LoginFailed(
            "the signer command is no command", hint="check the quotes in --signer-command"
        )
    try:
        done = subprocess.run(  # noqa: S603 - the person's own command
            argv,
            input=challenge.message.encode(),
            stdout=subprocess.PIPE,
            timeout=SIGNER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise LoginFailed(
            f"the signer command could not be run ({type(problem).__name__})",
            hint="check --signer-command; it must end within two minutes",
        ) from None
    if done.returncode != 0:
        raise LoginFailed(
            f"the signer command ended with status {done.returncode}", hint="see what it printed"
        )
    return done.stdout.decode("ascii", "replace").strip()


def _pasted(challenge: SiweChallenge) -> str:
    click.echo("sign this message (EIP-191, personal_sign), exactly as it is:\n", err=True)
    click.echo(challenge.message, err=True)
    signature: str = click.prompt("\nsignature", err=True)
    return signature.strip()
