"""What a refusal means: by kind of store, code and words."""

from __future__ import annotations

from agentkeys.stores import Case, StoreKind
from agentkeys.stores.cases import RULES_EVERYWHERE

__all__ = ["Case", "case_of"]


def case_of(store: StoreKind, status: int, code: str, message: str) -> Case:
    """What `store` means; without a rule, 429 and 5xx are BUSY and anything else UNKNOWN."""
    words = message.lower()
    for rule in (*store.rules, *RULES_EVERYWHERE):
        if rule.fits(code, words):
            return rule.case
    return Case.BUSY if status == 429 or status >= 500 else Case.UNKNOWN
