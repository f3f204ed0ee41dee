"""`agentkeys init`: the first configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import click

from agentkeys.config import Table, parse_config
from agentkeys.errors import ConfigError
from agentkeys.models import RoleArn
from agentkeys.paths import Paths
from agentkeys.private_files import make_folders, replace_file
from agentkeys.stores import STORE_KINDS
from agentkeys_shell.output import json_option, print_json


@click.command("init")
@click.option("--broker-url", metavar="URL", help="The broker that knows you.")
@click.option("--issuer", metavar="URL", help="The OpenID Connect issuer that knows you, instead.")
@click.option("--client-id", metavar="ID", help="What agentkeys is called there.")
@click.option("--role-arn", metavar="ARN", help="The role to assume.")
@click.option("--kind", type=click.Choice(list(STORE_KINDS)), help="The kind of store (aws).")
@click.option("--sts-endpoint", metavar="URL", help="Its STS, unless it is AWS.")
@click.option("--s3-endpoint", metavar="URL", help="Its S3, unless it is AWS.")
@click.option("--region", metavar="REGION", help="The region.")
@click.option("--bucket", metavar="BUCKET", help="The bucket that programs are told about.")
@click.option("--prefix", metavar="PREFIX", help="The prefix in it (bots/{wallet}/).")
@click.option("--confine", metavar="HOW", help="What confines you: tags, claim:NAME or role.")
@click.option("--profile", metavar="NAME", default="default", show_default=True)
@click.option("--force", is_flag=True, help="Overwrite an existing configuration.")
@json_option
def command(
    broker_url: str | None,
    issuer: str | None,
    client_id: str | None,
    role_arn: str | None,
    kind: str | None,
    sts_endpoint: str | None,
    s3_endpoint: str | None,
    region: str | None,
    bucket: str | None,
    prefix: str | None,
    confine: str | None,
    profile: str,
    force: bool,
    as_json: bool,
) -> int:
    """Write the first configuration, from options or by asking for what is missing."""
    path = Paths.from_environment(os.environ).config
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already", hint="edit it, or add --force to replace it")
    identity = _identity(broker_url, issuer, client_id)
    kind = kind or (_ask_kind() if _person_is_there() else "aws")
    if STORE_KINDS[kind].needs_endpoint:
        sts_endpoint = sts_endpoint or _ask("STS endpoint", "--sts-endpoint", _check_url)
        s3_endpoint = s3_endpoint or sts_endpoint
    if STORE_KINDS[kind].needs_role_arn:
        role_arn = role_arn or _ask("role ARN", "--role-arn", RoleArn.parse)
    store = {"kind": kind, "sts_endpoint": sts_endpoint, "s3_endpoint": s3_endpoint}
    text = _render(
        profile,
        identity,
        store,
        {
            "role_arn": role_arn,
            "region": region,
            "bucket": bucket,
            "prefix": prefix,
            "confine": confine,
        },
    )
    # What is written must be what will be read.
    parse_config(text, file="the new configuration", origin=str(path), path=path)
    make_folders(path.parent)
    replace_file(path, text)
    if as_json:
        print_json({"version": 1, "path": str(path), "profile": profile})
    else:
        click.echo(f"wrote {path}")
        click.echo("next: agentkeys login")
    return 0


def _identity(
    broker_url: str | None, issuer: str | None, client_id: str | None
) -> dict[str, str | None]:
    """Of the one who knows the user: a broker, unless an issuer is named."""
    if issuer is None and client_id is None:
        url = broker_url or _ask("broker URL", "--broker-url", _check_url)
        return {"source": "broker", "url": url}
    if broker_url:
        raise click.UsageError("--broker-url and --issuer do not go together")
    issuer = issuer or _ask("issuer URL", "--issuer", _check_url)
    client_id = client_id or _ask("client id", "--client-id", str)
    return {"source": "oidc", "issuer": issuer, "client_id": client_id}


def _render(
    profile: str,
    identity: dict[str, str | None],
    store: dict[str, str | None],
    facts: dict[str, str | None],
) -> str:
    own_store = store["kind"] != "aws" or store["s3_endpoint"] or store["sts_endpoint"]
    store_name = "main" if own_store else "aws"
    parts = [f"default_profile = {json.dumps(profile)}\n", _table("identities.me", identity)]
    if own_store:
        parts.append(_table("stores.main", store))
    parts.append(
        _table(f"profiles.{json.dumps(profile)}", {"identity": "me", "store": store_name, **facts})
    )
    return "\n".join(parts)


def _table(name: str, values: dict[str, str | None]) -> str:
    # Every JSON string is a TOML basic string.
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if value]
    return "\n".join([f"[{name}]", *lines, ""])


def _person_is_there() -> bool:
    return os.isatty(0) and os.isatty(2)


def _ask(words: str, option: str, check: Callable[[str], object]) -> str:
    """An answer that passes `check`, which raises ConfigError; asks again until one does."""
    if not _person_is_there():
        raise click.UsageError(f"{option} is needed, and there is no terminal to ask at")

    def read(answer: str) -> str:
        try:
            check(answer.strip())
        except ConfigError as problem:
            raise click.UsageError(f"{problem.message} ({problem.hint})") from None
        return answer.strip()

    answer: str = click.prompt(words, value_proc=read, err=True)
    return answer


def _check_url(answer: str) -> None:
    Table({"that": answer}, file="").url("that")


def _ask_kind() -> str:
    kind: str = click.prompt(
        "kind of store", type=click.Choice(list(STORE_KINDS)), default="aws", err=True
    )
    return kind
