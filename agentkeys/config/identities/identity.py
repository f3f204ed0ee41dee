"""What all identities have in common, wherever their tokens come from."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

__all__ = ["Identity"]


class Identity(Protocol):
    """Who a profile's programs act as; a value, compared to see whether it has changed."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str:
        """The kind of token source, as the configuration calls it."""
        ...

    @property
    def logs_in(self) -> bool:
        """Whether a person has to, before there are tokens."""
        ...

    @property
    def audience(self) -> str | None:
        """The `aud` that tokens must carry; None where the configuration does not say."""
        ...

    @property
    def url(self) -> str | None:
        """The server that is asked; None where none is, or where nobody knows it beforehand."""
        ...

    @property
    def ca_file(self) -> Path | None:
        """The authorities that vouch for its server, instead of the system's; None for those."""
        ...

    @property
    def origin(self) -> str:
        """What sets its tokens apart from those that it would give if configured otherwise."""
        ...
