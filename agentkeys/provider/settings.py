"""What a profile says about its users, as the configuration stands now."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from agentkeys.clock import Clock
from agentkeys.config import Config, ConfigSource, Profile
from agentkeys.documents import DEFAULT_REGION
from agentkeys.errors import BreakGlassRequired, ConfigError, UnknownProfile
from agentkeys.paths import Paths

__all__ = ["Setting", "Settings"]

LOOK_EVERY = 1.0
"""Seconds. A look at the files costs as much as a warm call, so that only some calls take one."""

MANY = 10_000
"""Profile objects that are known by heart."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A profile, and how its users' credentials are told apart from all others."""

    profile: Profile
    sts_endpoint: str
    digest: bytes
    """Of every term of the profile: who changes one of them shares nothing with the old ones."""

    @classmethod
    def of(cls, profile: Profile) -> Setting:
        """Raises ConfigError where nobody knows its STS, or who its user is.

        BreakGlassRequired, a leaf of it, where no program may have its credentials at all.
        """
        _check_pinned(profile)
        _check_open(profile)
        endpoint = profile.store.sts_url(profile.region or DEFAULT_REGION)
        # A repr of plain values: equal ones have the same, and no field can be forgotten here.
        terms = f"{endpoint}\n{profile!r}"
        return cls(profile, endpoint, hashlib.sha256(terms.encode("utf-8", "replace")).digest())

    def key(self, token: str) -> bytes:
        """SHA-256 of the whole token and the profile, and of nothing that the token says."""
        return hashlib.sha256(self.digest + token.encode("utf-8", "surrogatepass")).digest()


def _check_pinned(profile: Profile) -> None:
    # Whoever the role trusts would get the same rights, one user's token as good as another's.
    pins = (profile.expect_subject, profile.expect_wallet)
    if profile.confine.kind == "role" and pins == (None, None):
        raise ConfigError(
            f'the profile {profile.name} has confine = "role" and does not say whose it is',
            hint="set expect_subject: nothing in a token would tell its users apart",
        )


def _check_open(profile: Profile) -> None:
    if profile.is_break_glass:
        raise BreakGlassRequired(
            f"the profile {profile.name} is for break-glass alone, which takes a person",
            hint=f"at a terminal, run: agentkeys exec --profile {profile.name} --break-glass"
            ' --reason "…" -- PROGRAM',
        )


class Settings:
    """Finds the setting of a profile; may be used by many threads."""

    def __init__(
        self, *, config: Config | None, environ: Mapping[str, str] | None, clock: Clock
    ) -> None:
        """`config` as it is, or else the usual one, which is looked at again every second.

        `environ` takes the place of the process's environment in finding that.
        """
        self._source = _Given(config) if config else _usual(environ)
        self._clock = clock
        self._lock = threading.Lock()
        self._config: Config | None = None
        self._look_again = float("-inf")
        self._by_name: dict[str, Setting] = {}
        self._by_object: dict[int, Setting] = {}

    def find(self, profile: str | Profile) -> Setting:
        """Raises UnknownProfile where there is none, ConfigError while the file is wrong."""
        if isinstance(profile, Profile):
            known = self._by_object.get(id(profile))
            return known if known and known.profile is profile else self._learn(profile)
        if self._clock.monotonic() >= self._look_again:
            self._look()
        return self._by_name.get(profile) or self._look_up(profile)

    def _look(self) -> None:
        with self._lock:
            config = self._source.current()
            if config is not self._config:
                self._config, self._by_name = config, {}
            self._look_again = self._clock.monotonic() + LOOK_EVERY

    def _look_up(self, name: str) -> Setting:
        if not name:
            # Never the default profile: that may be somebody else's.
            raise UnknownProfile(
                "no profile is named for this user",
                hint="give credentials_for() the name of the profile that the user is to have",
            )
        with self._lock:
            setting = Setting.of(self._source.current().profile(name))
            self._by_name[name] = setting
            return setting

    def _learn(self, profile: Profile) -> Setting:
        setting = Setting.of(profile)
        with self._lock:
            if len(self._by_object) >= MANY:
                self._by_object.clear()
            # The setting holds the profile, so that no other object can get its id.
            self._by_object[id(profile)] = setting
        return setting


@dataclass(frozen=True, slots=True)
class _Given:
    """A configuration that does not change."""

    config: Config

    def current(self) -> Config:
        return self.config


def _usual(environ: Mapping[str, str] | None) -> ConfigSource:
    environ = dict(os.environ if environ is None else environ)
    return ConfigSource(environ=environ, paths=Paths.from_environment(environ))
