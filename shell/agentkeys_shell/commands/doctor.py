"""`agentkeys doctor`: finds what is wrong, from the configuration to the isolation proof."""

from __future__ import annotations

from collections.abc import Sequence

import click

from agentkeys.client import read_environment
from agentkeys.doctor import Finding, Outcome, worst
from agentkeys.errors import EXIT_ERROR, EXIT_USER_MUST_ACT
from agentkeys_shell.doctor import Asked, FindingPrinter, walk
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.output import json_option, print_json
from agentkeys_shell.render import new_console


@click.command("doctor")
@click.argument("profile", required=False, callback=refuse_empty)
@click.option(
    "--profile",
    "-p",
    "named",
    metavar="PROFILE",
    callback=refuse_empty,
    help="The profile to examine, as elsewhere.",
)
@json_option
def command(profile: str | None, named: str | None, as_json: bool) -> int:
    """Find what is wrong, from the configuration to the isolation proof, step by step.

    Examines PROFILE, or else the default one, and changes nothing: it mints one token and
    temporary credentials as a program would get them, lists the own prefix and a foreign one, and
    forgets them again. Ends with status 0 where credentials can be had and are confined, with 1
    where something failed, with 3 where all that is needed is that you log in or unlock.
    """
    if profile and named:
        raise click.UsageError("the profile is given twice")
    asked = Asked(read_environment(), profile or named)
    findings = _told_as_json(asked) if as_json else _shown(asked)
    return _status(findings)


def _told_as_json(asked: Asked) -> list[Finding]:
    findings = list(walk(asked))
    print_json(
        {
            "version": 1,
            "profile": findings[0].facts.get("profile", asked.wanted),
            "outcome": worst(findings).value,
            "steps": [finding.to_document() for finding in findings],
        }
    )
    return findings


def _shown(asked: Asked) -> list[Finding]:
    printer = FindingPrinter(new_console())
    findings = []
    for finding in walk(asked):
        printer.show(finding)
        findings.append(finding)
    printer.sum_up(findings)
    return findings


def _status(findings: Sequence[Finding]) -> int:
    bad = [finding for finding in findings if finding.outcome is Outcome.FAILED]
    if not bad:
        return 0
    return EXIT_USER_MUST_ACT if all(finding.needs_user for finding in bad) else EXIT_ERROR
