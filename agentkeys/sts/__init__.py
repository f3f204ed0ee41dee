"""AssumeRoleWithWebIdentity on AWS, MinIO, Ceph and SeaweedFS.

A small library on its own (docs/sts.md): `request_body` and `parse_response` go around the call of
any HTTP client, and importing them imports nothing but Python's own.
"""

from agentkeys.errors import StsError
from agentkeys.models import TemporaryCredentials
from agentkeys.sts.library import CONTENT_TYPE, parse_response, request_body, request_pairs
from agentkeys.sts.session_name import role_session_name

__all__ = [
    "CONTENT_TYPE",
    "StsError",
    "TemporaryCredentials",
    "parse_response",
    "request_body",
    "request_pairs",
    "role_session_name",
]
