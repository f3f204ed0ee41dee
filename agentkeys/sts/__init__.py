"""AssumeRoleWithWebIdentity on AWS, MinIO, Ceph and SeaweedFS.

`form` and `parse_answer` need no network, for those who bring their own HTTP client;
`StsClient` does the whole call.
"""

from agentkeys.sts.answer import parse_answer
from agentkeys.sts.client import StsClient
from agentkeys.sts.refusals import Audiences
from agentkeys.sts.request import AssumeRoleRequest, check_request, form
from agentkeys.sts.session_name import role_session_name

__all__ = [
    "AssumeRoleRequest",
    "Audiences",
    "StsClient",
    "check_request",
    "form",
    "parse_answer",
    "role_session_name",
]
