"""What is said about credentials that programs already have when something is forgotten."""

from __future__ import annotations

import click

__all__ = ["say_what_lives_on"]


def say_what_lives_on(until: str | None) -> None:
    """`until` is when the last of them ends, as the daemon has told it; None where all have."""
    if until is None:
        click.echo("no credentials that were handed out are alive")
    else:
        click.echo(
            f"credentials already handed out live until {until}: a store cannot take them back"
        )
