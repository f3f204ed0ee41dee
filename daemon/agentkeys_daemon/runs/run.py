"""A run: one program under `agentkeys exec`, from its start to its end."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime

from agentkeys.access_rules import AccessRule
from agentkeys.models import TokenUser
from agentkeys.processes import ProcessId
from agentkeys.scopes import Scope

__all__ = ["Run", "new_run_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is known of a run; nothing in it is secret."""

    id: str
    """16 of a-z2-7."""
    profile: str
    identity: str
    """The name of whose profile it was when it began."""
    issuer: str
    """Who says so: what a subject is called is one user's at its issuer alone."""
    subject: str
    """Whose credentials it began with, and nobody else's it ever gets."""
    process: ProcessId
    """The program itself, which was `agentkeys exec` before its execve."""
    program: str | None
    """What it was called on the command line, without its arguments."""
    started_at: datetime
    allow: tuple[AccessRule, ...]
    """What it was narrowed to, on top of what its profile says; empty where it was not."""
    reads_only: bool
    scope: Scope
    """What that came to when it began; whatever its profile says later, it never gets more."""
    lease_run: str | None
    """The run whose own lease it works with: itself, the run that it is in, or none."""
    outer: tuple[str, ...] = ()
    """The runs that it was begun in, the outermost first."""
    fetches: bool = False
    """Whether AWS SDKs in it fetch from the endpoint, rather than that they have fixed keys."""
    mints: bool = False
    """Whether it may ask the endpoint as it once asked its broker, POST /v1/mint-aws-creds."""
    token_hash: str | None = None
    """Of its token for the endpoint, None for a run that has none, or none any more."""
    break_glass_until: datetime | None = None
    """When its credentials end, by our clock, if it broke the glass: it gets no others, ever."""
    is_forgotten: bool = False
    """Whether somebody has taken its credentials away although it goes on."""

    @property
    def user(self) -> TokenUser:
        """Whose run it is."""
        return TokenUser(self.issuer, self.subject)

    @property
    def has_own_lease(self) -> bool:
        return self.lease_run == self.id

    @property
    def has_token(self) -> bool:
        """Whether the endpoint serves it, one way or the other."""
        return self.token_hash is not None

    @property
    def is_break_glass(self) -> bool:
        return self.break_glass_until is not None

    @property
    def door(self) -> str:
        """Where its credentials come from, for people and in JSON."""
        if self.is_break_glass:
            return "break-glass"
        if self.mints:
            return "endpoint+legacy-mint" if self.fetches else "legacy-mint"
        return "endpoint" if self.fetches else "environment"


def new_run_id() -> str:
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()
