"""What sessions of either kind are made of: credentials that refresh, and nothing from around."""

from __future__ import annotations

import os
from collections.abc import Callable
from inspect import signature
from typing import Any, TypeVar

from botocore.credentials import CredentialResolver
from botocore.session import Session

from agentkeys.clock import Clock
from agentkeys.served import ServedCredentials

__all__ = ["METHOD", "SESSION_VARIABLES", "cut_off", "refreshable", "with_endpoint"]

T = TypeVar("T")

METHOD = "agentkeys"
"""What botocore calls this source of credentials."""

SESSION_VARIABLES: dict[str, Any] = {"profile": (None, None, None, None)}
"""For the session's constructor: no variable names a profile, one that does not exist included."""

_ADVISORY = 15 * 60
"""Seconds; with less left, one caller asks before its call while the others go on."""
_MANDATORY = 60
"""Seconds; with less left, the others wait for it. Longer would only have them wait for nothing:
what the daemon serves is good, and a failure fails no call before the end."""

_CREATE_CLIENT = signature(Session.create_client)


def cut_off(session: Session, credentials: CredentialResolver) -> None:
    """Leaves `session` this one source of credentials, no file and no endpoint but its own."""
    session.set_config_variable("config_file", os.devnull)
    session.set_config_variable("credentials_file", os.devnull)
    session.set_config_variable("ignore_configured_endpoint_urls", True)
    session.register_component("credential_provider", credentials)


def with_endpoint(
    served: ServedCredentials, arguments: tuple[Any, ...], options: dict[str, Any]
) -> dict[str, Any]:
    """All arguments of a `create_client` by name, with the store's endpoint where none is given.

    Whatever the service: keys of a store of one's own must not be shown to AWS, and MinIO and Ceph
    have STS, IAM and SNS at the same address.
    """
    named = _CREATE_CLIENT.bind(None, *arguments, **options).arguments
    del named["self"]
    if named.get("endpoint_url") is None:
        named["endpoint_url"] = served.endpoint_url
    return named


def refreshable(
    kind: Callable[..., T], served: ServedCredentials, refresh: Callable[[], object], clock: Clock
) -> T:
    """The first credentials as an object of a botocore `kind` that asks `refresh` for the next."""
    return kind(
        served.access_key_id,
        served.secret_access_key.reveal(),
        served.session_token.reveal(),
        served.expires_at,
        refresh_using=refresh,
        method=METHOD,
        time_fetcher=clock.now,
        advisory_timeout=_ADVISORY,
        mandatory_timeout=_MANDATORY,
    )
