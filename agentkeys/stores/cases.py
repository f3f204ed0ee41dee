"""What a refusal of an STS can mean, and the rules by which its code and words tell.

Codes alone do not tell: the same one is a bad signature at one store and a bad duration at another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["RULES_EVERYWHERE", "Case", "Rule"]


class Case(Enum):
    """What went wrong, whatever the store calls it."""

    TOKEN_EXPIRED = auto()
    TOKEN_INVALID = auto()
    NOT_YET_VALID = auto()
    KEY_UNKNOWN = auto()
    """The issuer's published keys, as the store has them, lack the token's."""
    UNSAID = auto()
    """Refused without a reason; an expired token is one of the possible ones."""
    KEYS_UNREACHABLE = auto()
    BUSY = auto()
    WRONG_AUDIENCE = auto()
    UNKNOWN_PROVIDER = auto()
    NOT_TRUSTED = auto()
    TAG_SESSION = auto()
    """The token has session tags, and the role's trust policy does not allow them."""
    ROLE_UNKNOWN = auto()
    CLAIM_REFUSED = auto()
    DURATION = auto()
    POLICY = auto()
    REGION_OFF = auto()
    BAD_REQUEST = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """A refusal with this code and one of these words is this case; the first that fits counts."""

    case: Case
    code: str
    words: tuple[str, ...] = ("",)
    """Lower case; one of them is in the message."""

    def fits(self, code: str, words: str) -> bool:
        """Whether it is about that refusal; `words` are its message in lower case."""
        return self.code == code and any(each in words for each in self.words)


RULES_EVERYWHERE = (
    *(Rule(Case.TOKEN_EXPIRED, code) for code in ("ExpiredTokenException", "ExpiredToken")),
    *(
        Rule(Case.BUSY, code)
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
    *(Rule(Case.POLICY, code) for code in ("MalformedPolicyDocument", "PackedPolicyTooLarge")),
    Rule(Case.BAD_REQUEST, "MissingParameter"),
)
"""What these codes mean at any store that has no rule of its own for them."""
