"""Logs a person in at an OpenID Connect issuer: what is shown to them, and where."""

from __future__ import annotations

import asyncio
import sys
import webbrowser
from collections.abc import Mapping
from dataclasses import replace
from threading import Thread

import click

from agentkeys.clock import SystemClock
from agentkeys.config import OidcIdentity
from agentkeys.login.oidc import DevicePrompt, log_in
from agentkeys.oidc import Issuers, OidcClient
from agentkeys.sessions import OidcSession
from agentkeys.transport import Transport
from agentkeys_shell.durations import in_words

__all__ = ["by_issuer"]


def by_issuer(
    identity: OidcIdentity, environ: Mapping[str, str], *, browser: bool, device: bool
) -> OidcSession:
    """Waits until the person is done; `browser` allows to open one, `device` asks for a code.

    Raises LoginFailed, IssuerInvalid, IssuerRefused, IssuerUnreachable, SourceFailed.
    """
    if device:
        identity = replace(identity, flow="device")
    opens = browser and _has_browser(environ)
    return asyncio.run(_log_in(identity, environ, opens=opens))


async def _log_in(
    identity: OidcIdentity, environ: Mapping[str, str], *, opens: bool
) -> OidcSession:
    clock = SystemClock()
    async with Transport(clock=clock).trusting(identity.ca_file) as transport:
        issuers = Issuers(transport=transport, clock=clock)
        client = OidcClient(
            settings=identity, issuers=issuers, transport=transport, environ=environ
        )
        person = _AtTerminal(opens=opens)
        return await log_in(client, identity, person=person, clock=clock, has_browser=opens)


class _AtTerminal:
    """Tells on standard error, which stays a person's where the answer is piped."""

    def __init__(self, *, opens: bool) -> None:
        self._opens = opens

    def visit(self, url: str) -> None:
        click.echo(f"log in at {url}", err=True)
        if self._opens:
            # One in the terminal keeps its caller until it is left, and we have an answer to await.
            Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    def enter_code(self, prompt: DevicePrompt) -> None:
        click.echo(f"open {prompt.verification_uri}", err=True)
        click.echo(f"and enter the code {prompt.user_code}", err=True)
        if prompt.complete_uri:
            click.echo(f"or open {prompt.complete_uri}", err=True)
        click.echo(f"waiting; the code is good for {in_words(prompt.lifetime)}", err=True)


def _has_browser(environ: Mapping[str, str]) -> bool:
    """Whether a page that is opened here is one that the person sees."""
    if environ.get("BROWSER"):
        return True
    if environ.get("SSH_CONNECTION"):
        return False
    if sys.platform == "darwin":
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
