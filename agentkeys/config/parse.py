"""From TOML tables to a Config, or a ConfigError that names the key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from agentkeys.config.identities import parse_identity
from agentkeys.config.profiles import parse_profile
from agentkeys.config.stores import parse_stores
from agentkeys.config.tables import Table
from agentkeys.config.values import Config, Profile
from agentkeys.errors import ConfigError

__all__ = ["parse_config"]

AUDIT = ("on", "required")


def parse_config(text: str, *, file: str, origin: str, path: Path | None) -> Config:
    """Reads a whole configuration; `file` is what error messages call it."""
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{file} nests too deeply", hint="write it flat") from None
    except ValueError as problem:  # a TOMLDecodeError, or a number of thousands of digits
        raise ConfigError(
            f"{file} is not valid TOML: {_lower_first(str(problem))}", hint="mend that line"
        ) from None
    top = Table(values, file=file)
    top.only("default_profile", "audit", "idle_exit", "identities", "stores", "profiles")
    identities = {name: parse_identity(name, t) for name, t in top.tables("identities").items()}
    stores = parse_stores(top)
    profiles = {
        name: parse_profile(name, t, identities, stores)
        for name, t in top.tables("profiles").items()
    }
    return Config(
        origin=origin,
        path=path,
        default_profile=_default_profile(top, profiles),
        identities=MappingProxyType(identities),
        profiles=MappingProxyType(profiles),
        idle_exit=top.duration("idle_exit"),
        stores=MappingProxyType(stores),
        is_audit_required=top.choice("audit", AUDIT) == "required",
    )


def _default_profile(top: Table, profiles: Mapping[str, Profile]) -> str | None:
    name = top.string("default_profile")
    if name is None:
        return next(iter(profiles)) if len(profiles) == 1 else None
    if name not in profiles:
        raise top.refuse_unknown("default_profile", name, "profiles", profiles)
    return name


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
