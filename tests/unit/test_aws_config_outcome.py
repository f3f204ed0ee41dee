"""What people are told about their AWS configuration file: refusals, notes and the diff."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import ConfigError, ProtocolError
from agentkeys_shell.aws_config import AwsConfig, AwsProfile, Outcome
from agentkeys_shell.aws_config.botocore_view import check_edit, why_refused
from agentkeys_shell.aws_config.files import AwsFile
from agentkeys_shell.aws_config.ini import MalformedLine
from agentkeys_shell.aws_config.planning import plan_configure
from agentkeys_shell.aws_config.telling import diff_bytes, document
from tests.support.aws_configs import aws_configs

DATA = AwsProfile("data", "data", "/bin/shim", "us-east-1", "http://127.0.0.1:8333")
CONFIGURED = {"name": "data", "region": "us-east-1", "s3_endpoint": None}
PATH = Path("/home/me/.aws/config")


def outcome(text: str | None, profile: AwsProfile = DATA) -> Outcome:
    return plan_configure([profile], text, None, file=PATH).outcome


# what is written


def test_the_line_has_neither_quotes_nor_secrets() -> None:
    """An endpoint stands there only for a store that is not AWS's."""
    aws = AwsProfile.of(CONFIGURED, command="/bin/shim", name=None)
    assert aws.values == {
        "credential_process": "/bin/shim --profile data",
        "region": "us-east-1",
        "endpoint_url": None,
    }
    assert outcome("", aws).after == (
        "[profile data]\ncredential_process = /bin/shim --profile data\nregion = us-east-1\n"
    )


@pytest.mark.parametrize("name", ["my data", "", "a]", "a\nb", "-x", "'a'", "a#b", "x" * 129, "é"])
def test_a_name_that_needs_quotes_is_refused(name: str) -> None:
    """Few clients know them in a header."""
    with pytest.raises(ConfigError, match="is not a name that every AWS client can read"):
        AwsProfile.of(CONFIGURED | {"name": name}, command="/bin/shim", name=None)


def test_a_daemon_of_another_version_is_told() -> None:
    """One that does not say where the store is would have clients ask AWS."""
    with pytest.raises(ProtocolError) as refusal:
        AwsProfile.of({"name": "data", "region": "x"}, command="/bin/shim", name=None)
    assert refusal.value.hint == "run: agentkeys daemon restart"


# what is refused, and what is only said


@pytest.mark.parametrize(
    "key",
    [
        "aws_access_key_id",
        "AWS_SECRET_ACCESS_KEY",
        "role_arn",
        "source_profile",
        "credential_source",
        "web_identity_token_file",
        "sso_session",
        "sso_start_url",
        "login_session",
    ],
)
@pytest.mark.parametrize("header", ["profile data", "DEFAULT"])
def test_other_ways_to_credentials_are_refused(header: str, key: str) -> None:
    """Clients prefer them, and would use what confines nobody."""
    text = f"[profile other]\n{key} = fine\n[{header}]\nregion = x\n{key} = secret\n"
    with pytest.raises(ConfigError) as refusal:
        outcome(text)
    assert refusal.value.message == (
        f"[{header}] in {PATH} has {key.lower()} (line 5), which AWS clients prefer to"
        " credential_process"
    )
    assert "--as NAME" in refusal.value.hint
    if header != "DEFAULT":
        assert outcome(text, replace(DATA, name="fine")).is_change


@pytest.mark.parametrize(
    ("key", "is_said"),
    [
        ("services = lab", True),
        ("ignore_configured_endpoint_urls = TRUE", True),
        ("ignore_configured_endpoint_urls = false", False),
        ("cli_pager =", False),
    ],
)
def test_what_defeats_the_endpoint_is_said(key: str, is_said: bool) -> None:
    """A store's keys would go to AWS; where the store is AWS's, there is nothing to defeat."""
    text = f"[profile data]\n{key}\n"
    assert any("to another place than http://127" in n for n in outcome(text).notes) == is_said
    assert outcome(text, replace(DATA, endpoint_url=None)).notes == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\ufeff[default]\n", "begins with a byte order mark"),
        ("[default]\nx = \udce9\n", "is not UTF-8"),
        ("[a]\n[b]\n[a]\n", "has [a] twice (line 3)"),
        ("[a]\nx = 1\nX = 2\n", "has x twice (line 3)"),
        ("[a]\ns3 =\n  path\n", "has lines without = below s3 of [a]"),
        ("[a]\ns3 =\n  x = path\n\n  y = 1\n", None),
        ("", None),
    ],
)
def test_it_is_said_when_boto3_cannot_read_the_file(text: str, why: str | None) -> None:
    """The edit is made all the same, since other clients can."""
    assert why_refused(text) == why
    expected = () if why is None else (f"boto3 and the AWS CLI refuse to read {PATH}: it {why}",)
    assert outcome(text).notes == expected
    assert outcome(text).is_change


