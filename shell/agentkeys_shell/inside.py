"""What a program inside a run is refused before a person is asked or anything is sent."""

from __future__ import annotations

from collections.abc import Mapping

from agentkeys.errors import InsideRun

__all__ = ["check_outside"]


def check_outside(environ: Mapping[str, str]) -> None:
    """Raises InsideRun inside a run, in the words of the daemon, which would refuse it in the end.

    No guard but a courtesy: a program can take the variable out of its environment.
    """
    run = environ.get("AGENTKEYS_RUN")
    if run:
        raise InsideRun(
            f"a program inside a run cannot ask for this: it was started inside run {run[:40]!r}",
            hint="do it from outside, where no agentkeys exec is above it",
        )
