"""A program under `exec` starts from a clean AWS surface, but for what its user wants to keep."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from agentkeys.sandbox_record import SandboxRecord
from agentkeys_shell.environment import HARMLESS
from tests.support.programs import Home
from tests.support.runs import ledger, listed

HOSTILE = {
    "AWS_SECURITY_TOKEN": "stale",
    "AWS_PROFILE": "work",
    "AWS_DEFAULT_PROFILE": "work",
    "AWS_ENDPOINT_URL_STS": "https://elsewhere.example.com",
    "AWS_ENDPOINT_URL_S3": "https://elsewhere.example.com",
    "AWS_ENDPOINT_URL": "https://elsewhere.example.com",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_ACCESS_KEY_ID": "AKIAINHERITED",
    "AWS_SECRET_ACCESS_KEY": "inherited",
    "AWS_SESSION_TOKEN": "inherited",
    "AWS_CREDENTIAL_EXPIRATION": "never",
    "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/inherited",
    "AWS_ROLE_SESSION_NAME": "inherited",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/inherited",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/inherited",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/inherited",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "inherited",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/inherited",
    "AWS_SDK_LOAD_CONFIG": "1",
    "AWS_CONFIG_FILE": "/inherited",
    "AWS_SHARED_CREDENTIALS_FILE": "/inherited",
    "AWS_SDK_UA_APP_ID": "inherited",
    "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH": "true",
    "AWS_SOMETHING_OF_NEXT_YEAR": "inherited",
    "BOTO_CONFIG": "/inherited",
    "BOTO_PATH": "/inherited",
    "EC2_SECURITY_TOKEN": "inherited",
    "AGENTKEYS_S3_BUCKET": "inherited",
    "AGENTKEYS_S3_PREFIX": "bots/inherited/",
    "AGENTKEYS_USER_WALLET": "0xinherited",
    "AGENTKEYS_SESSION": "inherited",
    "AGENTKEYS_SESSION_JWT": "inherited",
}
REGIONS = {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-north-1"}
PRIVATE = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED")


def child(home: Home, *options: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a program under `exec`."""
    printed = home.succeed("agentkeys", "exec", *options, "--", "env", "-0", env=env)
    return dict(entry.split("=", 1) for entry in printed.split("\0") if entry)


def explained(
    home: Home, *options: str, env: dict[str, str] | None = None
) -> dict[str, dict[str, str]]:
    document: dict[str, dict[str, str]] = json.loads(
        home.succeed("agentkeys", "exec", *options, "--explain", "--json", "--", "env", env=env)
    )
    return document


# what goes


def test_inherited_aws_settings_do_not_reach_the_program(sandbox_home: Home) -> None:
    """Nothing that would win over the run's credentials, mix with them or lead elsewhere."""
    variables = child(sandbox_home, env=HOSTILE)
    assert set(variables) == set(child(sandbox_home))
    assert not set(HOSTILE.values()) - {"true", "1"} & set(variables.values())


@pytest.mark.parametrize("options", [[], ["--inherit-aws"], ["--refresh"]], ids=" ".join)
def test_the_socket_s_path_does_not_reach_it(sandbox_home: Home, options: list[str]) -> None:
    """It needs none; who wants it to ask keeps the variable."""
    assert "AGENTKEYS_SOCKET" not in child(sandbox_home, *options)
    kept = child(sandbox_home, *options, "--keep-env", "AGENTKEYS_SOCKET")
    assert kept["AGENTKEYS_SOCKET"] == str(sandbox_home.socket)


def test_with_the_endpoint_it_has_no_keys(sandbox_home: Home) -> None:
    """Neither its own nor somebody else's: SDKs take those first, and they do not stay fresh."""
    variables = child(sandbox_home, "--refresh", env=HOSTILE)
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "EC2_SECURITY_TOKEN",
    ):
        assert name not in variables
    assert variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"].startswith("http://127.0.0.1:")
    assert variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] != "inherited"


