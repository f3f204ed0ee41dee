"""The answer of an STS, which anybody between us and the store may have written."""

from __future__ import annotations

from collections.abc import Sequence

from agentkeys.errors import StsError
from agentkeys.models import RoleArn
from agentkeys.secret import Secret
from agentkeys.stores import STORE_KINDS
from agentkeys.sts.answer import parse_answer
from agentkeys.sts.request import AssumeRoleRequest
from tests.fuzz.edges.edge import Edge, hold
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.sts_samples import STS_SAMPLES

__all__ = ["STS_XML"]

_STATUSES = (200, 400, 403, 429, 500, 503, 302, 404)
_KINDS = tuple(STORE_KINDS.values())
_TOKEN = "aaaaaaaaaaaa.bbbbbbbbbbbb.cccccccccccc"
_REQUEST = AssumeRoleRequest(
    role_arn=RoleArn.parse("arn:aws:iam::111122223333:role/data"),
    role_session_name="agentkeys-run",
    token=Secret(_TOKEN),
)


def _seeds() -> Sequence[bytes]:
    """The first byte is the status and the kind of store."""
    bodies = [path.read_bytes() for path in sorted(STS_SAMPLES.glob("*.xml"))]
    return [bytes([first]) + body for body in bodies for first in (0, 10, 27)]


def _check(data: bytes) -> None:
    first, body = (data[0] if data else 0), data[1:]
    status = _STATUSES[first % len(_STATUSES)]
    store = _KINDS[first // len(_STATUSES) % len(_KINDS)]
    try:
        role = parse_answer(status, {}, body, store=store, request=_REQUEST, now=SAMPLE_NOW)
    except StsError as problem:
        shown = f"{problem.message}{problem.hint}"
        hold(shown.isprintable(), "an error that a terminal would obey")
        hold(not any(part in shown for part in _TOKEN.split(".")), "an error quotes the token")
        return
    hold(status == 200, "credentials out of a refusal")
    credentials = role.credentials
    hold(credentials.expires_at > SAMPLE_NOW, "credentials that are over")
    key = credentials.access_key_id
    hold(key.isascii() and key.replace("_", "").isalnum(), "an access key id of odd characters")
    for secret in (credentials.secret_access_key, credentials.session_token):
        hold(secret.reveal().isprintable(), "a secret that breaks a line or a variable")
        hold(" " not in secret.reveal(), "a secret with a space in it")


STS_XML = Edge("sts-xml", "answers of an STS", _seeds, _check)
