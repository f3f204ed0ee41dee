"""`agentkeys audit`: what is in the ledger, and whether it is as it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from agentkeys.audit.chain import Link
from agentkeys.audit.files import unchained_files
from agentkeys.audit.lines import open_files, open_ledger
from agentkeys.audit.reading import Records
from agentkeys.audit.verifying import Verification, verify
from agentkeys.client import read_environment
from agentkeys.errors import EXIT_ERROR
from agentkeys.paths import Paths
from agentkeys_shell.failure import say
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.ledger_text import (
    folded,
    lines_of_verification,
    print_lines,
    print_records,
    print_records_json,
)
from agentkeys_shell.output import ask_json, json_option, print_json
from agentkeys_shell.since import since_option


@click.group("audit", invoke_without_command=True)
@since_option("Only what happened since: 2h ago, or a time such as 2026-06-01T12:00:00Z.")
@click.option("--run", metavar="ID", callback=refuse_empty, help="Only what concerns one program.")
@json_option
@click.pass_context
def command(ctx: click.Context, since: datetime | None, run: str | None, as_json: bool) -> int:
    """Read the ledger: who was served what, and when.

    Reads the files in the state folder, the oldest record first, and needs no daemon. Whether they
    are as they were written, audit verify tells.
    """
    if ctx.invoked_subcommand:
        if since or run or as_json:
            raise click.UsageError("options go behind the command: agentkeys audit verify --json")
        return 0
    records = Records(open_ledger(_ledger(), with_unchained=True), since=since, run=run)
    if as_json:
        print_records_json(records)
    elif not print_records(records):
        click.echo(
            "the ledger has no such record"
            if since or run
            else "the ledger has no records yet; the first login writes one"
        )
    if records.skipped:
        words = "line of the ledger is no record"
        if records.skipped > 1:
            words = "lines of the ledger are no records"
        say(f"warning: {records.skipped} {words}, and not shown")
        say("hint: run: agentkeys audit verify")
    return 0


@command.command("verify")
@click.argument("file", nargs=-1, type=click.Path(path_type=Path))
@json_option
def verify_command(file: tuple[Path, ...], as_json: bool) -> int:
    """Check that no record was changed, removed or put elsewhere.

    Compares the end with the head of the chain, which the daemon keeps elsewhere. With FILEs, such
    as those of an archive, checks these alone, in their order, and asks no daemon. The exit status
    is 1 unless the ledger is sound.
    """
    found = verify(open_files(file)) if file else _verify_own()
    if as_json:
        print_json(_document(found))
    else:
        print_lines(folded(lines_of_verification(found)))
    return 0 if found.is_sound else EXIT_ERROR


def _verify_own() -> Verification:
    # Asked before the files are opened: what is written from then on is ahead of the head.
    told = ask_json("GET", "/v1/ledger")
    path = _ledger()
    found = verify(open_ledger(path), _heads(told))
    return replace(found, unseen=(*found.unseen, *_unseen(told), *_unchained(path)))


def _ledger() -> Path:
    return Paths.from_environment(read_environment()).ledger


def _heads(told: Mapping[str, Any]) -> Sequence[Link]:
    """The one that is kept, and what the daemon itself remembers."""
    heads = (told["kept_head"], told["head"])
    return [Link(head["seq"], head["chain"]) for head in heads if head]


def _unseen(told: Mapping[str, Any]) -> Iterator[str]:
    if told["head_error"]:
        yield f"the kept head could not be read or written: {told['head_error']['message']}"
    elif told["kept_in"] == "memory":
        yield (
            "there is no keyring, so that the head is kept in a file beside the ledger: whoever"
            " writes both anew, while no daemon runs, is not seen"
        )
    if told["waiting"]:
        many = "1 record waits" if told["waiting"] == 1 else f"{told['waiting']} records wait"
        yield f"{many} in the daemon's memory until the ledger can be written"


def _unchained(path: Path) -> Iterator[str]:
    for file in unchained_files(path):
        yield f"{file.name} was put away because it is no chain, and cannot be checked"


def _document(found: Verification) -> dict[str, object]:
    return {
        "version": 1,
        "sound": found.is_sound,
        "records": found.records,
        "files": found.files,
        "first_seq": found.first,
        "last_seq": found.last,
        "covered_to": found.covered_to,
        "ahead": found.ahead,
        "problems": [
            {
                "seq": problem.seq,
                "file": problem.file,
                "line": problem.line,
                "kind": problem.kind,
                "message": problem.message,
            }
            for problem in found.problems
        ],
        "further_problems": found.further_problems,
        "unseen": found.unseen,
    }
