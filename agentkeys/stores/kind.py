"""What a description of a kind of store says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from agentkeys.models import Confinement
from agentkeys.stores.cases import Rule

__all__ = ["StoreKind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreKind:
    """What every store of one kind has in common."""

    name: str
    title: str
    """The name as its makers write it."""

    # Where its STS is, and what that takes.

    regional_sts: Callable[[str, bool, bool], str] | None = None
    """The URL of the STS of a region, with FIPS, with dual-stack; None where it can be anywhere,
    so that the configuration must say where."""
    needs_role_arn: bool
    takes_policy: bool
    """Where not, a session policy would be dropped in silence and the session come out too wide."""
    takes_policy_arns: bool
    """Where not, PolicyArns would be dropped in silence and the session come out too wide."""
    min_duration: timedelta
    """The least DurationSeconds that is not refused."""
    max_duration: timedelta
    """The greatest; a role, or the server's settings, may allow less."""
    clamps_duration: bool
    """Whether a session longer than the role or the server allows is shortened in silence, rather
    than refused."""

    # What it asks of a web identity token.

    algorithms: frozenset[str]
    """By which it can be signed, as JWTs name them."""
    needs_key_id: bool
    """Whether the token's header must name its key (`kid`)."""

    needs_certificates: bool = False
    """Whether it reads a published key by its certificate (`x5c`) alone, and of the keys of an
    issuer none but the first."""
    reads_audiences: str = "any"
    """Which of a token's several audiences it looks at: `any`, the `first`, or `one` where its
    policies want it to be the only one."""
    tells_without_role: bool = False
    """Whether it checks the token even where a request names no role, so that its answer tells a
    refused token from a role that trusts somebody else."""

    # How it keeps a user to what is theirs.

    default_confine: Confinement
    """Unless the profile says otherwise."""
    tag_variable: str | None = None
    """How its policies write the session tag `NAME` in a resource; None where they cannot."""
    claim_variable: str | None = None
    """How its policies write the claim `NAME` in a resource; None where they cannot."""
    policy_claims: frozenset[str] | None = None
    """The only claims that its policies can read; None for any at the token's top."""

    # How it refuses.

    rules: tuple[Rule, ...]
    """What its refusals mean; those that hold everywhere come after them."""
    dead_session: str
    """The code of its S3 for a session that has expired or was ended."""

    @property
    def needs_endpoint(self) -> bool:
        """Whether the configuration has to say where its STS is."""
        return self.regional_sts is None
