"""Somebody, or a service, that an OpenID Connect issuer knows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from agentkeys.config.tables import Table

__all__ = ["OidcIdentity", "SecretPlace", "parse_oidc"]

FLOWS = ("auto", "browser", "device", "client_credentials")
TOKENS = ("id", "access")
_SECRET_VARIABLE = re.compile(r"AGENTKEYS_CLIENT_SECRET[A-Z0-9_]*")
_SECRET_KEYS = ("client_secret_env", "client_secret_file", "client_secret_command")


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a client secret is found each time it is needed: one of the three."""

    variable: str | None = None
    """Of the daemon's environment."""
    file: Path | None = None
    argv: tuple[str, ...] | None = None
    """A command that prints it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcIdentity:
    """A person who logs in at an issuer or, by `client_credentials`, the client itself."""

    name: str
    issuer: str
    """Equal byte for byte to what the issuer calls itself."""
    client_id: str
    flow: str
    scopes: tuple[str, ...] | None
    """None for what the flow needs."""
    requested_audience: str | None
    """Sent as `audience`, as Auth0 and others want it."""
    resource: str | None
    """Sent as `resource` (RFC 8707)."""
    token: str
    """Whether stores are shown the `id` token or the `access` token."""
    secret: SecretPlace | None
    private_key_file: Path | None
    """For private_key_jwt."""
    redirect_port: int | None
    """Where the browser comes back to; None for any that is free."""
    ca_file: Path | None = field(default=None, kw_only=True)
    """The authorities that vouch for its server, instead of the system's; None for those."""

    source = "oidc"

    @property
    def url(self) -> str:
        return self.issuer

    @property
    def is_service(self) -> bool:
        """Whether nobody logs in, since the client itself is who it is about."""
        return self.flow == "client_credentials"

    @property
    def logs_in(self) -> bool:
        return not self.is_service

    @property
    def audience(self) -> str | None:
        """An ID token is for the client, unless the issuer was asked to add another."""
        asked = self.requested_audience or self.resource
        return asked or (self.client_id if self.token == TOKENS[0] else None)

    @property
    def origin(self) -> str:
        asked = (self.token, *(self.scopes or ()), self.requested_audience, self.resource)
        return " ".join((self.issuer, self.client_id, *(part or "-" for part in asked)))


def parse_oidc(name: str, table: Table) -> OidcIdentity:
    """Raises ConfigError."""
    table.only(
        "source", "issuer", "client_id", "flow", "scopes", "audience", "resource", "token",
        *_SECRET_KEYS, "private_key_file", "redirect_port", "ca_file",
    )  # fmt: skip
    table.required_url("issuer")
    flow = table.choice("flow", FLOWS) or "auto"
    is_service = flow == "client_credentials"
    secret, key_file = _secret(table), table.path("private_key_file")
    if secret and key_file:
        raise table.refuse(
            "private_key_file", "stands beside a client secret", "keep the one the issuer knows"
        )
    if is_service and not (secret or key_file):
        raise table.refuse(
            "flow",
            "is client_credentials, and the client has nothing to show",
            f"add {', '.join(_SECRET_KEYS)} or private_key_file",
        )
    return OidcIdentity(
        name=name,
        # As it is written: a closing slash belongs to the name of some issuers.
        issuer=table.required("issuer"),
        client_id=table.required("client_id"),
        flow=flow,
        scopes=table.strings("scopes"),
        requested_audience=table.string("audience"),
        resource=table.string("resource"),
        token=table.choice("token", TOKENS) or ("access" if is_service else "id"),
        secret=secret,
        private_key_file=key_file,
        redirect_port=table.port("redirect_port"),
        ca_file=table.path("ca_file"),
    )


def _secret(table: Table) -> SecretPlace | None:
    given = [key for key in _SECRET_KEYS if key in table]
    if len(given) > 1:
        raise table.refuse(given[1], f"stands beside {given[0]}", "keep one of them")
    variable = table.string("client_secret_env")
    if variable is not None and not _SECRET_VARIABLE.fullmatch(variable):
        raise table.refuse(
            "client_secret_env",
            f"names {variable!r}, which no daemon gets to see",
            "name a variable that begins with AGENTKEYS_CLIENT_SECRET",
        )
    argv = table.strings("client_secret_command")
    file = table.path("client_secret_file")
    return SecretPlace(variable, file, argv) if given else None
