"""The kinds of store we serve: one description each, with all that sets their STS and S3 apart.

No other module asks for a store by its name: a difference that matters to somebody is a field.
"""

from __future__ import annotations

import difflib

from agentkeys.errors import ConfigError
from agentkeys.stores.aws import AWS
from agentkeys.stores.cases import Case
from agentkeys.stores.ceph import CEPH
from agentkeys.stores.endpoints import sts_endpoint
from agentkeys.stores.kind import StoreKind
from agentkeys.stores.minio import MINIO
from agentkeys.stores.seaweedfs import SEAWEEDFS
from agentkeys.stores.token_needs import check_token_form, spell_algorithms

__all__ = [
    "AWS",
    "CEPH",
    "MINIO",
    "SEAWEEDFS",
    "STORE_KINDS",
    "Case",
    "StoreKind",
    "check_token_form",
    "parse_store_kind",
    "spell_algorithms",
    "sts_endpoint",
]

STORE_KINDS = {kind.name: kind for kind in (AWS, MINIO, CEPH, SEAWEEDFS)}


def parse_store_kind(name: str) -> StoreKind:
    """The kind called `name`; raises ConfigError with the nearest known one."""
    if kind := STORE_KINDS.get(name):
        return kind
    near = difflib.get_close_matches(name.lower(), STORE_KINDS, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"use one of {', '.join(STORE_KINDS)}"
    raise ConfigError(f"{name!r} is not a kind of store", hint=hint)
