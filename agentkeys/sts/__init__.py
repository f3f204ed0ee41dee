"""AssumeRoleWithWebIdentity on AWS, MinIO, Ceph and SeaweedFS.

A small library on its own (docs/sts.md): `request_body` and `parse_response` go around the call of
any HTTP client, and importing them imports nothing but Python's own. `StsClient` does the whole
call, as the daemon does.
"""

from agentkeys.errors import StsError
from agentkeys.models import TemporaryCredentials
from agentkeys.sts.answer import parse_answer
from agentkeys.sts.library import CONTENT_TYPE, parse_response, request_body, request_pairs
from agentkeys.sts.refusals import Audiences
from agentkeys.sts.request import AssumeRoleRequest, check_request, form
from agentkeys.sts.session_name import role_session_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentkeys.sts.client import StsClient

__all__ = [
    "CONTENT_TYPE",
    "AssumeRoleRequest",
    "Audiences",
    "StsClient",
    "StsError",
    "TemporaryCredentials",
    "check_request",
    "form",
    "parse_answer",
    "parse_response",
    "request_body",
    "request_pairs",
    "role_session_name",
]


def __getattr__(name: str) -> object:
    """`StsClient` brings a transport with it, which others have no use for."""
    if name != "StsClient":
        raise AttributeError(f"module 'agentkeys.sts' has no attribute {name!r}")
    from agentkeys.sts.client import StsClient  # noqa: PLC0415 - see above

    globals()[name] = StsClient
    return StsClient
