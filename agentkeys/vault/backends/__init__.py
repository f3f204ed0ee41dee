"""The keyrings that we trust, by class, each taught to refuse where it would prompt.

`keyring.get_keyring()` is never asked: its configuration and its plug-ins can make it a
plain-text file. Imported in the helper process only.
"""

from __future__ import annotations

import sys
from importlib import import_module

from keyring.backend import KeyringBackend
from keyring.errors import InitError

__all__ = ["NoCollection", "find_backend"]

# Kinds and the modules that hold them, best first; a module is imported when its turn comes.
if sys.platform == "darwin":
    _TRUSTED = (("keychain", "keychain"),)
else:
    _TRUSTED = (
        ("secret-service", "secret_service"),
        ("libsecret", "libsecret"),
        ("kwallet", "kwallet"),
    )


class NoCollection(InitError):
    """The keyring works but is still empty: to save, a person would have to create a collection."""


def find_backend(only: str | None = None) -> tuple[str, KeyringBackend] | None:
    """The first keyring, or the `only` kind, that works here, and its kind; None without one.

    Neither opens nor prompts. Raises TimeoutError when the session bus is there but silent, which
    says nothing about the keyring behind it.
    """
    for kind, module in _TRUSTED:
        if only not in (None, kind):
            continue
        try:
            trusted = import_module(f"{__name__}.{module}").TrustedKeyring
            _ = trusted.priority  # a backend that cannot work here raises RuntimeError
            return kind, trusted()
        except TimeoutError:
            raise
        except (ImportError, RuntimeError, OSError):
            continue
    return None
