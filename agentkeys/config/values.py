"""What a configuration says, once it is known to be sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from agentkeys.access_rules import AccessRule
from agentkeys.config.identities import Identity
from agentkeys.config.tables import nearest
from agentkeys.errors import UnknownIdentity, UnknownProfile
from agentkeys.models import Confinement, RoleArn
from agentkeys.stores import StoreKind, sts_endpoint

__all__ = ["Config", "Profile", "Store"]


@dataclass(frozen=True, slots=True)
class Store:
    """An STS and an S3; `aws` finds its own endpoints."""

    name: str
    kind: StoreKind
    sts_endpoint: str | None
    s3_endpoint: str | None
    region: str | None
    fips: bool = False
    dual_stack: bool = False
    checksums: str | None = None
    """When AWS SDKs are to use them, `when_supported` or `when_required`; None is their default."""

    def sts_url(self, region: str) -> str:
        """Where its STS is, for a profile in `region`; raises ConfigError for what is no region."""
        return self.sts_endpoint or sts_endpoint(
            self.kind, region, fips=self.fips, dual_stack=self.dual_stack
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """The credentials that a program asks for: who, where, and as what."""

    name: str
    identity: Identity
    store: Store
    role_arn: RoleArn | None
    region: str | None
    """None where neither profile nor store names one."""
    duration: timedelta
    """What is asked of the STS; the store may give less."""
    bucket: str | None
    prefix: str | None
    """With `{wallet}`, `{omni}`, `{sub}` and `{claim:NAME}` still in place."""
    confine: Confinement
    expect_wallet: str | None
    expect_subject: str | None
    allow: tuple[AccessRule, ...] = ()
    """All that its sessions may do, if the role may; without any rule, what the role may."""
    policy: str | None = None
    """A session policy in JSON that somebody has written, instead of `allow`."""
    policy_arns: tuple[str, ...] = ()
    """Managed policies that narrow the session as well, where the store heeds them."""
    own_lease: bool = False
    """Whether each run gets credentials of its own, rather than those that the others have."""
    is_break_glass: bool = False
    """Whether only `exec --break-glass` gets credentials, for a reason that somebody gives."""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration; every profile in it refers to identities and stores that exist."""

    origin: str
    """Where it came from, for people: a path, `environment`, `sandbox` or `none`."""
    path: Path | None
    default_profile: str | None
    identities: Mapping[str, Identity]
    profiles: Mapping[str, Profile]
    idle_exit: timedelta | None = None
    """How long a daemon that nobody asks stays; None is for ever."""
    stores: Mapping[str, Store] = field(default_factory=lambda: MappingProxyType({}))
    is_audit_required: bool = False
    """Whether nobody is served while the ledger cannot be written."""

    def profile(self, name: str | None) -> Profile:
        """The named profile, or the default one; raises UnknownProfile."""
        wanted = name or self.default_profile
        if wanted is None:
            raise self._no_default()
        found = self.profiles.get(wanted)
        if found is None:
            guess = nearest(wanted, self.profiles)
            listed = ", ".join(self.profiles) or "none"
            raise UnknownProfile(
                f"there is no profile {wanted!r}",
                hint=f"did you mean {guess}?" if guess else f"configured profiles: {listed}",
            )
        return found

    def identity(self, name: str | None) -> Identity:
        """The named identity, or the default profile's; raises UnknownIdentity, UnknownProfile."""
        if name is None:
            if len(self.identities) == 1 and self.default_profile is None:
                return next(iter(self.identities.values()))
            return self.profile(None).identity
        found = self.identities.get(name)
        if found is None:
            guess = nearest(name, self.identities)
            listed = ", ".join(self.identities) or "none"
            raise UnknownIdentity(
                f"there is no identity {name!r}",
                hint=f"did you mean {guess}?" if guess else f"configured identities: {listed}",
            )
        return found

    def _no_default(self) -> UnknownProfile:
        if self.profiles:
            return UnknownProfile(
                "no profile is named and there is no default one",
                hint=f"add --profile ({', '.join(self.profiles)}) or set default_profile",
            )
        return UnknownProfile(
            "nothing is configured yet",
            hint="run: agentkeys init, or try it out with: agentkeys sandbox start",
        )
