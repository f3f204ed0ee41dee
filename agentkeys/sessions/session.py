"""What all sessions have in common, whoever gave them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

__all__ = ["EXPIRY_MARGIN", "Session"]

EXPIRY_MARGIN = timedelta(seconds=30)
"""A session counts as over this long before it ends, so that no mint races it."""


class Session(Protocol):
    """What lets its holder fetch tokens of one identity; a value, and itself never changed."""

    @property
    def kind(self) -> str:
        """Which of the sessions it is, as the vault's entry says."""
        ...

    @property
    def url(self) -> str | None:
        """The server that it is of, and that alone gets to see it; None where there is none."""
        ...

    @property
    def owner(self) -> str:
        """What sets its user apart from any other."""
        ...

    @property
    def subject(self) -> str | None:
        """What names its user to people; None where only its tokens tell."""
        ...

    @property
    def wallet(self) -> str | None: ...

    @property
    def omni(self) -> str | None: ...

    @property
    def expires_at(self) -> datetime | None:
        """None where nobody has said."""
        ...

    @property
    def fingerprint(self) -> str | None:
        """Lower-case hex SHA-256 of the bearer, where the one who gave it logs that as well."""
        ...

    def is_over(self, now: datetime) -> bool: ...

    def to_document(self) -> dict[str, Any]:
        """For the vault: what JSON can hold, secrets in the clear."""
        ...

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Raises LoginFailed, KeyError, TypeError or ValueError for what is no such session."""
        ...
