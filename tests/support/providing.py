"""Mints at work: the real ones with what is really held, and a store in memory."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from agentkeys.config import Config, Profile
from agentkeys.leases import Exchange, Minter
from agentkeys.provider.held import HeldCredentials
from agentkeys.provider.presented_mints import CredentialRequest, PresentedMints
from agentkeys.provider.settings import Setting
from agentkeys.secret import Secret
from agentkeys.served import ServedCredentials
from tests.fakes.exchange import FakeExchange
from tests.support.moved_clock import MovedClock
from tests.support.profiles import PROFILE
from tests.support.tokens import ALICE, User, web_identity_jwt

__all__ = ["ProviderPlace", "a_request", "config_of"]


def config_of(**profiles: Profile) -> Config:
    """A configuration of these profiles, without a default one."""
    return Config("a test", None, None, MappingProxyType({}), MappingProxyType(profiles))


def a_request(token: str, profile: Profile = PROFILE) -> CredentialRequest:
    setting = Setting.of(profile)
    return CredentialRequest(setting, Secret(token), setting.key(token))


class _OneStore:
    """Every profile's store is the same one."""

    def __init__(self, sts: FakeExchange, clock: MovedClock) -> None:
        self._sts = sts
        self._clock = clock

    def exchange(self, setting: Setting) -> Exchange:
        return self._sts

    def now(self, setting: Setting) -> datetime:
        return self._clock.now()

    async def aclose(self) -> None:
        pass


class ProviderPlace:
    """The mints, and a hand on everything around it; pauses between attempts take no time."""

    def __init__(self, *, limit: int = 100, patience: timedelta = timedelta(seconds=10)) -> None:
        self.clock = MovedClock()
        self.sts = FakeExchange(clock=self.clock)
        self.held = HeldCredentials(limit=limit, clock=self.clock)
        self.mints = PresentedMints(
            held=self.held,
            stores=_OneStore(self.sts, self.clock),
            minter=Minter(clock=self.clock, sleep=self._no_pause, jitter=lambda: 0.5),
            clock=self.clock,
            patience=patience,
        )

    def token(self, user: User = ALICE, lifetime: timedelta = timedelta(hours=8)) -> str:
        """A good one, which differs from every other."""
        return web_identity_jwt(user, at=self.clock.now(), lifetime=lifetime)

    async def ask(self, token: str, profile: Profile = PROFILE) -> ServedCredentials:
        return await self.mints.serve(a_request(token, profile))

    def asking(self, token: str, profile: Profile = PROFILE) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(self.ask(token, profile))

    async def settled(self) -> None:
        """Returns when nothing is under way any more."""
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=10)

    async def _no_pause(self, seconds: float) -> None:
        pass
