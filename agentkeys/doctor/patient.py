"""Whom the doctor looks at: one profile, with all that works for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agentkeys.config import Identity, Profile
from agentkeys.doctor.probes import TOTAL_SECONDS
from agentkeys.leases import LeaseTerms
from agentkeys.sessions import Session
from agentkeys.tokens import TokenSource

__all__ = ["Patient"]


@dataclass(frozen=True, slots=True)
class Patient:
    """One profile, with what works for it."""

    terms: LeaseTerms
    """In the profile's own scope."""
    source: TokenSource
    held_session: Callable[[], Session | None]
    s3_endpoint: str
    region: str
    """That requests to the S3 are signed for."""
    others: Mapping[str, str] | None = None
    """The claims of another identity of the same source, where some are known."""
    token_seconds: float = TOTAL_SECONDS
    """How long a token may take."""

    @property
    def profile(self) -> Profile:
        return self.terms.profile

    @property
    def identity(self) -> Identity:
        return self.terms.profile.identity
