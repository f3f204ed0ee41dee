"""`agentkeys login`: the broker's ways of logging in, and a session from elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click

from agentkeys.client import read_environment
from agentkeys.config import Config, ConfigSource, Identity, SandboxIdentity
from agentkeys.errors import LoginFailed, LoginRequired
from agentkeys.paths import Paths
from agentkeys.secret import Secret
from agentkeys_shell.daemon import identity_path
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.inside import check_outside
from agentkeys_shell.logging_in import by_email, by_oauth2, by_wallet
from agentkeys_shell.output import ask_json, json_option, print_json, profile_option

MAX_SESSION_CHARACTERS = 20_000


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
@click.option("--session-stdin", is_flag=True, help="Read a session JWT from standard input.")
@click.option("--no-browser", is_flag=True, help="Only print the address for --oauth2.")
@profile_option
@json_option
def command(
    identity: str | None,
    email: str | None,
    oauth2: bool,
    wallet: str | None,
    signer_command: str | None,
    session_stdin: bool,
    no_browser: bool,
    profile: str | None,
    as_json: bool,
) -> int:
    """Log in as IDENTITY, or as the profile's.

    Without an option it asks for an e-mail address.
    """
    check_outside(read_environment())
    _check_one(email=email, oauth2=oauth2, wallet=wallet, session_stdin=session_stdin)
    if signer_command and not wallet:
        raise click.UsageError("--signer-command goes with --wallet")
    target = _target(identity, profile)
    if session_stdin:
        session = _read_session()
    elif wallet:
        session = by_wallet(target, wallet, signer_command)
    elif oauth2:
        session = by_oauth2(target, browser=not no_browser)
    else:
        session = by_email(target, email or _address(target))
    document = _hand_over(target, session)
    if as_json:
        print_json(document)
    else:
        click.echo(f"logged in: {document['identity']} as {document['prefix_id']}")
        click.echo(f"until {document['session_expires_at']}; {document['kept']}")
    return 0


def offer_login(profile: str | None, environ: Mapping[str, str]) -> None:
    """Asks at the terminal whether to log in for a profile, and does.

    Raises LoginRequired when the person says no, LoginFailed and whatever the broker refuses, and
    InsideRun where no program may log in.
    """
    check_outside(environ)
    config = _config()
    target = config.profile(profile or environ.get("AGENTKEYS_PROFILE")).identity
    try:
        wanted = click.confirm(f"log in as {target.name} now?", default=True, err=True)
        if wanted:
            _hand_over(target, by_email(target, _address(target)))
    except click.Abort:
        wanted = False
    if not wanted:
        raise LoginRequired("not logged in", hint=f"run: agentkeys login {target.name}")


def _target(identity: str | None, profile: str | None) -> Identity:
    config = _config()
    of_profile = profile or read_environment().get("AGENTKEYS_PROFILE")
    if identity is None and of_profile:
        return config.profile(of_profile).identity
    return config.identity(identity)


def _config() -> Config:
    environ = read_environment()
    return ConfigSource(environ=environ, paths=Paths.from_environment(environ)).current()


def _check_one(**ways: object) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in ways.items() if value]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} do not go together")


def _address(target: Identity) -> str:
    if isinstance(target, SandboxIdentity):
        return target.email
    if not (os.isatty(0) and os.isatty(2)):
        raise LoginFailed(
            "there is no terminal to ask for an e-mail address at",
            hint="add --email ADDRESS, --oauth2, --wallet 0x… or --session-stdin",
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


def _hand_over(target: Identity, session: Secret) -> dict[str, object]:
    body = {"session_jwt": session.reveal(), "url": target.url}
    path = identity_path(target.name, None, read_environment(), "session")
    return ask_json("PUT", path, body)
