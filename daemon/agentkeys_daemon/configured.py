"""What `agentkeys profiles` tells, version 1: what is configured."""

from __future__ import annotations

from typing import Any

from agentkeys.config import Config, Profile
from agentkeys.documents import DEFAULT_REGION

__all__ = ["configured_profiles"]


def configured_profiles(config: Config) -> dict[str, Any]:
    return {
        "version": 1,
        "config": config.origin,
        "default_profile": config.default_profile,
        "profiles": [_configured(profile) for profile in config.profiles.values()],
    }


def _configured(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "identity": profile.identity.name,
        "store": profile.store.name,
        "kind": profile.store.kind.name,
        "s3_endpoint": profile.store.s3_endpoint,
        "role_arn": profile.role_arn and profile.role_arn.arn,
        "region": profile.region or DEFAULT_REGION,
        "duration_seconds": int(profile.duration.total_seconds()),
        "bucket": profile.bucket,
        "prefix": profile.prefix,
        "confine": str(profile.confine),
        "break_glass": profile.is_break_glass,
    }
