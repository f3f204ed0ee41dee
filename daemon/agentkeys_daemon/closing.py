"""What is held of profiles that have become break-glass goes: nothing of theirs is ever kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from agentkeys.config import Config
from agentkeys.errors import VaultError
from agentkeys.leases import LeaseTerms
from agentkeys_daemon.profile_leases import ProfileLeases

__all__ = ["Closing"]


class Closing:
    """Drops leases in the background; no door serves them meanwhile, see ProfileLeases.lease.

    A lease does not say which profile it was minted for, and an edit changes what it is looked up
    by. So of an identity with such a profile goes whatever no other profile or run leads to.
    """

    def __init__(
        self, *, leases: ProfileLeases, reachable: Callable[[Config], Iterable[LeaseTerms]]
    ) -> None:
        """`reachable` tells the terms of all that is served without breaking a glass."""
        self._leases = leases
        self._reachable = reachable
        self._due: set[str] = set()
        """The names of identities."""
        self._task: asyncio.Task[None] | None = None

    def note(self, before: Config | None, now: Config) -> None:
        """The configuration has changed, or is there at all."""
        closed = [profile.name for profile in now.profiles.values() if profile.is_break_glass]
        for config in (before, now):
            known = config.profiles if config else {}
            self._due |= {known[name].identity.name for name in closed if name in known}

    def begin(self, config: Config) -> None:
        """Goes about what is due, and again at the next call where a keyring has failed."""
        if self._due and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._drop(config))

    async def _drop(self, config: Config) -> None:
        for name in tuple(self._due):
            if identity := config.identities.get(name):
                try:
                    await self._leases.drop_others(identity, lambda: self._reachable(config))
                except VaultError:
                    continue  # the vault's trouble is told anyway
            self._due.discard(name)
