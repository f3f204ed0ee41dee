"""`agentkeys login`: at a broker or an issuer, or with a session from elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from agentkeys.client import read_environment
from agentkeys.config import (
    BrokerIdentity,
    Config,
    ConfigSource,
    Identity,
    OidcIdentity,
    SandboxIdentity,
)
from agentkeys.errors import LoginFailed, LoginRequired
from agentkeys.paths import Paths
from agentkeys.secret import Secret
from agentkeys_shell.daemon import identity_path
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.inside import check_outside
from agentkeys_shell.issuer_login import by_issuer
from agentkeys_shell.logging_in import by_email, by_oauth2, by_wallet
from agentkeys_shell.output import ask_json, json_option, print_json, profile_option
from agentkeys_shell.pairing import by_pairing

MAX_SESSION_CHARACTERS = 20_000
_AT_BROKER = ("email", "oauth2", "wallet", "pair", "session_stdin")
_AT_ISSUER = ("device",)


@click.command(
    "login",
    epilog="The signer command gets the message to sign on its standard input and prints the "
    "signature (65 bytes in hex, EIP-191).",
)
@click.argument("identity", required=False, callback=refuse_empty)
@click.option("--email", metavar="ADDRESS", help="Log in by a link in an e-mail.")
@click.option("--oauth2", is_flag=True, help="Log in at the broker's OAuth2 provider.")
@click.option("--wallet", metavar="0x…", help="Log in with a wallet of your own (SIWE).")
@click.option("--signer-command", metavar="COMMAND", help="What signs for --wallet.")
@click.option("--pair", is_flag=True, help="Show a code with which an owner adopts this agent.")
@click.option("--session-stdin", is_flag=True, help="Read a session JWT from standard input.")
@click.option("--device", is_flag=True, help="Log in at an issuer with a code, on any device.")
@click.option("--no-browser", is_flag=True, help="Open no browser; print where to go.")
@profile_option
@json_option
def command(
    identity: str | None,
    profile: str | None,
    as_json: bool,
    no_browser: bool,
    **ways: Any,
) -> int:
    """Log in as IDENTITY, or as the profile's.

    At an OpenID Connect issuer it opens a browser, or shows a code where there is none. At a broker
    it asks for an e-mail address, unless an option says otherwise.
    """
    check_outside(read_environment())
    _check_ways(ways)
    target = _target(identity, profile)
    _check_fit(target, ways)
    document = _log_in(target, ways, browser=not no_browser)
    if as_json:
        print_json(document)
        return 0
    click.echo(f"logged in: {document['identity']} as {document['prefix_id']}")
    ends = document["session_expires_at"]
    click.echo(f"until {ends}; {document['kept']}" if ends else document["kept"])
    return 0


def offer_login(profile: str | None, environ: Mapping[str, str]) -> None:
    """Asks at the terminal whether to log in for a profile, and does.

    Raises LoginRequired when the person says no, LoginFailed and whatever the broker or the issuer
    refuses, and InsideRun where no program may log in.
    """
    check_outside(environ)
    config = _config()
    target = config.profile(profile or environ.get("AGENTKEYS_PROFILE")).identity
    try:
        wanted = click.confirm(f"log in as {target.name} now?", default=True, err=True)
        if wanted:
            _log_in(target, {}, browser=True)
    except click.Abort:
        wanted = False
    if not wanted:
        raise LoginRequired("not logged in", hint=f"run: agentkeys login {target.name}")


def _log_in(target: Identity, ways: Mapping[str, Any], *, browser: bool) -> dict[str, Any]:
    """What the daemon says to it."""
    if isinstance(target, OidcIdentity):
        by_code = bool(ways.get("device"))
        session = by_issuer(target, read_environment(), browser=browser, device=by_code)
        return _hand_over(target, {"oidc": session.to_document()})
    if not isinstance(target, BrokerIdentity):
        # It says how tokens come from there.
        return _hand_over(target, {})
    if ways.get("pair"):
        jwt, device = by_pairing(target)
        paired = {"session_jwt": jwt.reveal(), "url": target.url, "device": device.to_document()}
        return _hand_over(target, paired)
    jwt = _at_broker(target, ways, browser=browser)
    return _hand_over(target, {"session_jwt": jwt.reveal(), "url": target.url})


def _at_broker(target: BrokerIdentity, ways: Mapping[str, Any], *, browser: bool) -> Secret:
    """A session JWT."""
    if ways.get("session_stdin"):
        return _read_session()
    if ways.get("wallet"):
        return by_wallet(target, ways["wallet"], ways["signer_command"])
    if ways.get("oauth2"):
        return by_oauth2(target, browser=browser)
    return by_email(target, ways.get("email") or _address(target))


def _target(identity: str | None, profile: str | None) -> Identity:
    config = _config()
    of_profile = profile or read_environment().get("AGENTKEYS_PROFILE")
    if identity is None and of_profile:
        return config.profile(of_profile).identity
    return config.identity(identity)


def _config() -> Config:
    environ = read_environment()
    return ConfigSource(environ=environ, paths=Paths.from_environment(environ)).current()


def _check_ways(ways: Mapping[str, Any]) -> None:
    given = [_spelled(name) for name in (*_AT_BROKER, *_AT_ISSUER) if ways[name]]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} do not go together")
    if ways["signer_command"] and not ways["wallet"]:
        raise click.UsageError("--signer-command goes with --wallet")


def _check_fit(target: Identity, ways: Mapping[str, Any]) -> None:
    fitting = _AT_BROKER if isinstance(target, BrokerIdentity) else _AT_ISSUER
    for name in (*_AT_BROKER, *_AT_ISSUER):
        if ways[name] and name not in fitting:
            raise click.UsageError(
                f"{_spelled(name)} is not for {target.name}, whose source is {target.source}"
            )


def _spelled(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _address(target: BrokerIdentity) -> str:
    if isinstance(target, SandboxIdentity):
        return target.email
    if not (os.isatty(0) and os.isatty(2)):
        raise LoginFailed(
            "there is no terminal to ask for an e-mail address at",
            hint="add --email ADDRESS, --oauth2, --wallet 0x…, --pair or --session-stdin",
        )
    address: str = click.prompt("e-mail address", err=True)
    return address


def _read_session() -> Secret:
    if os.isatty(0):
        return Secret(click.prompt("session JWT", hide_input=True, err=True).strip())
    # As bytes: what is no text at all is refused like any other garbage. A closed one is None.
    piped = sys.stdin.buffer.read(MAX_SESSION_CHARACTERS + 1) if sys.stdin else b""
    text = piped.decode("ascii", "replace").strip()
    if not text or len(text) > MAX_SESSION_CHARACTERS:
        raise LoginFailed(
            "standard input holds no session JWT", hint="pipe the session_jwt of a login into it"
        )
    return Secret(text)


def _hand_over(target: Identity, document: Mapping[str, Any]) -> dict[str, Any]:
    return ask_json(
        "PUT", identity_path(target.name, None, read_environment(), "session"), document
    )
