"""What `agentkeys stores` shows to people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from agentkeys.explain import Part
from agentkeys.stores import StoreKind, spell_algorithms
from agentkeys_shell.render import new_console

__all__ = ["lines_of_parts", "print_stores"]

_WIDTH = 96


def print_stores(kinds: Iterable[Mapping[str, Any]], stores: Iterable[Mapping[str, Any]]) -> None:
    """Both tables: what there could be, and what there is."""
    console = new_console()
    table = _table("KIND", "STS", "ROLE", "SESSIONS", "TOKENS SIGNED WITH", "KID", "CONFINED BY")
    for kind in kinds:
        table.add_row(
            kind["name"],
            "sts_endpoint" if kind["needs_sts_endpoint"] else "by region",
            "needed" if kind["needs_role_arn"] else "-",
            f"{_words(kind['min_duration_seconds'])} to {_words(kind['max_duration_seconds'])}",
            " ".join(kind["algorithms"]),
            "needed" if kind["needs_key_id"] else "-",
            kind["confine"],
        )
    console.print(table)
    click.echo()
    table = _table("STORE", "KIND", "STS", "S3", "REGION")
    for store in stores:
        table.add_row(
            store["name"],
            store["kind"],
            escape(store["sts_endpoint"] or _by_region(store)),
            escape(store["s3_endpoint"] or "by region"),
            store["region"] or "-",
        )
    console.print(table)


def lines_of_parts(kind: StoreKind, profile: str | None, parts: Iterable[Part]) -> Iterator[str]:
    """Everything but what is to be pasted is a comment, for a shell at least."""
    yield f"# {kind.title}" + (f", for the profile {profile}" if profile else "")
    key = ", with the key's kid in the header" if kind.needs_key_id else ""
    yield from _comment(f"Tokens: signed with {spell_algorithms(kind)}{key}.")
    for number, part in enumerate(parts, start=1):
        yield ""
        yield from _comment(f"{number}. {part.title}" + _file(part))
        for reason in part.why:
            yield from _comment(reason)
        if part.content is not None:
            yield part.text


def _file(part: Part) -> str:
    return f" ({part.name})" if part.name.endswith(".json") else ""


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent="# ",
        subsequent_indent="#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _by_region(store: Mapping[str, Any]) -> str:
    variants = [name for name in ("fips", "dual_stack") if store[name]]
    return " ".join(("by region", *variants))


def _words(seconds: int) -> str:
    units = ((86400, "d"), (3600, "h"), (60, "m"))
    return next(f"{seconds // size}{unit}" for size, unit in units if seconds >= size)
