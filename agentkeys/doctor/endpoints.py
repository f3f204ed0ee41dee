"""Where a store's S3 is."""

from __future__ import annotations

from urllib.parse import urlsplit

from agentkeys.config import Store
from agentkeys.stores import sts_endpoint

__all__ = ["s3_endpoint"]


def s3_endpoint(store: Store, region: str) -> str:
    """As configured; beside the STS where the store finds its own, else the STS's own address.

    Raises ConfigError for what is no region.
    """
    if store.s3_endpoint:
        return store.s3_endpoint
    if store.kind.needs_endpoint or store.sts_endpoint:
        return store.sts_url(region)
    # `sts.<region>.<domain>`: S3 has the same region and domain.
    host = urlsplit(sts_endpoint(store.kind, region)).netloc.partition(".")[2]
    variants = ("-fips" if store.fips else "") + (".dualstack" if store.dual_stack else "")
    return f"https://s3{variants}.{host}"
