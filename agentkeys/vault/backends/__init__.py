"""The keyrings that we trust, by class, each taught to refuse where it would prompt.

`keyring.get_keyring()` is never asked: its configuration and its plug-ins can make it a
plain-text file. Imported in the helper process only.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple

from keyring.backend import KeyringBackend
from keyring.errors import InitError

__all__ = ["Found", "NoCollection", "find_backend"]


class _Trusted(NamedTuple):
    kind: str
    module: str
    """Imported when its turn comes."""
    largest: int | None = None
    """Bytes that an entry can have; none of these is known to refuse 100 kB."""


# Best first.
if sys.platform == "darwin":
    _TRUSTED: tuple[_Trusted, ...] = (_Trusted("keychain", "keychain"),)
else:
    _TRUSTED = (
        _Trusted("secret-service", "secret_service"),
        _Trusted("libsecret", "libsecret"),
        _Trusted("kwallet", "kwallet"),
    )


class Found(NamedTuple):
    """A keyring that works here, and the bytes that an entry of it can have, where known."""

    kind: str
    keyring: KeyringBackend
    largest: int | None = None


class NoCollection(InitError):
    """The keyring works but is still empty: to save, a person would have to create a collection."""


def find_backend(only: str | None = None) -> Found | None:
    """The first keyring, or the `only` kind, that works here; None without one.

    Neither opens nor prompts. Raises TimeoutError when the session bus is there but silent, which
    says nothing about the keyring behind it.
    """
    for kind, module, largest in _TRUSTED:
        if only not in (None, kind):
            continue
        try:
            trusted = import_module(f"{__name__}.{module}").TrustedKeyring
            _ = trusted.priority  # a backend that cannot work here raises RuntimeError
            return Found(kind, trusted(), largest)
        except TimeoutError:
            raise
        except (ImportError, RuntimeError, OSError):
            continue
    return None
