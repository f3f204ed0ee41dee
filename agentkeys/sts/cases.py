"""What a refusal means: by kind of store, code and words.

Codes alone do not tell. SeaweedFS and MinIO use InvalidParameterValue for a bad signature and for
a bad duration alike, AWS uses InvalidIdentityToken for keys it could not fetch, and Ceph says
AccessDenied to everything. AWS codes are those of its API reference, MinIO's those of its source,
SeaweedFS 4.48 and Ceph 16 were measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from agentkeys.stores import AWS, CEPH, MINIO, SEAWEEDFS, StoreKind

__all__ = ["Case", "case_of"]


class Case(Enum):
    """What went wrong, whatever the store calls it."""

    TOKEN_EXPIRED = auto()
    TOKEN_INVALID = auto()
    UNSAID = auto()
    """Refused without a reason; an expired token is one of the possible ones."""
    KEYS_UNREACHABLE = auto()
    BUSY = auto()
    WRONG_AUDIENCE = auto()
    UNKNOWN_PROVIDER = auto()
    NOT_TRUSTED = auto()
    CLAIM_REFUSED = auto()
    DURATION = auto()
    POLICY = auto()
    REGION_OFF = auto()
    BAD_REQUEST = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class _Rule:
    case: Case
    code: str
    words: tuple[str, ...] = ("",)
    """Lower case; one of them is in the message."""


_EVERYWHERE = (
    *(_Rule(Case.TOKEN_EXPIRED, code) for code in ("ExpiredTokenException", "ExpiredToken")),
    *(
        _Rule(Case.BUSY, code)
        for code in (
            "RequestLimitExceeded",
            "ServiceUnavailable",
            "SlowDown",
            "STSIAMNotInitialized",
            "STSNotInitialized",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        )
    ),
    *(_Rule(Case.POLICY, code) for code in ("MalformedPolicyDocument", "PackedPolicyTooLarge")),
    _Rule(Case.BAD_REQUEST, "MissingParameter"),
)

# The first rule that fits counts.
_RULES: dict[str, tuple[_Rule, ...]] = {
    AWS.name: (
        _Rule(Case.KEYS_UNREACHABLE, "InvalidIdentityToken", ("retrieve verification key",)),
        _Rule(Case.WRONG_AUDIENCE, "InvalidIdentityToken", ("audience",)),
        _Rule(Case.UNKNOWN_PROVIDER, "InvalidIdentityToken", ("no openidconnect provider",)),
        _Rule(Case.TOKEN_INVALID, "InvalidIdentityToken"),
        _Rule(Case.KEYS_UNREACHABLE, "IDPCommunicationError"),
        _Rule(Case.NOT_TRUSTED, "AccessDenied"),
        _Rule(Case.CLAIM_REFUSED, "IDPRejectedClaim"),
        _Rule(Case.DURATION, "ValidationError", ("durationseconds",)),
        _Rule(Case.BAD_REQUEST, "ValidationError"),
        _Rule(Case.REGION_OFF, "RegionDisabledException"),
    ),
    SEAWEEDFS.name: (
        _Rule(Case.KEYS_UNREACHABLE, "AccessDenied", ("failed to fetch jwks",)),
        _Rule(Case.KEYS_UNREACHABLE, "InvalidParameterValue", ("failed to fetch jwks",)),
        _Rule(Case.TOKEN_INVALID, "AccessDenied", ("validate web identity token",)),
        _Rule(Case.NOT_TRUSTED, "AccessDenied"),
        _Rule(Case.DURATION, "InvalidParameterValue", ("durationseconds",)),
        _Rule(Case.BAD_REQUEST, "InvalidParameterValue", ("rolesessionname", "sts api version")),
        _Rule(Case.TOKEN_INVALID, "InvalidParameterValue"),
    ),
    CEPH.name: (
        _Rule(Case.UNSAID, "AccessDenied"),
        _Rule(Case.DURATION, "InvalidArgument"),
    ),
    MINIO.name: (
        _Rule(Case.TOKEN_EXPIRED, "InvalidParameterValue", ("token is expired",)),
        _Rule(Case.DURATION, "InvalidParameterValue", ("durationseconds", "token expiry")),
        _Rule(Case.WRONG_AUDIENCE, "InvalidParameterValue", ("audience", "openid client id")),
        _Rule(Case.CLAIM_REFUSED, "InvalidParameterValue", ("given policies", "policy claim")),
        _Rule(Case.POLICY, "InvalidParameterValue", ("policy",)),
        _Rule(
            Case.KEYS_UNREACHABLE,
            "InvalidParameterValue",
            ("connection refused", "dial tcp", "no such host"),
        ),
        _Rule(Case.TOKEN_INVALID, "InvalidParameterValue"),
        _Rule(Case.NOT_TRUSTED, "AccessDenied"),
    ),
}


def case_of(store: StoreKind, status: int, code: str, message: str) -> Case:
    """What `store` means; without a rule, 429 and 5xx are BUSY and anything else UNKNOWN."""
    words = message.lower()
    for rule in (*_RULES[store.name], *_EVERYWHERE):
        if rule.code == code and any(word in words for word in rule.words):
            return rule.case
    return Case.BUSY if status == 429 or status >= 500 else Case.UNKNOWN
