"""Where the broker's parts meet, and the server that runs them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import uvicorn

from agentkeys.clock import Clock, SystemClock
from agentkeys_shell.sandbox.broker.agents import Agents
from agentkeys_shell.sandbox.broker.app import App
from agentkeys_shell.sandbox.broker.audit import AuditLog
from agentkeys_shell.sandbox.broker.email_link import EmailLogin
from agentkeys_shell.sandbox.broker.health import Health
from agentkeys_shell.sandbox.broker.links import WalletLinks
from agentkeys_shell.sandbox.broker.logins import PendingLogins
from agentkeys_shell.sandbox.broker.mint import Mint
from agentkeys_shell.sandbox.broker.oauth2 import CALLBACK_PATH, OAuth2Login
from agentkeys_shell.sandbox.broker.oidc import OidcTokens
from agentkeys_shell.sandbox.broker.pairing import Pairing
from agentkeys_shell.sandbox.broker.provider import PretendProvider
from agentkeys_shell.sandbox.broker.sessions import Sessions
from agentkeys_shell.sandbox.broker.signer import Signer
from agentkeys_shell.sandbox.broker.siwe import WalletLogin

__all__ = ["Settings", "build_app", "serve"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a broker can be told."""

    issuer: str
    folder: Path
    """Where `audit.sqlite` is."""
    follow_links: bool
    links_per_hour: int
    """To one address, in one clock hour."""
    session_lifetime: timedelta
    session_leeway: timedelta
    token_lifetime: timedelta
    audience: str
    register_agents: bool
    """As soon as they are claimed, as if their owners had been on the chain at once."""


def build_app(
    settings: Settings, *, clock: Clock, audit: AuditLog, send: Callable[[str], None]
) -> App:
    """The whole broker. `send` is given each mail, as one line of text."""
    issuer = settings.issuer
    sessions = Sessions(
        issuer=issuer,
        lifetime=settings.session_lifetime,
        leeway=settings.session_leeway,
        clock=clock,
    )
    tokens = OidcTokens(
        issuer=issuer, audience=settings.audience, lifetime=settings.token_lifetime, clock=clock
    )
    agents = Agents(register_at_once=settings.register_agents)
    logins = PendingLogins(clock)
    provider = PretendProvider(issuer=issuer, callback=f"{issuer}{CALLBACK_PATH}", clock=clock)
    parts = (
        Health(tokens=tokens),
        Mint(sessions=sessions, agents=agents, tokens=tokens, audit=audit, clock=clock),
        EmailLogin(
            issuer=issuer,
            sessions=sessions,
            logins=logins,
            clock=clock,
            send=send,
            follow_links=settings.follow_links,
            links_per_hour=settings.links_per_hour,
        ),
        OAuth2Login(provider=provider, sessions=sessions, logins=logins, clock=clock),
        provider,
        WalletLogin(issuer=issuer, sessions=sessions, clock=clock),
        WalletLinks(sessions=sessions, clock=clock),
        Signer(sessions=sessions),
        Pairing(sessions=sessions, agents=agents, clock=clock),
    )
    return App([route for part in parts for route in part.routes()])


def serve(settings: Settings, listener: socket.socket) -> None:
    """Answers on `listener` until a signal ends it."""
    audit = AuditLog(settings.folder / "audit.sqlite")
    try:
        app = build_app(settings, clock=SystemClock(), audit=audit, send=_print_mail)
        # No access log: a request id in a path is as secret as the session it yields.
        config = uvicorn.Config(
            app,
            lifespan="off",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=2,
        )
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        audit.close()


def _print_mail(line: str) -> None:
    print(line, flush=True)
