"""Whose certificates count: the authorities in a file of the user's, read anew for each request."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from agentkeys.errors import ConfigError

__all__ = ["Authorities", "load_authorities"]

_MAX_BYTES = 4_194_304
"""Twenty times what operating systems ship."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """What a `ca_file` held when it was looked at."""

    path: Path
    certificates: str = field(repr=False)
    """In PEM; what stands around them is left to OpenSSL, which skips it."""

    def context(self) -> ssl.SSLContext:
        """Trusts these authorities and no others; raises ConfigError when they are none."""
        try:
            return ssl.create_default_context(cadata=self.certificates)
        except (ssl.SSLError, ValueError) as problem:
            raise _unusable(self.path, "holds no certificates that can be read") from problem


def load_authorities(path: Path) -> Authorities:
    """What the file holds now. Raises ConfigError naming it when it is absent, closed or empty."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as problem:
        raise _unusable(path, "does not exist") from problem
    except OSError as problem:
        raise _unusable(path, f"cannot be read ({problem.strerror})") from problem
    if len(content) > _MAX_BYTES:
        raise _unusable(path, f"is longer than {_MAX_BYTES} bytes")
    # Comments may be in any language; certificates are ASCII. Without any, Python would fall back
    # to the authorities of the system.
    certificates = content.decode("ascii", "ignore").strip()
    if not certificates:
        raise _unusable(path, "is empty")
    return Authorities(path, certificates)


def _unusable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"ca_file {path} {why}",
        hint="put the authority's certificate there, in PEM; without ca_file the system's count",
    )
