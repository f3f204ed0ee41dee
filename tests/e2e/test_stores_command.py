"""`agentkeys stores`: what there is, and what one of them needs, without a daemon."""

from __future__ import annotations

import json

import pytest

from agentkeys.stores import STORE_KINDS
from tests.support.programs import Home

CONFIG = """
default_profile = "lab"

[identities.me]
source = "broker"
url = "https://broker.example.com"

[stores.lab]
kind = "ceph"
sts_endpoint = "https://rgw.example.com"
s3_endpoint = "https://rgw.example.com"

[stores.gov]
kind = "aws"
region = "us-gov-west-1"
fips = true

[profiles.lab]
identity = "me"
store = "lab"
role_arn = "arn:aws:iam:::role/data"
bucket = "lab-bucket"
expect_wallet = "0x745f96a153d61c6e0ea9514811e2ce9f6f1f5ef9"

[profiles.gov]
identity = "me"
store = "gov"
role_arn = "arn:aws-us-gov:iam::111122223333:role/data"
bucket = "gov-bucket"
"""


def test_it_lists_every_kind_and_what_is_configured(home: Home) -> None:
    """For people and for programs alike."""
    home.configure(CONFIG)
    told = json.loads(home.succeed("agentkeys", "stores", "--json"))
    assert told["version"] == 1
    assert [kind["name"] for kind in told["kinds"]] == list(STORE_KINDS)
    assert [store["name"] for store in told["stores"]] == ["aws", "lab", "gov"]
    assert told["stores"][2] == {
        "name": "gov",
        "kind": "aws",
        "sts_endpoint": None,
        "s3_endpoint": None,
        "region": "us-gov-west-1",
        "fips": True,
        "dual_stack": False,
        "checksums": None,
    }
    shown = home.succeed("agentkeys", "stores")
    assert all(kind in shown for kind in STORE_KINDS)
    assert "https://rgw.example.com" in shown
    assert "by region fips" in shown


def test_without_a_configuration_there_is_aws(home: Home) -> None:
    """It is built in."""
    told = json.loads(home.succeed("agentkeys", "stores", "--json"))
    assert [store["name"] for store in told["stores"]] == ["aws"]


@pytest.mark.parametrize("options", [(), ("--revoke",)], ids=["needs", "revoke"])
@pytest.mark.parametrize("kind", list(STORE_KINDS))
def test_every_kind_is_explained_without_anything(
    home: Home, kind: str, options: tuple[str, ...]
) -> None:
    """No configuration, no daemon; what is shown to people is what programs are told."""
    shown = home.succeed("agentkeys", "stores", "explain", kind, *options)
    told = json.loads(home.succeed("agentkeys", "stores", "explain", kind, *options, "--json"))
    assert (told["kind"], told["profile"]) == (kind, None)
    for part in told["parts"]:
        assert part["title"] in shown
        if isinstance(part["content"], str):
            assert part["content"] in shown
    assert shown.startswith(f"# {STORE_KINDS[kind].title}\n")
    assert max(len(line) for line in shown.splitlines() if line.startswith("#")) <= 100
    assert not home.socket.parent.exists()


def test_the_default_profile_s_values_are_filled_in(home: Home) -> None:
    """Or those of the only profile on a store of that kind."""
    home.configure(CONFIG)
    ceph = home.succeed("agentkeys", "stores", "explain", "ceph")
    assert ceph.startswith("# Ceph, for the profile lab\n")
    assert "lab-bucket/bots/0x745f96a153d61c6e0ea9514811e2ce9f6f1f5ef9/*" in ceph
    aws = home.succeed("agentkeys", "stores", "explain", "aws")
    assert "arn:aws-us-gov:s3:::gov-bucket/bots/${aws:PrincipalTag/agentkeys_user_wallet}/*" in aws
    assert aws == home.succeed("agentkeys", "stores", "explain", "aws", "--profile", "gov")


def test_a_profile_of_another_kind_is_refused(home: Home) -> None:
    """With the command that it would be right for."""
    home.configure(CONFIG)
    done = home.run("agentkeys", "stores", "explain", "aws", "-p", "lab")
    assert (done.status, done.stdout) == (1, "")
    error, hint = done.complaint()
    assert error == "the store of the profile lab is Ceph, not AWS"
    assert hint == "run: agentkeys stores explain ceph --profile lab"


@pytest.mark.parametrize(
    ("argv", "status", "error"),
    [
        (["explain", "swift"], 2, "invalid value for '{aws|minio|ceph|seaweedfs}': 'swift'"),
        (["explain"], 2, "missing argument"),
        (["--json", "explain", "aws"], 2, "--json goes behind the command"),
        (["explain", "aws", "-p", "nobody"], 1, "there is no profile 'nobody'"),
        (["explain", "aws", "-p", ""], 2, "invalid value for '--profile'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_error_and_one_hint(
    home: Home, argv: list[str], status: int, error: str
) -> None:
    """Nothing on standard output."""
    done = home.run("agentkeys", "stores", *argv)
    assert (done.status, done.stdout) == (status, "")
    assert done.complaint()[0].startswith(error)


def test_a_broken_configuration_is_told(home: Home) -> None:
    """Rather than passed over: its values would be missing in what is pasted."""
    home.configure("[profiles.data]\n")
    done = home.run("agentkeys", "stores", "explain", "aws")
    assert done.status == 1
    assert "profiles.data.identity is missing" in done.complaint()[0]
