"""What is known of an installation: from a profile, and placeholders for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from agentkeys.claims import OMNI_CLAIM, WALLET_CLAIM
from agentkeys.config import BrokerIdentity, GithubIdentity, Identity, Profile
from agentkeys.models import Confinement
from agentkeys.prefix import prefix_claims
from agentkeys.stores import StoreKind

__all__ = ["Setting", "setting_of"]

GITHUB = "https://token.actions.githubusercontent.com"
"""The issuer of the tokens of GitHub Actions, as GitHub documents it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The values that policies are made of; where nobody has said, `<what is meant>`."""

    profile: str | None
    issuer: str
    jwks_uri: str
    audience: str
    role_arn: str
    role_is_known: bool
    endpoint: str
    """Of the store's S3."""
    bucket: str
    prefix: str
    """The template, ending in a slash."""
    confine: Confinement
    longest: timedelta
    """That sessions last at most."""
    wallet: str = "<wallet>"
    subject: str | None = None
    """The `sub` that tokens must carry, where there is only one that may."""

    @property
    def issuer_name(self) -> str:
        """The issuer as conditions and provider ARNs spell it: without its scheme."""
        return self.issuer.removeprefix("https://").removeprefix("http://")

    @property
    def partition(self) -> str:
        return self.role_arn.split(":")[1]

    @property
    def account(self) -> str:
        return self.role_arn.split(":")[4]

    @property
    def role_name(self) -> str:
        return self.role_arn.rpartition("/")[2]

    @property
    def role_path(self) -> str | None:
        """The path before the role's name, None where it is the usual `/`."""
        path = self.role_arn.partition(":role/")[2].rpartition("/")[0]
        return f"/{path}/" if path else None

    @property
    def claims(self) -> tuple[str, ...]:
        """Those that the prefix is made of."""
        return prefix_claims(self.prefix)

    def value_of(self, claim: str) -> str:
        """What a claim of one user's token says."""
        known = {WALLET_CLAIM: self.wallet, OMNI_CLAIM: "<omni>", "sub": self.subject}
        return known.get(claim) or f"<{claim}>"


def setting_of(profile: Profile | None, kind: StoreKind) -> Setting:
    """What `profile` says about a store of that kind; without one, placeholders throughout."""
    confine = profile.confine if profile else kind.default_confine
    template = (profile and profile.prefix) or _usual_prefix(confine)
    known_arn = str(profile.role_arn) if profile and profile.role_arn else None
    issuer = _issuer(profile.identity if profile else None)
    return Setting(
        profile=profile.name if profile else None,
        issuer=issuer,
        jwks_uri=_jwks_uri(profile, issuer),
        audience=(profile and profile.identity.audience) or "<audience>",
        role_arn=known_arn or "arn:aws:iam::<account>:role/<role>",
        role_is_known=known_arn is not None,
        endpoint=(profile and profile.store.s3_endpoint) or "<S3 endpoint>",
        bucket=(profile and profile.bucket) or "<bucket>",
        prefix=template if template.endswith("/") else f"{template}/",
        confine=confine,
        longest=max(timedelta(hours=1), profile.duration if profile else timedelta(0)),
        wallet=(profile and profile.expect_wallet) or "<wallet>",
        subject=(profile and profile.expect_subject)
        or ("<subject>" if confine.kind == "role" else None),
    )


def _usual_prefix(confine: Confinement) -> str:
    if confine.claim and confine.claim != WALLET_CLAIM:
        return f"{{claim:{confine.claim}}}/"
    return "bots/{wallet}/"


def _issuer(identity: Identity | None) -> str:
    if isinstance(identity, GithubIdentity):
        return GITHUB
    return (identity and identity.url) or "<issuer>"


def _jwks_uri(profile: Profile | None, issuer: str) -> str:
    """A broker's keys are where its contract says; any other issuer has its own place for them."""
    if profile and isinstance(profile.identity, BrokerIdentity):
        return f"{issuer}/.well-known/jwks.json"
    return "<jwks_uri of the issuer's discovery document>"
