"""Stores: where an STS and an S3 are, and how they want to be spoken to."""

from __future__ import annotations

from agentkeys.config.tables import Table
from agentkeys.config.values import Store
from agentkeys.errors import ConfigError
from agentkeys.stores import AWS, StoreKind, parse_store_kind

__all__ = ["BUILT_IN", "parse_stores"]

BUILT_IN = Store("aws", AWS, sts_endpoint=None, s3_endpoint=None, region=None)
"""Is there without being configured."""

VARIANTS = ("fips", "dual_stack")
CHECKSUMS = ("when_supported", "when_required")


def parse_stores(top: Table) -> dict[str, Store]:
    """The one that is built in and those of the tables `[stores.NAME]`; raises ConfigError."""
    own = top.tables("stores")
    if BUILT_IN.name in own:
        raise top.refuse("stores.aws", "is built in", "give your own store another name")
    return {BUILT_IN.name: BUILT_IN} | {name: _store(name, t) for name, t in own.items()}


def _store(name: str, table: Table) -> Store:
    table.only("kind", "sts_endpoint", "s3_endpoint", "region", *VARIANTS, "checksums")
    try:
        kind = parse_store_kind(table.required("kind"))
    except ConfigError as problem:
        raise table.refuse("kind", f"is wrong: {problem.message}", problem.hint) from None
    sts_endpoint = table.url("sts_endpoint")
    if sts_endpoint is None and kind.needs_endpoint:
        raise table.refuse("sts_endpoint", "is missing", f"a {kind.name} store needs its own")
    return Store(
        name,
        kind,
        sts_endpoint,
        table.url("s3_endpoint"),
        table.region("region"),
        fips=_variant(table, "fips", kind),
        dual_stack=_variant(table, "dual_stack", kind),
        checksums=table.choice("checksums", CHECKSUMS),
    )


def _variant(table: Table, key: str, kind: StoreKind) -> bool:
    """Whether another one of the endpoints is meant that a store finds by itself."""
    is_wanted = table.boolean(key)
    if key in table and kind.needs_endpoint:
        raise table.refuse(
            key,
            f"means nothing to a store of kind {kind.name}",
            "remove the line: its endpoints are those that the configuration names",
        )
    for endpoint in ("sts_endpoint", "s3_endpoint"):
        if is_wanted and endpoint in table:
            raise table.refuse(
                key, f"stands beside {endpoint}, which it does not change", "keep one of the two"
            )
    return is_wanted
