"""The login: whether there is one, whose it is, and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta

from agentkeys.clock import format_utc
from agentkeys.config import Identity
from agentkeys.doctor.finding import Finding, failed, from_error, ok, skipped, warning
from agentkeys.errors import AgentkeysError, LoginRequired, VaultError
from agentkeys.sessions import Session

__all__ = ["examine_session"]

SOON = timedelta(minutes=15)


def examine_session(
    identity: Identity,
    session: Session | None,
    *,
    problem: AgentkeysError | None,
    now: datetime,
) -> Finding:
    """`problem` is why no token could be had with it, `now` the time at whoever gave it."""
    if isinstance(problem, VaultError):
        return from_error("session", problem)
    if not identity.logs_in and identity.source != "sandbox":
        return skipped("session", f"nobody logs in as {identity.name}: its tokens need no login")
    if isinstance(problem, LoginRequired):
        return from_error("session", problem, **_facts(session))
    if session is None:
        return failed(
            "session",
            LoginRequired.code,
            f"nobody is logged in as {identity.name}",
            f"run: agentkeys login {identity.name}",
        )
    ends = session.expires_at
    if ends and ends - now < SOON and identity.logs_in and getattr(session, "device", None) is None:
        return warning(
            "session",
            "session_ends_soon",
            f"the login of {identity.name} ends at {format_utc(ends)}",
            f"run before that: agentkeys login {identity.name}",
            **_facts(session),
        )
    whose = session.subject or identity.name
    until = f" until {format_utc(ends)}" if ends else ""
    return ok("session", f"{whose} is logged in{until}", **_facts(session))


def _facts(session: Session | None) -> dict[str, str | None]:
    if session is None:
        return {}
    ends = session.expires_at
    return {"subject": session.subject, "expires_at": format_utc(ends) if ends else None}
