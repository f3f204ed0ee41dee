"""`agentkeys configure-aws`: profiles for AWS clients in ~/.aws/config."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from agentkeys.client import read_environment
from agentkeys.errors import BreakGlassRequired, InsideRun, UnknownProfile
from agentkeys.paths import Paths
from agentkeys_shell.aws_config import AwsConfig, AwsProfile, OwnProfile, aws_file, shim_command
from agentkeys_shell.aws_config.telling import (
    diff_bytes,
    document,
    lines_of_undo,
    lines_of_write,
)
from agentkeys_shell.daemon import profile_path
from agentkeys_shell.failure import say
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.output import ask_json, json_option, print_json

_BREAK_GLASS = 'run: agentkeys exec --profile {} --break-glass --reason "…" -- PROGRAM'


@click.command("configure-aws")
@click.argument("profile", required=False, callback=refuse_empty)
@click.option("--all", "everyone", is_flag=True, help="Write every configured profile.")
@click.option(
    "--as",
    "name",
    metavar="NAME",
    callback=refuse_empty,
    help="What AWS clients are to call it, such as default.",
)
@click.option("--diff", "is_dry", is_flag=True, help="Show what would change, change nothing.")
@click.option("--undo", is_flag=True, help="Take back what this command has written.")
@json_option
def command(
    profile: str | None,
    everyone: bool,
    name: str | None,
    is_dry: bool,
    undo: bool,
    as_json: bool,
) -> int:
    """Write PROFILE, or the default one, into ~/.aws/config or the file AWS_CONFIG_FILE names.

    AWS clients that use it get their credentials from agentkeys then. Whatever else stands in the
    file stays as it is. --undo takes back PROFILE, or all that was written.
    """
    if everyone and (profile or name):
        raise click.UsageError("--all goes with neither PROFILE nor --as")
    environ = read_environment()
    target = _target(environ)
    path, step = target.file.path, None
    if undo:
        outcome = target.undo(_is_meant(profile, name), dry=is_dry)
    else:
        chosen = _configured(profile, environ, everyone=everyone)
        shim = shim_command(environ)
        profiles = [AwsProfile.of(each, command=shim, name=name) for each in chosen]
        outcome = target.configure(profiles, dry=is_dry)
        step = None if is_dry else _command_to_try(chosen[0], profiles[0].name, environ)
    for note in outcome.notes:
        say(f"note: {note}")
    if as_json:
        print_json(document(outcome, path, is_dry=is_dry, step=step))
    elif is_dry:
        click.echo(diff_bytes(outcome, path), nl=False)
    else:
        for line in (lines_of_undo if undo else lines_of_write)(outcome, path):
            click.echo(line)
        if step:
            click.echo(f"next: {step}")
    return 0


def _target(environ: Mapping[str, str]) -> AwsConfig:
    if "AGENTKEYS_RUN" in environ:
        # There AWS_CONFIG_FILE names a file of our own, and the user's is not for programs.
        raise InsideRun(
            "inside agentkeys exec, the AWS configuration cannot be written",
            hint="run it outside of agentkeys exec",
        )
    return AwsConfig(
        file=aws_file(environ, "AWS_CONFIG_FILE", "config"),
        credentials=aws_file(environ, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        folder=Paths.from_environment(environ).state / "aws-config",
    )


def _is_meant(profile: str | None, name: str | None) -> Callable[[str, OwnProfile], bool]:
    """Whether --undo means a profile of theirs; by either name, both where both are given."""

    def is_meant(aws_name: str, own: OwnProfile) -> bool:
        by_profile = profile in (None, own.profile) or (name is None and profile == aws_name)
        return by_profile and name in (None, aws_name)

    return is_meant


def _configured(
    profile: str | None, environ: Mapping[str, str], *, everyone: bool
) -> Sequence[Mapping[str, Any]]:
    """What the daemon has configured of those that are meant; raises its error for none."""
    told = ask_json("GET", "/v1/profiles")
    wanted = profile or environ.get("AGENTKEYS_PROFILE") or told["default_profile"]
    chosen = [each for each in told["profiles"] if everyone or each["name"] == wanted]
    if not chosen:
        ask_json("GET", profile_path(profile, "status", environ))
        raise UnknownProfile(f"there is no profile {wanted!r}", hint="run: agentkeys profiles")
    return _served(chosen)


def _served(chosen: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Those that an AWS client can use; raises BreakGlassRequired where there is none."""
    served = [each for each in chosen if not each.get("break_glass")]
    for each in chosen:
        if each not in served:
            problem = f"the profile {each['name']} is for break-glass alone, no AWS client gets it"
            if not served:
                raise BreakGlassRequired(problem, hint=_BREAK_GLASS.format(each["name"]))
            say(f"note: {problem}")
    return served


def _command_to_try(
    configured: Mapping[str, Any], aws_name: str, environ: Mapping[str, str]
) -> str:
    """Something that a confined user is allowed to do."""
    told = ask_json("GET", profile_path(configured["name"], "status", environ))["profiles"][0]
    prefix = told["prefix"] or configured["prefix"] or ""
    if configured["bucket"] and "{" not in prefix:
        place = shlex.quote(f"s3://{configured['bucket']}/{prefix}")
        return f"aws s3 ls {place} --profile {aws_name}"
    # The prefix is known once there are credentials; this gets some.
    return f"aws configure list --profile {aws_name}"
