"""Why each profile's last mint failed, until one succeeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from agentkeys.clock import Clock
from agentkeys.config import Identity, Profile
from agentkeys.errors import AgentkeysError

__all__ = ["LastError", "LastErrors"]


@dataclass(frozen=True, slots=True)
class LastError:
    """Why a profile's last mint failed, kept until one succeeds."""

    code: str
    message: str
    hint: str
    at: datetime


class LastErrors:
    """One for each profile at most."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[str, LastError] = {}

    def __len__(self) -> int:
        return len(self._found)

    def of(self, profile: Profile) -> LastError | None:
        return self._found.get(profile.name)

    def note(self, profile: Profile, problem: AgentkeysError) -> None:
        self._found[profile.name] = LastError(
            problem.code, problem.message, problem.hint, self._clock.now()
        )

    def forget(self, profile: Profile) -> None:
        self._found.pop(profile.name, None)

    def forget_of(self, identity: Identity, profiles: Iterable[Profile]) -> None:
        """What concerns an identity does so by its `profiles`."""
        for profile in profiles:
            if profile.identity.name == identity.name:
                self.forget(profile)
