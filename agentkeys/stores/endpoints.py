"""Where the STS of a store is that finds its own."""

from __future__ import annotations

from agentkeys.errors import ConfigError
from agentkeys.stores.kind import StoreKind

__all__ = ["sts_endpoint"]


def sts_endpoint(
    kind: StoreKind, region: str, *, fips: bool = False, dual_stack: bool = False
) -> str:
    """The URL of the STS of a region.

    Raises ConfigError for a kind whose endpoint must be configured and for what is no region.
    """
    if kind.regional_sts is None:
        raise ConfigError(
            f"a store of kind {kind.name} has no sts_endpoint",
            hint="set sts_endpoint to the URL of its STS, which is often that of its S3",
        )
    return kind.regional_sts(region, fips, dual_stack)
