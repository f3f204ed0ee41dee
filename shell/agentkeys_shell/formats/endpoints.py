"""Where a store's S3 is, for clients that have to be told in any case. Imports nothing."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["is_aws", "s3_endpoint"]

_DOMAINS = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}
"""Of the partitions whose regions begin like this."""


def s3_endpoint(given: Mapping[str, str]) -> str:
    """The URL that `exec` would set, else that of AWS in the region."""
    region = given["AWS_REGION"]
    domain = _DOMAINS.get(region.partition("-")[0], "amazonaws.com")
    return given.get("AWS_ENDPOINT_URL_S3") or f"https://s3.{region}.{domain}"


def is_aws(endpoint: str) -> bool:
    """Whether it is one of AWS's own, by its host's name."""
    host = endpoint.partition("://")[2].partition("/")[0].partition(":")[0]
    return host.endswith((".amazonaws.com", *(f".{domain}" for domain in _DOMAINS.values())))
