"""What a program inside a run may ask of the socket: what concerns its own run, and no more."""

from __future__ import annotations

from agentkeys.errors import InsideRun
from agentkeys_daemon.runs.registry import Inside

__all__ = ["check_inside"]

_OPEN = {
    ("GET", "health"),
    ("GET", "ledger"),
    ("GET", "profiles"),
    ("GET", "runs"),
    ("GET", "status"),
}
_OWN = {
    ("GET", "profiles", "credentials"),
    ("GET", "profiles", "environment"),
    ("GET", "profiles", "prompt"),
    ("GET", "profiles", "status"),
    ("POST", "profiles", "refresh"),
    ("GET", "identities"),
    ("POST", "profiles", "runs"),
}


def check_inside(inside: Inside, route: tuple[str, ...], name: str) -> None:
    """Raises InsideRun for what goes beyond the run; `name` is the profile that is meant.

    Logging in, other profiles, ending things for others: all of that takes somebody outside.
    """
    run = inside.run
    if route in _OPEN:
        return
    if route in _OWN and run is not None and not run.is_forgotten:
        if name == run.profile:
            return
        raise InsideRun(
            f"the program asks for another profile than its own, {run.profile}: {inside.words}",
            hint="run it with that profile instead, outside of this run",
        )
    if run is not None and run.is_forgotten:
        raise InsideRun(
            f"the run's credentials have been taken away: {inside.words}",
            hint="start the program again",
        )
    raise InsideRun(
        f"a program inside a run cannot ask for this: {inside.words}",
        hint="do it from outside, where no agentkeys exec is above it",
    )
