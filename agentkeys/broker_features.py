"""Which generation of brokers one is of, as far as its discovery document tells.

There is no version endpoint. Source: the broker's client contract, generations: g1 (April 2026) has
no discovery, g2 (5 May) no session tags, g3 and g4 (7 and 8 May) no omni, g5 (19 May) has both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentkeys.claims import AWS_TAGS_CLAIM, OMNI_CLAIM, WALLET_CLAIM

__all__ = ["WANTED", "BrokerFeatures"]

WANTED = "ask its operator for a broker of June 2026 or later"
"""What helps against any that is too old."""


@dataclass(frozen=True, slots=True)
class BrokerFeatures:
    """What a broker says that its tokens hold."""

    has_discovery: bool
    has_tags: bool = False
    has_omni: bool = False
    is_broker: bool = True
    """Whether what answers is an agentKeys broker at all."""

    @classmethod
    def of(cls, discovery: Mapping[str, Any] | None) -> BrokerFeatures:
        """From the discovery document; None stands for a broker that has none."""
        if discovery is None:
            return cls(has_discovery=False)
        listed = discovery.get("claims_supported")
        claims = listed if isinstance(listed, list) else []
        return cls(
            has_discovery=True,
            has_tags=AWS_TAGS_CLAIM in claims,
            has_omni=OMNI_CLAIM in claims,
            is_broker=WALLET_CLAIM in claims,
        )

    @property
    def generation(self) -> str:
        """For people, with the dates that an operator knows."""
        if not self.is_broker:
            return "no agentKeys broker, by its discovery document"
        if not self.has_discovery:
            return "of April 2026 (generation g1)"
        if not self.has_tags:
            return "of 5 May 2026 (generation g2)"
        if not self.has_omni:
            return "of 7 to 18 May 2026 (generation g3 or g4)"
        return "of 19 May 2026 or later (generation g5 or newer)"
