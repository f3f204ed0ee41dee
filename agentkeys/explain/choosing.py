"""Whose values an explanation is filled with."""

from __future__ import annotations

from agentkeys.config import Config, Profile
from agentkeys.errors import ConfigError
from agentkeys.stores import StoreKind

__all__ = ["choose_profile"]


def choose_profile(
    config: Config, kind: StoreKind, *, name: str | None, default: str | None = None
) -> Profile | None:
    """The profile `name`; without one the default, or else the only one, of that kind of store.

    None where there is no such one. Raises UnknownProfile, and ConfigError where the store of
    `name` is of another kind.
    """
    if name is not None:
        return _of_kind(config.profile(name), kind)
    fitting = {p.name: p for p in config.profiles.values() if p.store.kind is kind}
    if chosen := fitting.get(default or config.default_profile or ""):
        return chosen
    return next(iter(fitting.values())) if len(fitting) == 1 else None


def _of_kind(profile: Profile, kind: StoreKind) -> Profile:
    theirs = profile.store.kind
    if theirs is not kind:
        raise ConfigError(
            f"the store of the profile {profile.name} is {theirs.title}, not {kind.title}",
            hint=f"run: agentkeys stores explain {theirs.name} --profile {profile.name}",
        )
    return profile
