"""`exec --break-glass`: what it takes, and what a person is told before anybody is asked.

Imported where somebody breaks the glass, and by nobody else.
"""

from __future__ import annotations

import posix

from agentkeys.errors import BreakGlassRefused
from agentkeys_shell.failure import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["announce", "check_breaking"]

LONGEST_REASON = 500

_OTHER_DOORS = ("refresh", "legacy_mint", "explain")


def check_breaking(options: Mapping[str, str]) -> None:
    """Raises BreakGlassRefused for --break-glass or --reason where they cannot be meant."""
    if "break_glass" not in options:
        raise BreakGlassRefused("--reason is for --break-glass", hint="give both, or neither")
    for other in _OTHER_DOORS:
        if other in options:
            raise BreakGlassRefused(
                f"--break-glass and --{other.replace('_', '-')} exclude each other: the program is"
                " given fixed keys, once",
                hint="leave one of them out",
            )
    if "reason" not in options:
        raise BreakGlassRefused("--break-glass takes a reason", hint='add --reason "…"')
    _check_reason(options["reason"])
    if not (posix.isatty(0) and posix.isatty(2)):
        raise BreakGlassRefused(
            "--break-glass takes a person at a terminal",
            hint="run it from an interactive shell, with stdin and stderr left as they are",
        )


def announce(options: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Says on stderr what is about to happen."""
    name = options.get("profile") or environ.get("AGENTKEYS_PROFILE")
    profile = f"profile {name}" if name else "the default profile"
    say(f"break-glass: {profile}, at most 15 minutes, recorded: {options['reason']}")


def _check_reason(reason: str) -> None:
    if not reason.strip() or not reason.isprintable():
        raise BreakGlassRefused(
            "the reason is not one line of text", hint="say in a few words why, such as a ticket"
        )
    if len(reason) > LONGEST_REASON:
        raise BreakGlassRefused(
            f"the reason has {len(reason)} characters",
            hint=f"say it in at most {LONGEST_REASON}",
        )