def test_with_the_endpoint_nothing_of_aws_is_inherited(sandbox_home: Home) -> None:
    """Keys in the user's own files would be taken before anybody asks the endpoint."""
    runs = len(ledger(sandbox_home, "run_start"))
    done = sandbox_home.run("agentkeys", "exec", "--refresh", "--inherit-aws", "--", "env")
    assert (done.status, done.stdout) == (125, "")
    error, hint = done.complaint()
    assert error.startswith("--refresh and --inherit-aws exclude each other")
    assert "--keep-env" in hint
    assert len(ledger(sandbox_home, "run_start")) == runs


# what stays


def test_what_a_user_keeps_on_purpose_stays(sandbox_home: Home) -> None:
    """Harmless AWS settings and everything that is not about AWS, bytes that are no text too."""
    kept = {name: f"own {name}" for name in HARMLESS} | {
        "AWS_PAGER": "",
        "AWSOME": "yes",
        "GREETING": "grüß dich\nin two lines = one variable",
    }
    assert child(sandbox_home, env=kept).items() >= kept.items()


def test_more_can_be_kept_by_name(sandbox_home: Home) -> None:
    """But not in place of what the run is about."""
    names = ("AWS_PROFILE", "BOTO_CONFIG", "AWS_REGION", "AWS_CONFIG_FILE", "NOT_THERE")
    options = [word for name in names for word in ("--keep-env", name)]
    variables = child(sandbox_home, *options, env=HOSTILE)
    plain = child(sandbox_home, env=HOSTILE)
    assert {*variables} - {*plain} == {"AWS_PROFILE", "BOTO_CONFIG"}
    assert variables["AWS_PROFILE"] == "work"
    assert variables["AWS_CONFIG_FILE"] == HOSTILE["AWS_CONFIG_FILE"]
    assert variables["AWS_SHARED_CREDENTIALS_FILE"] == plain["AWS_SHARED_CREDENTIALS_FILE"]
    assert variables["AWS_REGION"] == plain["AWS_REGION"]


