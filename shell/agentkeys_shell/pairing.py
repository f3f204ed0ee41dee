"""`agentkeys login --pair`: shows a code, and waits until the machine's owner has claimed it.

Everything is said on standard error, so that it works without a terminal and beside --json.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import click

from agentkeys.broker import BrokerClient
from agentkeys.client import read_environment
from agentkeys.clock import SystemClock
from agentkeys.config import BrokerIdentity
from agentkeys.errors import SandboxError
from agentkeys.ethereum import new_private_key
from agentkeys.login import (
    Pairing,
    await_claim,
    known_device,
    prove_possession,
    read_device_key,
    request_pairing,
)
from agentkeys.paths import Paths
from agentkeys.sandbox_record import is_live, load_sandbox_record
from agentkeys.secret import Secret
from agentkeys.sessions import DeviceProof
from agentkeys.transport import Transport
from agentkeys_shell.output import ask_json

__all__ = ["by_pairing"]

KEY_FILE = "AGENTKEYS_DEVICE_KEY_FILE"


def by_pairing(identity: BrokerIdentity) -> tuple[Secret, DeviceProof]:
    """A session for this machine, and the proof with which it gets new ones.

    Raises LoginFailed, BrokerRefused, BrokerUnreachable, ExtraMissing, and whatever keeps the
    daemon from being asked.
    """
    environ = read_environment()
    key_file = environ.get(KEY_FILE)
    device = _device(key_file)
    # The broker hands the session over once: whoever is to keep it had better be there.
    ask_json("GET", "/v1/profiles")
    session = asyncio.run(_pair(identity, device, environ, is_old=bool(key_file)))
    return session, device


def _device(key_file: str | None) -> DeviceProof:
    """Of the key in that file, or of a new one that nobody ever needs again."""
    key = read_device_key(Path(key_file)) if key_file else new_private_key()
    return prove_possession(key)


async def _pair(
    identity: BrokerIdentity, device: DeviceProof, environ: Mapping[str, str], *, is_old: bool
) -> Secret:
    clock, url = SystemClock(), identity.url
    async with Transport(clock=clock).trusting(identity.ca_file) as transport:
        broker = BrokerClient(url=url, transport=transport)
        session = await known_device(broker, device) if is_old else None
        if session is not None:
            return session
        pairing = await request_pairing(broker, device)
        _show(pairing, url, in_sandbox=_is_sandbox(url, environ))
        return await await_claim(broker, device, pairing, clock=clock)


def _show(pairing: Pairing, url: str, *, in_sandbox: bool) -> None:
    minutes = round(pairing.lifetime.total_seconds() / 60)
    lines = [
        f"the owner of the account at {url} claims this machine with the code",
        "",
        f"    {click.style(pairing.code, bold=True)}",
        "",
        f"within {minutes} minutes; whoever has the code can adopt the machine, so keep it from"
        " others",
    ]
    if in_sandbox:
        lines.append(f"a made-up user of the sandbox runs: agentkeys sandbox claim {pairing.code}")
    lines.append("waiting until it is claimed")
    click.echo("\n".join(lines), err=True)


def _is_sandbox(url: str, environ: Mapping[str, str]) -> bool:
    try:
        record = load_sandbox_record(Paths.from_environment(environ).sandbox)
    except SandboxError:
        return False
    return record is not None and is_live(record) and record.broker.url == url