def test_keys_in_the_credentials_file_are_said(tmp_path: Path) -> None:
    """Clients look there first; that file is only read."""
    credentials = tmp_path / "credentials"
    config = AwsConfig(
        file=AwsFile(tmp_path / "config"),
        credentials=AwsFile(credentials),
        folder=tmp_path / "memory",
    )
    assert config.configure([DATA], dry=True).notes == ()
    content = b"[datax]\naws_access_key_id = AKIAX\n[data]\naws_access_key_id = AKIAY\n"
    credentials.write_bytes(content)
    [note] = config.configure([DATA], dry=True).notes
    assert note == f"{credentials} has keys for data, which AWS clients prefer to these"
    assert config.configure([replace(DATA, name="other")], dry=True).notes == ()
    assert credentials.read_bytes() == content
    for broken in (b"[data\n", b"[data]\nregion = x\n", b"\xff\n"):
        credentials.write_bytes(broken)
        assert config.configure([DATA], dry=True).notes == ()
    credentials.unlink()
    credentials.mkdir()
    assert config.configure([DATA], dry=True).notes == ()


def test_an_edit_that_changed_other_sections_would_be_stopped() -> None:
    """The last look before a user's file is written does not trust our own reading."""
    check_edit("[a]\nx = 1\n", "[a]\nx = 1\n[default]\nregion = 2\n", ["default"])
    ours = "[a]\nx = 1\n[default]\ny = 2\n"
    for after in ("[a]\nx = 2\n", "[b]\nx = 1\n", "x = 1\n", "", ours):
        with pytest.raises(ConfigError, match="cannot edit safely"):
            check_edit("[a]\nx = 1\n", after, ["default"])


# the diff


@given(content=st.one_of(st.none(), aws_configs()))
def test_without_a_change_there_is_no_diff(content: bytes | None) -> None:
    """Not even a header."""
    text = None if content is None else content.decode("utf-8", "surrogateescape")
    assert Outcome((), text, text).diff(PATH) == ""


CASES = {
    "new": (None, False),
    "plain": ("[default]\nregion = x\n", False),
    "no newline at the end": ("[profile data]\nregion = x", False),
    "CRLF": ("[profile data]\r\nregion = x\r\n", False),
    "bytes": ("[profile data]\n# \udce9\nregion = x\n\x0c\n", False),
    "a secret near": ("[default]\naws_secret_access_key = S3CR3T\n[profile data]\n", True),
    "a secret far": ("[default]\naws_secret_access_key = S3CR3T\n" + "#\n" * 9, True),
}


@pytest.mark.parametrize(("before", "is_secret"), CASES.values(), ids=CASES)
def test_patch_understands_the_diff(tmp_path: Path, before: str | None, is_secret: bool) -> None:
    """It makes the same bytes of it; and no key of the user's is shown."""
    path = tmp_path / "config"
    if before is not None:
        path.write_bytes(before.encode("utf-8", "surrogateescape"))
    found = outcome(before)
    shown = diff_bytes(found, path)
    assert b"S3CR3T" not in shown
    assert found.after
    subprocess.run(["patch", "--binary", "-s", str(path)], input=shown, check=True)
    assert path.read_bytes() == found.after.encode("utf-8", "surrogateescape")


def test_the_diff_ends_with_its_last_line() -> None:
    """No trailing blanks or lines."""
    shown = outcome("[profile data]\nregion = x\nendpoint_url = http://127.0.0.1:8333\n").diff(PATH)
    assert shown == (
        f"--- {PATH}\n+++ {PATH}\n@@ -1,3 +1,4 @@\n [profile data]\n-region = x\n"
        "+region = us-east-1\n endpoint_url = http://127.0.0.1:8333\n"
        "+credential_process = /bin/shim --profile data\n"
    )


def test_the_document_can_be_json_whatever_the_file_holds() -> None:
    """Bytes that are no text are replaced there."""
    told = document(outcome("[profile data]\n# \udce9\n"), PATH, is_dry=True, step=None)
    assert told["diff"].encode("utf-8")
    assert told["changed"] is False
    assert [entry["change"] for entry in told["profiles"]] == ["changed"]


def test_a_malformed_file_is_not_planned_for() -> None:
    """The line is told by its number."""
    with pytest.raises(MalformedLine):
        outcome("[default\n")
