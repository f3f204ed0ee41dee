"""What `status` and `whoami` tell of an identity: who it is, and how its session stands."""

from __future__ import annotations

from typing import Any

from agentkeys.clock import format_utc
from agentkeys.config import GithubIdentity, Identity, Profile
from agentkeys.keeper import Keeper
from agentkeys.leases import Lease
from agentkeys.sessions import Session
from agentkeys_daemon.app import App
from agentkeys_daemon.facts import seconds, words_of

__all__ = ["IdentityView"]


class IdentityView:
    """From memory alone; holds no secret."""

    def __init__(self, app: App) -> None:
        self._app = app

    def whoami(
        self, identity: Identity, profile: Profile | None, lease: Lease | None
    ) -> dict[str, Any]:
        """Who is logged in as `identity`; `profile` is whose role is told, with its lease."""
        session = self._session(identity)
        subject = self.subject(identity)
        claim = profile and profile.confine.claim
        return {
            "version": 1,
            "identity": identity.name,
            "source": identity.source,
            "subject": subject,
            "wallet": session and session.wallet,
            "omni": session and session.omni,
            "prefix_id": (lease.claims.get(claim) if lease and claim else None) or subject,
            "session_expires_at": _ends(session),
            "role_arn": profile and profile.role_arn and profile.role_arn.arn,
        }

    def facts(self, identity: Identity) -> dict[str, Any]:
        keeper = self._app.identities.keeper(identity)
        session = self._session(identity)
        return {
            "name": identity.name,
            "source": identity.source,
            "url": identity.url,
            "subject": self.subject(identity),
            "wallet": session and session.wallet,
            "omni": session and session.omni,
            "session": self._session_state(identity, keeper),
            "session_expires_at": _ends(session),
            "clock_skew_seconds": seconds(self._app.times.skew(identity.url)),
            "vault_error": words_of(keeper.trouble),
        }

    def subject(self, identity: Identity) -> str | None:
        """What names its user to people, as far as that is known."""
        session = self._session(identity)
        if session and session.subject:
            return session.subject
        if identity.logs_in or isinstance(identity, GithubIdentity):
            return None  # whom a job's tokens name, nobody asks before one is needed
        # Of the other sources it is the issuer, and whom that calls by which name.
        held = self._app.identities.of(identity).source.held_subject()
        return held.partition(" ")[2] or None if held else None

    def _session(self, identity: Identity) -> Session | None:
        """The one in memory, unless it is from before the identity's settings have changed."""
        session = self._app.identities.keeper(identity).held_session
        if session is None:
            return None
        # Its source knows which sessions it would use.
        source = self._app.identities.of(identity).source
        return session if source.held_subject() == session.owner else None

    def _session_state(self, identity: Identity, keeper: Keeper) -> str:
        session = self._session(identity)
        if not identity.logs_in and identity.source != "sandbox":
            return "not_needed"
        if session is None:
            return "none" if keeper.is_loaded else "unknown"
        if keeper.is_over(session):
            return "expired"
        return "refused" if keeper.is_refused else "live"


def _ends(session: Session | None) -> str | None:
    return format_utc(session.expires_at) if session and session.expires_at else None
