"""`python -I -m agentkeys_shell.sandbox.broker --port N --folder DIR`: runs the broker."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from agentkeys.errors import AgentkeysError
from agentkeys_shell.sandbox.broker.ethereum import check_installed, preload

_BACKLOG = 512


def main() -> int:
    """Serves until SIGTERM. The first line of output is the issuer, printed once it listens."""
    options = _parser().parse_args()
    os.umask(0o077)
    try:
        check_installed()
    except AgentkeysError as error:
        print(f"agentkeys: error: {error.message}", file=sys.stderr)
        print(f"agentkeys: hint: {error.hint}", file=sys.stderr)
        return error.exit_status
    listener = _listen(options.port)
    issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
    print(f"listening on {issuer}", flush=True)
    _serve(options, issuer, listener)
    return 0


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's delay off only where the protocol is spelt out; with it, an answer that
    # is written in two parts takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(_BACKLOG)
    return listener


def _serve(options: argparse.Namespace, issuer: str, listener: socket.socket) -> None:
    # Only now, because these imports take a third of a second: whoever waits for the address has it
    # already, and the calls that come until then wait in the listener's queue.
    from agentkeys_shell.sandbox.broker.server import Settings, serve  # noqa: PLC0415

    settings = Settings(
        issuer=issuer,
        folder=options.folder,
        follow_links=options.follow_links,
        links_per_hour=options.links_per_hour,
        session_lifetime=options.session_seconds,
        session_leeway=options.session_leeway_seconds,
        token_lifetime=options.token_seconds,
        audience=options.audience,
        register_agents=not options.agents_wait,
    )
    if options.preload:
        threading.Thread(target=preload, daemon=True).start()
    serve(settings, listener)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agentkeys_shell.sandbox.broker", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, required=True, help="on 127.0.0.1; 0 takes any free one")
    add("--folder", type=Path, required=True, help="where audit.sqlite is kept")
    add("--follow-links", action="store_true", help="follow each e-mailed link at once")
    add("--links-per-hour", type=int, default=5, metavar="N", help="to one address")
    add("--session-seconds", type=_seconds(1, 86_400), default="18000", metavar="N")
    add("--session-leeway-seconds", type=_seconds(0, 600), default="60", metavar="N")
    add("--token-seconds", type=_seconds(60, 3600), default="300", metavar="N")
    add("--preload", action="store_true", help="import what wallet logins need ahead of the first")
    add("--audience", default="sts.amazonaws.com", help="of the web identity tokens")
    add("--agents-wait", action="store_true", help="claimed agents wait for /dev/agent/register")
    return parser


def _seconds(least: int, most: int) -> Callable[[str], timedelta]:
    def parse(text: str) -> timedelta:
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be {least} to {most} seconds")
        return timedelta(seconds=int(text))

    return parse


if __name__ == "__main__":
    sys.exit(main())
