"""Somebody who logs in at an agentKeys broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from agentkeys.config.tables import Table

__all__ = ["BrokerIdentity", "SandboxIdentity", "parse_broker", "parse_sandbox"]

DEFAULT_AUDIENCE = "sts.amazonaws.com"


@dataclass(frozen=True, slots=True)
class BrokerIdentity:
    """Somebody who logs in at an agentKeys broker."""

    name: str
    url: str
    audience: str
    """The `aud` that the broker's tokens must carry."""
    signer_url: str | None
    """Where the broker keeps managed wallets; None when people sign with a wallet of their own."""
    ca_file: Path | None = field(default=None, kw_only=True)
    """The authorities that vouch for its server, instead of the system's; None for those."""

    source = "broker"
    logs_in = True

    @property
    def origin(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class SandboxIdentity(BrokerIdentity):
    """The made-up user of a local sandbox, who logs in by itself."""

    email: str

    source = "sandbox"
    logs_in = False


def parse_broker(name: str, table: Table) -> BrokerIdentity:
    """Raises ConfigError."""
    table.only("source", "url", "audience", "signer_url", "ca_file")
    audience = table.string("audience") or DEFAULT_AUDIENCE
    return BrokerIdentity(
        name,
        table.required_url("url"),
        audience,
        table.url("signer_url"),
        ca_file=table.path("ca_file"),
    )


def parse_sandbox(name: str, table: Table) -> SandboxIdentity:
    """Raises ConfigError."""
    table.only("source", "url", "email")
    url = table.required_url("url")
    return SandboxIdentity(name, url, DEFAULT_AUDIENCE, url, table.required("email"))
