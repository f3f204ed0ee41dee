"""A profile's table: the credentials that a program may ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from agentkeys.config.identities import BrokerIdentity, Identity
from agentkeys.config.narrowing import read_allow, read_policy, read_policy_arns
from agentkeys.config.tables import Table
from agentkeys.config.values import Profile, Store
from agentkeys.errors import ConfigError
from agentkeys.models import Confinement, RoleArn
from agentkeys.prefix import check_prefix

__all__ = ["BREAK_GLASS_DURATION", "DEFAULT_PREFIX", "parse_profile"]

DEFAULT_PREFIX = "bots/{wallet}/"
DEFAULT_DURATION = timedelta(hours=1)
BREAK_GLASS_DURATION = timedelta(minutes=15)
"""No store gives less on request, and nobody should have more."""
_WALLET = re.compile(r"0x[0-9a-f]+|[0-9a-f]{64}")


def parse_profile(
    name: str, table: Table, identities: Mapping[str, Identity], stores: Mapping[str, Store]
) -> Profile:
    """Refers to one of `identities` and one of `stores`; raises ConfigError."""
    table.only(
        "identity", "store", "role_arn", "region", "duration", "bucket", "prefix", "confine",
        "expect_wallet", "expect_subject", "allow", "policy", "policy_arns", "lease",
        "break_glass",
    )  # fmt: skip
    identity = identities.get(table.required("identity"))
    if identity is None:
        raise table.refuse_unknown("identity", table.required("identity"), "identities", identities)
    store = stores.get(table.string("store") or "aws")
    if store is None:
        raise table.refuse_unknown("store", table.required("store"), "stores", stores)
    return Profile(
        name=name,
        identity=identity,
        store=store,
        role_arn=_role_arn(table, store),
        region=_sts_region(table, store),
        duration=_duration(table, store),
        bucket=table.string("bucket"),
        prefix=_prefix(table, identity),
        confine=_confine(table, store),
        expect_wallet=_wallet(table),
        expect_subject=table.string("expect_subject"),
        allow=read_allow(table),
        policy=read_policy(table),
        policy_arns=read_policy_arns(table, store),
        own_lease=_own_lease(table),
        is_break_glass=table.boolean("break_glass"),
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
    is_break_glass = table.boolean("break_glass")
    usual = BREAK_GLASS_DURATION if is_break_glass else DEFAULT_DURATION
    duration = table.duration("duration") or usual
    if is_break_glass and duration > BREAK_GLASS_DURATION:
        raise table.refuse(
            "duration",
            "is more than break_glass gives",
            f"at most {_minutes(BREAK_GLASS_DURATION)}; without the line it is that",
        )
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


def _sts_region(table: Table, store: Store) -> str | None:
    """The profile's or the store's; where it decides which STS is asked, there has to be one."""
    region = table.region("region") or store.region
    try:
        if region:
            store.sts_url(region)
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


def _prefix(table: Table, identity: Identity) -> str | None:
    """None where nobody has said: only a broker's tokens are known to carry a wallet."""
    default = DEFAULT_PREFIX if isinstance(identity, BrokerIdentity) else None
    prefix = table.string("prefix") or default
    try:
        if prefix:
            check_prefix(prefix)
    except ConfigError as problem:
        raise table.refuse("prefix", f"is wrong: {problem.message}", problem.hint) from None
    return prefix


def _own_lease(table: Table) -> bool:
    lease = table.string("lease") or "shared"
    if lease not in ("shared", "run"):
        raise table.refuse(
            "lease",
            f"is not a kind of lease: {lease!r}",
            'write "run" for one per run, or remove the line',
        )
    return lease == "run"


def _minutes(duration: timedelta) -> str:
    return f"{duration // timedelta(minutes=1)}m"
