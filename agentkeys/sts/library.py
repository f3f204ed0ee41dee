"""The exchange for those who bring their own HTTP client: what to send, and what came back.

`request_body()` is POSTed to the store's STS with the Content-Type `CONTENT_TYPE`, and what comes
back goes into `parse_response(status, body, store)`. Nothing here uses the network or needs a
package beside Python's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode

from agentkeys.clock import SystemClock
from agentkeys.http_dates import parse_http_date
from agentkeys.models import RoleArn, TemporaryCredentials
from agentkeys.secret import Secret
from agentkeys.stores import StoreKind, parse_store_kind
from agentkeys.sts.answer import parse_answer
from agentkeys.sts.request import AssumeRoleRequest, check_request, form

__all__ = ["CONTENT_TYPE", "parse_response", "request_body", "request_pairs"]

CONTENT_TYPE = "application/x-www-form-urlencoded"
"""The header that goes with `request_body()`."""


def request_pairs(
    *,
    web_identity_token: str | Secret,
    store: str | StoreKind,
    role_session_name: str,
    role_arn: str | RoleArn | None = None,
    duration: timedelta | None = None,
    policy: str | Mapping[str, object] | None = None,
    policy_arns: Sequence[str] = (),
) -> list[tuple[str, str]]:
    """The form's fields with their values, the token among them in clear.

    `store` is the kind that answers: "aws", "minio", "ceph" or "seaweedfs". `duration`, of whole
    seconds, becomes DurationSeconds; None leaves it to the store. `policy` is a session policy,
    which only takes away, as JSON or what JSON is made of.

    Raises ConfigError for what this kind of store would refuse or, worse, drop in silence, and
    TokenInvalid for what is no token.
    """
    kind = _kind(store)
    request = AssumeRoleRequest(
        role_arn=RoleArn.parse(role_arn) if isinstance(role_arn, str) else role_arn,
        role_session_name=role_session_name,
        token=_secret(web_identity_token),
        duration=duration,
        policy=json.dumps(policy, separators=(",", ":")) if isinstance(policy, Mapping) else policy,
        policy_arns=tuple(policy_arns),
    )
    check_request(request, kind)
    return list(form(request).items())


def request_body(
    *,
    web_identity_token: str | Secret,
    store: str | StoreKind,
    role_session_name: str,
    role_arn: str | RoleArn | None = None,
    duration: timedelta | None = None,
    policy: str | Mapping[str, object] | None = None,
    policy_arns: Sequence[str] = (),
) -> bytes:
    """The same as the body of a POST whose Content-Type is `CONTENT_TYPE`."""
    pairs = request_pairs(
        web_identity_token=web_identity_token,
        store=store,
        role_session_name=role_session_name,
        role_arn=role_arn,
        duration=duration,
        policy=policy,
        policy_arns=policy_arns,
    )
    return urlencode(pairs, errors="replace").encode("ascii")


def parse_response(
    status: int,
    body: bytes,
    store: str | StoreKind,
    *,
    headers: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> TemporaryCredentials:
    """The credentials in an answer, whatever its status.

    With `headers`, in any spelling, Retry-After and the store's own clock count as well. `now` is
    the machine's time unless given, aware.

    Raises a leaf of StsError: StsTokenRefused where a new token may help, StsBusy where to come
    back later, StsRefused where only a person can help, StsAnswerInvalid for what is no answer of
    an STS, credentials that are over included. No error holds anything of token or credentials.
    """
    kind = _kind(store)
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    now = now or SystemClock().now()
    # What is over by our clock alone is good if it is so by the store's own.
    theirs = parse_http_date(lower.get("date", "")) or now
    return parse_answer(status, lower, body, store=kind, now=min(now, theirs)).credentials


def _kind(store: str | StoreKind) -> StoreKind:
    return parse_store_kind(store) if isinstance(store, str) else store


def _secret(token: str | Secret) -> Secret:
    return token if isinstance(token, Secret) else Secret(token)
