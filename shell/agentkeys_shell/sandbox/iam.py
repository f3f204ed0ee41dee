"""What the sandbox's store is told about identities: whom it believes, and what they may do.

The wire format is SeaweedFS's IAM configuration file (`-s3.iam.config`).
"""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from typing import Any

from agentkeys.explain import Setting
from agentkeys.explain.policies import VERSION, own_prefix_statements
from agentkeys.explain.seaweedfs import iam_document
from agentkeys.stores import SEAWEEDFS

__all__ = ["ACCOUNT", "BUCKET", "ROLE_ARN", "build_iam_document", "own_prefix_policy"]

ACCOUNT = "000000000001"
BUCKET = "agentkeys"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/agentkeys-data"
_LONGEST_SESSION = SEAWEEDFS.max_duration


def build_iam_document(*, issuer: str, max_session: timedelta | None = None) -> dict[str, Any]:
    """One provider, the broker at `issuer`; one role, confined to its user's prefix.

    The key that seals sessions is a new random one each time: sessions end with the store. Sessions
    longer than `max_session` are silently shortened to it, also below the 15 minutes that a caller
    has to ask for at least.
    """
    document = iam_document(
        _setting(issuer),
        signing_key=base64.b64encode(secrets.token_bytes(32)).decode(),
        longest=_LONGEST_SESSION if max_session is None else max_session,
    )
    (role,) = document["roles"]
    (trusted,) = role["trustPolicy"]["Statement"]
    trusted["Condition"]["StringLike"] = {"oidc:sub": "agentkeys:agent:*"}
    return document


def own_prefix_policy(pattern: str) -> dict[str, Any]:
    """Allows what lies below one prefix of the bucket: `pattern` ends in `/*`.

    Its variables, such as `${jwt:sub}`, are filled in by the store from each session's token.
    """
    own = pattern.removesuffix("*")
    return {"Version": VERSION, "Statement": own_prefix_statements(_setting(issuer=""), own)}


def _setting(issuer: str) -> Setting:
    return Setting(
        profile=None,
        issuer=issuer,
        jwks_uri=f"{issuer}/.well-known/jwks.json",
        audience="sts.amazonaws.com",
        role_arn=ROLE_ARN,
        role_is_known=True,
        endpoint="",
        bucket=BUCKET,
        prefix="bots/{wallet}/",
        confine=SEAWEEDFS.default_confine,
        longest=_LONGEST_SESSION,
    )
