"""What `status` and `whoami` tell, version 1: from memory alone, without network or keyring."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from agentkeys import __version__
from agentkeys.audit import Link
from agentkeys.clock import format_utc
from agentkeys.config import Config, Identity, Profile
from agentkeys.errors import AgentkeysError
from agentkeys.hardening import Hardening
from agentkeys.leases import Lease, assess
from agentkeys.prefix import render_prefix
from agentkeys.protocol import PROTOCOL_VERSION
from agentkeys_daemon.app import App
from agentkeys_daemon.facts import seconds, words_of
from agentkeys_daemon.identity_view import IdentityView
from agentkeys_daemon.last_errors import LastError
from agentkeys_daemon.notices import Notice, broker_clock, short_session, store_clock
from agentkeys_daemon.process_figures import open_descriptors, resident_bytes
from agentkeys_daemon.runs.run import Run

__all__ = ["StatusView"]


class StatusView:
    """Renders the daemon's state; holds no secret, shows the last four characters of a key."""

    def __init__(
        self, *, app: App, started_at: datetime, socket: str, hardening: Hardening
    ) -> None:
        self._app = app
        self._hardening = hardening
        self._started_at = started_at
        self._socket = socket
        self._instance = secrets.token_hex(8)
        self.identities = IdentityView(app)
        """The same of each identity."""

    def health(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "protocol": PROTOCOL_VERSION,
            "pid": os.getpid(),
            "instance": self._instance,
            "started_at": format_utc(self._started_at),
            "socket": self._socket,
            "vault": self._app.opened.vault.kind,
            "resident_bytes": resident_bytes(),
            "open_descriptors": open_descriptors(),
            "hardening": self._hardening.as_claims(),
        }

    def status(
        self,
        only: Profile | None = None,
        *,
        of: Identity | None = None,
        mismatch: AgentkeysError | None = None,
        inside: Run | None = None,
    ) -> dict[str, Any]:
        """The whole document, or what concerns one profile, or all `of` one identity.

        `inside` a run, with its own lease.

        A broken configuration, or a client with other settings, is told in it and hides nothing
        else.
        """
        config, problem = self._config()
        profiles, identities = _chosen(config, only, of)
        return {
            "version": 1,
            "daemon": {
                **self.health(),
                "vault_detail": self._app.opened.detail,
                "ledger_error": words_of(self._app.records.trouble),
                "config": config.origin if config else None,
                "endpoint_port": self._app.runs.endpoint.port,
                "endpoint_error": words_of(self._app.runs.trouble),
                "config_error": words_of(mismatch or problem),
            },
            "default_profile": config.default_profile if config else None,
            "identities": [self.identities.facts(identity) for identity in identities],
            "profiles": [self._profile(profile, inside) for profile in profiles],
            "runs": self.runs(profiles if only or of else None),
            "notices": [asdict(notice) for notice in self._notices(identities, profiles)],
        }

    def ledger(self) -> dict[str, Any]:
        """How far the ledger goes, and up to where that is kept elsewhere."""
        ledger, head = self._app.ledger, self._app.ledger_head
        return {
            "version": 1,
            "head": _link(ledger.link),
            "kept_head": _link(head.kept),
            "kept_in": head.kept_in,
            "head_error": words_of(head.trouble),
            "waiting": ledger.waiting_count,
        }

    def runs(self, only: Collection[Profile] | None = None) -> list[dict[str, Any]]:
        """The programs under exec, of some profiles or of all."""
        names = None if only is None else {profile.name for profile in only}
        runs = [run for run in self._app.runs.all if names is None or run.profile in names]
        return [self._run(run) for run in runs]

    def _config(self) -> tuple[Config | None, AgentkeysError | None]:
        try:
            return self._app.config, None
        except AgentkeysError as problem:
            return None, problem

    def _profile(self, profile: Profile, inside: Run | None) -> dict[str, Any]:
        lease = self._app.runs.held(inside) if inside else self.held(profile)
        return {
            "name": profile.name,
            "identity": profile.identity.name,
            "subject": self.identities.subject(profile.identity),
            "store": profile.store.name,
            "role_arn": profile.role_arn and profile.role_arn.arn,
            "bucket": profile.bucket,
            "prefix": lease and _prefix(profile, lease),
            "break_glass": profile.is_break_glass,
            **self._lease(
                lease, is_used=lease is not None and (inside is not None or self._is_used(profile))
            ),
            "clock_skew_seconds": seconds(self._app.leases.skew(profile)),
            "last_error": _last_error(self._app.last_errors.of(profile)),
        }

    def _run(self, run: Run) -> dict[str, Any]:
        held, until = self._app.runs.held(run), run.break_glass_until
        ends = held.credentials.expires_at if held else until
        return {
            "id": run.id,
            "profile": run.profile,
            "subject": run.subject,
            "program": run.program,
            "pid": run.process.pid,
            "state": "forgotten" if run.is_forgotten else "live",
            "started_at": format_utc(run.started_at),
            "door": run.door,
            "lease": "own" if run.has_own_lease else "shared",
            "allow": [str(rule) for rule in run.allow] or None,
            "read_only": run.reads_only,
            "expires_at": ends and format_utc(ends),
            "expires_in_seconds": self._until(until) if until else self._left(held),
        }

    def _lease(self, lease: Lease | None, *, is_used: bool) -> dict[str, Any]:
        clock = self._app.clock
        credentials = lease and lease.credentials
        return {
            "state": assess(lease, clock).value if lease else "none",
            "key_ending": credentials and credentials.key_ending,
            "expires_at": credentials and format_utc(credentials.expires_at),
            "expires_in_seconds": self._left(lease),
            "refresh_at": format_utc(lease.refresh_at) if lease and is_used else None,
        }

    def _left(self, lease: Lease | None) -> int | None:
        """Right whatever our clock says."""
        return seconds(max(lease.remaining(self._app.clock), timedelta(0))) if lease else None

    def _until(self, end: datetime) -> int | None:
        return seconds(max(end - self._app.clock.now(), timedelta(0)))

    def _notices(
        self, identities: Iterable[Identity], profiles: Iterable[Profile]
    ) -> Iterator[Notice]:
        times = self._app.times
        found = [broker_clock(identity, times.skew(identity.url)) for identity in identities]
        for profile in profiles:
            found.append(store_clock(profile, self._app.leases.skew(profile)))
            found.append(short_session(profile, self.held(profile)))
        return filter(None, found)

    def _is_used(self, profile: Profile) -> bool:
        return self._app.leases.is_used(self._app.leases.terms(profile))

    def held(self, profile: Profile) -> Lease | None:
        """The lease that its programs share; None where there is none or nobody can tell."""
        try:
            return self._app.leases.held(self._app.leases.terms(profile))
        except AgentkeysError:
            return None


def _chosen(
    config: Config | None, only: Profile | None, of: Identity | None
) -> tuple[list[Profile], list[Identity]]:
    if only:
        return [only], [only.identity]
    if config is None:
        return [], []
    if of:
        return [p for p in config.profiles.values() if p.identity == of], [of]
    return list(config.profiles.values()), list(config.identities.values())


def _link(link: Link | None) -> dict[str, Any] | None:
    return asdict(link) if link and link.seq else None


def _prefix(profile: Profile, lease: Lease) -> str | None:
    try:
        return profile.prefix and render_prefix(profile.prefix, lease.claims)
    except AgentkeysError:
        return None


def _last_error(last: LastError | None) -> dict[str, str] | None:
    if last is None:
        return None
    return {
        "code": last.code,
        "message": last.message,
        "hint": last.hint,
        "at": format_utc(last.at),
    }