@pytest.mark.parametrize(
    "name", ["AWS_ACCESS_KEY_ID", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_CREDENTIALS_FULL_URI"]
)
@pytest.mark.parametrize("options", [[], ["--refresh"], ["--inherit-aws"]], ids=" ".join)
def test_no_credentials_can_be_kept(sandbox_home: Home, options: list[str], name: str) -> None:
    """They would mix with the run's own; nothing is asked for, and nothing runs."""
    runs = len(ledger(sandbox_home, "run_start"))
    done = sandbox_home.run("agentkeys", "exec", *options, "--keep-env", name, "--", "env")
    assert (done.status, done.stdout) == (125, "")
    assert done.complaint() == (
        f"{name} would mix with the credentials that the program is given",
        "leave out this --keep-env",
    )
    assert len(ledger(sandbox_home, "run_start")) == runs


def test_files_that_are_kept_but_not_named_stay_private(sandbox_home: Home) -> None:
    """A caller who has none of these variables opens nothing by keeping them."""
    options = [word for name in PRIVATE for word in ("--keep-env", name)]
    variables, plain = child(sandbox_home, *options), child(sandbox_home)
    assert [variables[name] for name in PRIVATE] == [plain[name] for name in PRIVATE]


def test_the_profile_s_region_wins_over_an_inherited_one(sandbox_home: Home) -> None:
    """The private file says the same."""
    for options in ([], ["--inherit-aws"]):
        variables = child(sandbox_home, *options, env=REGIONS)
        assert variables["AWS_REGION"] == variables["AWS_DEFAULT_REGION"] == "us-east-1"
    config = Path(child(sandbox_home, env=REGIONS)["AWS_CONFIG_FILE"])
    assert "region = us-east-1\n" in config.read_text()


# --inherit-aws


def test_all_aws_settings_can_be_inherited(sandbox_home: Home) -> None:
    """Files and endpoints of one's own; but no credentials, since those would mix."""
    variables = child(sandbox_home, "--inherit-aws", env=HOSTILE)
    plain = child(sandbox_home)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
        assert variables[name] == HOSTILE[name]
    assert variables["AWS_ACCESS_KEY_ID"] == plain["AWS_ACCESS_KEY_ID"]
    assert variables["AWS_ENDPOINT_URL_S3"] == plain["AWS_ENDPOINT_URL_S3"]
    for name in (
        "AWS_SECURITY_TOKEN",
        "EC2_SECURITY_TOKEN",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ):
        assert name not in variables
    assert not [name for name in variables if name.startswith("AWS_CONTAINER_")]
    assert variables["AGENTKEYS_S3_PREFIX"] == plain["AGENTKEYS_S3_PREFIX"]


def test_own_profiles_work_where_they_are_inherited(sandbox_home: Home, tmp_path: Path) -> None:
    """And cannot be seen where they are not."""
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = eu-west-1\n", encoding="utf-8")
    script = "import boto3; print('work' in boto3.Session().available_profiles)"
    argv = ["--", sys.executable, "-c", script]
    env = {"AWS_CONFIG_FILE": str(config)}
    assert sandbox_home.succeed("agentkeys", "exec", *argv, env=env) == "False\n"
    inherited = sandbox_home.succeed("agentkeys", "exec", "--inherit-aws", *argv, env=env)
    assert inherited == "True\n"


# proxies


@pytest.mark.parametrize("options", [[], ["--refresh"]], ids=" ".join)
def test_what_this_machine_gives_is_asked_past_a_proxy(
    sandbox_home: Home, options: list[str]
) -> None:
    """Beside the hosts that are so already."""
    env = {"HTTPS_PROXY": "http://proxy.example.com:3128", "NO_PROXY": "internal, localhost"}
    variables = child(sandbox_home, *options, env=env)
    assert variables["NO_PROXY"] == variables["no_proxy"] == "internal,localhost,127.0.0.1"
    assert "NO_PROXY" not in child(sandbox_home, *options)


# --explain


def test_what_would_change_can_be_seen_first(sandbox_home: Home) -> None:
    """Nothing runs, and there is no run."""
    env = {**HOSTILE, "AWS_PAGER": "less"}
    runs = len(ledger(sandbox_home, "run_start"))
    printed = sandbox_home.succeed("agentkeys", "exec", "--explain", "--", "touch", "ran", env=env)
    lines = printed.splitlines()
    assert "- AWS_PROFILE" in lines
    assert "- AGENTKEYS_SOCKET" in lines
    assert "+ AWS_SECRET_ACCESS_KEY=(of the run)" in lines
    assert "+ AGENTKEYS_PROFILE=sandbox" in lines
    assert "= AWS_PAGER" in lines
    assert [line[0] for line in lines] == sorted((line[0] for line in lines), key="-+=".index)
    assert not (sandbox_home.work / "ran").exists()
    assert listed(sandbox_home) == {}
    assert len(ledger(sandbox_home, "run_start")) == runs


@pytest.mark.parametrize("options", [[], ["--refresh"], ["--read-only"], ["--inherit-aws"]])
def test_it_is_what_then_is_so(sandbox_home: Home, options: list[str]) -> None:
    """Names and values, but for those of the run itself."""
    env = {**HOSTILE, "AWS_PAGER": "less", "HTTPS_PROXY": "http://proxy.example.com"}
    before = sandbox_home.environment | env
    document = explained(sandbox_home, *options, env=env)
    variables = child(sandbox_home, *options, env=env)
    assert {*document["removed"]} == {*before} - {*variables}
    # The launcher is a shell script, and shells say where they are.
    differing = {name for name in variables if variables[name] != before.get(name)}
    assert {*document["set"]} == differing - {"PWD"}
    for name, value in document["set"].items():
        assert value in (variables[name], "(of the run)")
    assert "AWS_PAGER" in document["kept"]
    assert ("BOTO_CONFIG" in document["kept"]) is (options == ["--inherit-aws"])


@pytest.mark.parametrize("options", [[], ["--refresh"], ["--set", "MINE=secret_access_key"]])
def test_no_secret_is_in_it(sandbox_home: Home, options: list[str]) -> None:
    """Neither the caller's, nor the run's, in either form."""
    env = {**HOSTILE, "MY_PASSWORD": "hunter2", "AWS_SECRET_ACCESS_KEY": "hunter2"}
    real = child(sandbox_home)
    for form in ([], ["--json"]):
        printed = sandbox_home.succeed(
            "agentkeys", "exec", *options, "--explain", *form, "--", "env", env=env
        )
        assert "hunter2" not in printed
        assert "inherited" not in printed
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            assert real[name] not in printed


def test_what_is_kept_by_name_is_named(sandbox_home: Home) -> None:
    """As what stays though others like it go."""
    document = explained(sandbox_home, "--keep-env", "AWS_PROFILE", env=HOSTILE)
    assert "AWS_PROFILE" in document["kept"]
    assert "AWS_PROFILE" not in document["removed"]


def test_it_needs_no_program(sandbox_home: Home) -> None:
    """There is nothing to be run."""
    assert sandbox_home.succeed("agentkeys", "exec", "--explain").startswith("- ")


def test_what_could_not_be_had_is_said_here_too(sandbox_home: Home) -> None:
    """By the same words and status."""
    options = ["--allow", "s3://agentkeys/" + "a" * 900 + "/:rw"]
    done = sandbox_home.run("agentkeys", "exec", *options, "--explain")
    assert (done.status, done.stdout) == (125, "")
    assert "more than an STS takes" in done.complaint()[0]


# --set


def test_every_field_can_have_another_name(sandbox_home: Home, sandbox: SandboxRecord) -> None:
    """Beside the usual ones."""
    fields = {
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
        "expiration": "AWS_CREDENTIAL_EXPIRATION",
        "region": "AWS_REGION",
        "endpoint": "AWS_ENDPOINT_URL_S3",
        "bucket": "AGENTKEYS_S3_BUCKET",
        "prefix": "AGENTKEYS_S3_PREFIX",
    }
    options = [w for field in fields for w in ("--set", f"ARTIFACTSTORE_{field.upper()}={field}")]
    variables = child(sandbox_home, *options)
    for field, usual in fields.items():
        assert variables[f"ARTIFACTSTORE_{field.upper()}"] == variables[usual]
    assert variables["ARTIFACTSTORE_ENDPOINT"] == sandbox.store.url


def test_a_name_of_its_own_wins_over_an_inherited_one(sandbox_home: Home) -> None:
    """And over one that the run has anyway; the last of two counts."""
    options = ["--set", "RESTIC_KEY=bucket", "--set", "RESTIC_KEY=region", "--set",
               "AWS_DEFAULT_REGION=bucket"]  # fmt: skip
    variables = child(sandbox_home, *options, env={"RESTIC_KEY": "old"})
    assert variables["RESTIC_KEY"] == variables["AWS_REGION"]
    assert variables["AWS_DEFAULT_REGION"] == "agentkeys"


def test_where_it_is_goes_with_the_endpoint_too(sandbox_home: Home) -> None:
    """Keys alone do not."""
    variables = child(sandbox_home, "--refresh", "--set", "MINE=prefix")
    assert variables["MINE"] == variables["AGENTKEYS_S3_PREFIX"]
    events = ("mint", "run_start")
    before = [len(ledger(sandbox_home, event)) for event in events]
    done = sandbox_home.run(
        "agentkeys", "exec", "--refresh", "--set", "X=session_token", "--", "env"
    )
    assert (done.status, done.stdout) == (125, "")
    assert done.complaint() == (
        "the run has no session_token to set as X",
        "fixed keys and --refresh exclude each other: leave one of them out",
    )
    # Told before anything is minted, and before a run begins.
    assert [len(ledger(sandbox_home, event)) for event in events] == before
