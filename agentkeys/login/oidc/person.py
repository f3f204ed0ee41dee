"""What a login shows to whoever logs in; how is their program's affair."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

__all__ = ["DevicePrompt", "Person"]


@dataclass(frozen=True, slots=True)
class DevicePrompt:
    """What to do on another device; all of it is printable, and the addresses are of the web."""

    verification_uri: str
    user_code: str
    complete_uri: str | None
    """The same address with the code in it, for a link or a picture."""
    lifetime: timedelta


class Person(Protocol):
    """Somebody who logs in. Both return at once: the login waits meanwhile."""

    def visit(self, url: str) -> None:
        """Shows the address to log in at, and opens it where there is a browser."""
        ...

    def enter_code(self, prompt: DevicePrompt) -> None:
        """Shows the address, and the code to type there."""
        ...
