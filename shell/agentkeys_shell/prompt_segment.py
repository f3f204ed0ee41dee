"""`agentkeys prompt`: how long the credentials last, in a few characters for a shell's prompt.

It is run with every command that somebody types, so it never starts a daemon, never waits for one
that hangs, and says nothing where there is nothing to say: `agentkeys status` tells why.
"""

from __future__ import annotations

import posix
import time

from agentkeys.client import read_environment, request
from agentkeys.socket_path import socket_path
from agentkeys_shell.daemon import pass_on, profile_path
from agentkeys_shell.short_names import short_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIELDS", "print_segment", "unknown_field"]

FIELDS = ("profile", "who", "left", "state")
"""What a template may have in braces."""

_SECONDS = 0.2
"""How long a daemon may keep a prompt waiting."""

_LONGEST = 64
_AFTER_LEFT = {"expired": " expired", "login": " !login"}


class _Facts:
    """Of one profile; `seconds` that its credentials last, None where it has none."""

    __slots__ = ("profile", "seconds", "state", "who")

    def __init__(self, profile: str, who: str, seconds: int | None, state: str) -> None:
        self.profile = _harmless(profile)
        self.who = short_name(_harmless(who))
        self.seconds = seconds
        self.state = _harmless(state)


def print_segment(profile: str | None, template: str | None) -> int | None:
    """Prints the segment and a newline, or nothing; None for a template that is a mistake."""
    if template is not None and unknown_field(template):
        return None
    environ = read_environment()
    facts = _in_environment(profile, environ) or _ask(profile, environ)
    if facts is None:
        return 0
    return pass_on(_render(facts, template).encode("utf-8", "surrogateescape") + b"\n")


def unknown_field(template: str) -> str | None:
    """The first name in braces that no field has."""
    for part in template.split("{")[1:]:
        name, closed, _ = part.partition("}")
        if closed and name.isalpha() and name not in FIELDS:
            return name
    return None


def _render(facts: _Facts, template: str | None) -> str:
    values = {
        "profile": facts.profile,
        "who": facts.who,
        "left": _left(facts.seconds),
        "state": facts.state,
    }
    if template is None:
        left = f" {values['left']}" if values["left"] else ""
        return f"{facts.profile}{left}{_AFTER_LEFT.get(facts.state, '')}"
    first, *parts = template.split("{")
    rendered = first
    for part in parts:
        name, closed, after = part.partition("}")
        rendered += values[name] + after if closed and name in values else "{" + part
    return rendered


def _in_environment(profile: str | None, environ: Mapping[str, str]) -> _Facts | None:
    """What this shell itself holds, from `exec` or `env`: that ends when it ends.

    The daemon would tell of its next lease, which these variables know nothing of.
    """
    own = environ.get("AGENTKEYS_PROFILE", "")
    wallet = environ.get("AGENTKEYS_USER_WALLET", "")
    # Somebody else's program may have set the time.
    if not own or profile not in (None, own) or not (wallet or "AGENTKEYS_RUN" in environ):
        return None
    end = _unix_time(environ.get("AWS_CREDENTIAL_EXPIRATION", ""))
    if end is None:
        return None
    left = max(int(end - time.time()), 0)
    return _Facts(own, wallet, left, "valid" if left else "expired")


def _ask(profile: str | None, environ: Mapping[str, str]) -> _Facts | None:
    try:
        # Without a socket there is nobody to ask, and explaining that takes longer than asking.
        posix.stat(socket_path(environ, posix.getuid()))
        path = profile_path(profile, "prompt", environ)
        answer = request("GET", path, environ=environ, deadline=time.monotonic() + _SECONDS)
    except Exception:  # noqa: BLE001 - whatever it is, it must not stand in the prompt
        return None
    fields = answer.body.decode("utf-8", "replace").rstrip("\n").split("\t")
    if answer.status != 200 or len(fields) != len(FIELDS):
        return None
    name, who, seconds, state = fields
    return _Facts(name, who, int(seconds) if seconds.isdecimal() else None, state)


def _left(seconds: int | None) -> str:
    """`4h59m`, `42m`, `12s`; nothing once nothing is left."""
    if not seconds or seconds < 0:
        return ""
    minutes = seconds // 60
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02}m"
    return f"{minutes}m" if minutes else f"{seconds}s"


def _unix_time(text: str) -> int | None:
    """Of `2026-01-31T12:00:00Z`; None for anything else. `datetime` would cost too much."""
    try:
        year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
        hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    except ValueError:
        return None
    if text[19:] != "Z":
        return None
    # Years that begin in March have the leap day at their end, and months of 30.6 days.
    year -= month < 3
    months = (153 * ((month - 3) % 12) + 2) // 5
    days = 365 * year + year // 4 - year // 100 + year // 400 + months + day - 719_469
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def _harmless(text: str) -> str:
    """Without what would move the cursor or turn the text around."""
    return "".join(char if char.isprintable() else "?" for char in text[:_LONGEST])
