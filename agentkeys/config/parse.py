"""From TOML tables to a Config, or a ConfigError that names the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from agentkeys.config.tables import Table, nearest
from agentkeys.config.values import (
    BrokerIdentity,
    Config,
    Identity,
    Profile,
    SandboxIdentity,
    Store,
)
from agentkeys.errors import ConfigError
from agentkeys.models import Confinement, RoleArn
from agentkeys.prefix import check_prefix
from agentkeys.stores import AWS, parse_store_kind, sts_endpoint

__all__ = ["DEFAULT_AUDIENCE", "DEFAULT_PREFIX", "REGION", "parse_config"]

DEFAULT_AUDIENCE = "sts.amazonaws.com"
DEFAULT_PREFIX = "bots/{wallet}/"
REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
"""What every store takes for a region: AWS's names, and whatever else people call theirs."""
_WALLET = re.compile(r"0x[0-9a-f]+|[0-9a-f]{64}")
DEFAULT_DURATION = timedelta(hours=1)
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
        name: _profile(name, t, identities, stores) for name, t in top.tables("profiles").items()
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
        raise _unknown(top, "default_profile", "profiles", name, profiles)
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
    return Store(name, kind, sts_endpoint, table.url("s3_endpoint"), _region(table))


def _profile(
    name: str, table: Table, identities: Mapping[str, Identity], stores: Mapping[str, Store]
) -> Profile:
    table.only(
        "identity", "store", "role_arn", "region", "duration", "bucket", "prefix", "confine",
        "expect_wallet", "expect_subject",
    )  # fmt: skip
    identity = identities.get(table.required("identity"))
    if identity is None:
        raise _unknown(table, "identity", "identities", table.required("identity"), identities)
    store = stores.get(table.string("store") or "aws")
    if store is None:
        raise _unknown(table, "store", "stores", table.required("store"), stores)
    return Profile(
        name=name,
        identity=identity,
        store=store,
        role_arn=_role_arn(table, store),
        region=_sts_region(table, store),
        duration=_duration(table, store),
        bucket=table.string("bucket"),
        prefix=_prefix(table),
        confine=_confine(table, store),
        expect_wallet=_wallet(table),
        expect_subject=table.string("expect_subject"),
    )


def _role_arn(table: Table, store: Store) -> RoleArn | None:
    text = table.string("role_arn")
    if text is None and store.kind.needs_role_arn:
        raise table.refuse(
            "role_arn",
            "is missing",
            f'{store.kind.name} needs one: role_arn = "arn:aws:iam::<account>:role/<name>"',
        )
    try:
        return None if text is None else RoleArn.parse(text)
    except ConfigError as problem:
        raise table.refuse("role_arn", f"is wrong: {problem.message}", problem.hint) from None


def _duration(table: Table, store: Store) -> timedelta:
    duration = table.duration("duration") or DEFAULT_DURATION
    if not store.kind.min_duration <= duration <= store.kind.max_duration:
        raise table.refuse(
            "duration",
            f"is outside what {store.kind.name} takes",
            f"{_minutes(store.kind.min_duration)} to {_minutes(store.kind.max_duration)}",
        )
    return duration


def _confine(table: Table, store: Store) -> Confinement:
    text = table.string("confine")
    try:
        return store.kind.default_confine if text is None else Confinement.parse(text)
    except ConfigError as problem:
        raise table.refuse("confine", f"is wrong: {problem.message}", problem.hint) from None


def _region(table: Table) -> str | None:
    region = table.string("region")
    if region is not None and not REGION.fullmatch(region):
        raise table.refuse("region", f"is not a region: {region!r}", 'write it like "us-east-1"')
    return region


def _sts_region(table: Table, store: Store) -> str | None:
    """The profile's or the store's; where it decides which STS is asked, there has to be one."""
    region = _region(table) or store.region
    try:
        if region and store.sts_endpoint is None:
            sts_endpoint(store.kind, region)
    except ConfigError as problem:
        raise table.refuse("region", f"is wrong: {problem.message}", problem.hint) from None
    return region


def _wallet(table: Table) -> str | None:
    wallet = table.string("expect_wallet")
    if wallet is not None and not _WALLET.fullmatch(wallet.lower()):
        raise table.refuse(
            "expect_wallet", f"is not a wallet: {wallet!r}", "write 0x… or an omni's 64 hex digits"
        )
    return wallet and wallet.lower()


def _prefix(table: Table) -> str:
    prefix = table.string("prefix") or DEFAULT_PREFIX
    try:
        check_prefix(prefix)
    except ConfigError as problem:
        raise table.refuse("prefix", f"is wrong: {problem.message}", problem.hint) from None
    return prefix


def _unknown(
    table: Table, key: str, tables: str, name: str, known: Mapping[str, object]
) -> ConfigError:
    guess = nearest(name, known)
    hint = (
        f"did you mean {guess}?"
        if guess
        else _one_of(known)
        if known
        else f"write [{tables}.{name}]"
    )
    return table.refuse(key, f"names {name!r}, which is not among the {tables}", hint)


def _one_of(known: Mapping[str, object]) -> str:
    return f"write one of: {', '.join(known)}"


def _minutes(duration: timedelta) -> str:
    return f"{duration // timedelta(minutes=1)}m"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
