"""What may be sent, and where: checked before anything leaves the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from json import dumps
from urllib.parse import urlencode, urlsplit

from agentkeys.errors import ConfigError
from agentkeys.loopback import loopback_addresses
from agentkeys.transport.failures import TransportError

__all__ = ["Destination", "encode_body"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a URL leads that we are willing to talk to."""

    host: str
    port: int
    where: str
    """Host, and port where the URL has one, as people are told."""

    @classmethod
    def parse(cls, url: str) -> Destination:
        """Raises ConfigError for anything but https, or http on loopback; never quotes the URL."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ConfigError("a configured URL has no valid host and port") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError("a configured URL does not start with https:// and a host")
        where = f"{host}:{port}" if port else host
        if "@" in parts.netloc:
            raise ConfigError(f"the URL of {where} holds a user name", hint="take it out")
        if parts.scheme == "http" and not loopback_addresses(host):
            raise ConfigError(
                f"http:// is not allowed for {where}",
                hint="use https://; http:// is for 127.0.0.1, ::1 and localhost only",
            )
        return cls(host, port or (443 if parts.scheme == "https" else 80), where)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The loopback addresses it stands for, none when it is another machine."""
        return loopback_addresses(self.host)

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Raises TransportError; the libraries below would quote a header that they refuse."""
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise TransportError(
                    f"the {name} header for {self.where} holds characters that HTTP forbids",
                    hint="look at the token or secret that goes there",
                )


def encode_body(
    form: Mapping[str, str] | None, json: object | None
) -> tuple[bytes | None, dict[str, str]]:
    """The request's body, and the headers that go with it unless the caller sets others."""
    if form is not None:
        return urlencode(form, errors="replace").encode("ascii"), {
            "content-type": "application/x-www-form-urlencoded"
        }
    if json is not None:
        return dumps(json).encode("ascii"), {"content-type": "application/json"}
    return None, {}
