"""From TOML tables to a Config, or a ConfigError that names the key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from agentkeys.config.profiles import parse_profile
from agentkeys.config.tables import Table
from agentkeys.config.values import (
    BrokerIdentity,
    Config,
    Identity,
    Profile,
    SandboxIdentity,
    Store,
)
from agentkeys.errors import ConfigError
from agentkeys.stores import AWS, parse_store_kind

__all__ = ["parse_config"]

DEFAULT_AUDIENCE = "sts.amazonaws.com"
BUILT_IN = Store("aws", AWS, sts_endpoint=None, s3_endpoint=None, region=None)


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
    top.only("default_profile", "idle_exit", "identities", "stores", "profiles")
    identities = {name: _identity(name, t) for name, t in top.tables("identities").items()}
    own_stores = top.tables("stores")
    if BUILT_IN.name in own_stores:
        raise top.refuse("stores.aws", "is built in", "give your own store another name")
    stores = {BUILT_IN.name: BUILT_IN} | {name: _store(name, t) for name, t in own_stores.items()}
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
    )


def _default_profile(top: Table, profiles: Mapping[str, Profile]) -> str | None:
    name = top.string("default_profile")
    if name is None:
        return next(iter(profiles)) if len(profiles) == 1 else None
    if name not in profiles:
        raise top.refuse_unknown("default_profile", name, "profiles", profiles)
    return name


def _identity(name: str, table: Table) -> Identity:
    source = table.required("source")
    if source == "broker":
        table.only("source", "url", "audience", "signer_url")
        return BrokerIdentity(name, _required_url(table), _audience(table), table.url("signer_url"))
    if source == "sandbox":
        table.only("source", "url", "email")
        url = _required_url(table)
        return SandboxIdentity(name, url, DEFAULT_AUDIENCE, url, table.required("email"))
    raise table.refuse("source", f"is not a token source: {source!r}", 'write source = "broker"')


def _required_url(table: Table) -> str:
    table.required("url")
    url = table.url("url")
    assert url is not None  # noqa: S101 - required() has just found it
    return url


def _audience(table: Table) -> str:
    return table.string("audience") or DEFAULT_AUDIENCE


def _store(name: str, table: Table) -> Store:
    table.only("kind", "sts_endpoint", "s3_endpoint", "region")
    try:
        kind = parse_store_kind(table.required("kind"))
    except ConfigError as problem:
        raise table.refuse("kind", f"is wrong: {problem.message}", problem.hint) from None
    sts_endpoint = table.url("sts_endpoint")
    if sts_endpoint is None and kind.needs_endpoint:
        raise table.refuse("sts_endpoint", "is missing", f"a {kind.name} store needs its own")
    return Store(name, kind, sts_endpoint, table.url("s3_endpoint"), table.region("region"))


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
