"""Values that are valid once they exist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import ConfigError
from agentkeys.models import Confinement, RoleArn, TemporaryCredentials
from agentkeys.secret import Secret
from tests.support.moved_clock import SAMPLE_NOW


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        pytest.param("arn:aws:iam::111122223333:role/data", "data", id="aws"),
        pytest.param("arn:aws-us-gov:iam::111122223333:role/a/b/data", "data", id="with a path"),
        pytest.param("arn:aws:iam:::role/ceph-role", "ceph-role", id="ceph, no account"),
        pytest.param("arn:minio:iam:::role/Ab_c-1", "Ab_c-1", id="minio"),
        pytest.param("arn:minio:iam:eu-1::role/Ab_c-1", "Ab_c-1", id="minio with a region"),
    ],
)
def test_a_role_arn_knows_its_name(arn: str, name: str) -> None:
    """Of every store that has roles; it prints as it was written."""
    role = RoleArn.parse(arn)
    assert (role.name, str(role)) == (name, arn)
    assert role.account in ("111122223333", "")
    assert bool(role.account) == ("111122223333" in arn)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("data", id="a bare name"),
        pytest.param("arn:aws:iam::1:role/", id="no name"),
        pytest.param("arn:a:iam:::role/a", id="under 20 characters"),
        pytest.param("arn:aws:iam::111122223333:user/data", id="a user"),
        pytest.param("arn:aws:sts::111122223333:assumed-role/data/x", id="a session"),
        pytest.param("arn:aws:iam::111122223333:role/data\n", id="a line's end"),
        pytest.param("arn:aws:iam::111122223333:role/d*ta", id="a wildcard"),
        pytest.param("arn:aws:iam::111122223333:role/" + "x" * 2048, id="over 2048 characters"),
    ],
)
def test_what_is_no_role_arn_is_refused(text: str) -> None:
    """With the form it should have in the hint."""
    with pytest.raises(ConfigError, match="is not a role ARN") as refusal:
        RoleArn.parse(text)
    assert "arn:aws:iam::<account>:role/<name>" in refusal.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("tags", Confinement("tags"), id="tags"),
        pytest.param("role", Confinement("role"), id="role"),
        pytest.param("claim:sub", Confinement("claim", "sub"), id="claim"),
        pytest.param("claim:a:b", Confinement("claim", "a:b"), id="a claim with a colon"),
    ],
)
def test_a_confinement_is_read_and_written_alike(text: str, expected: Confinement) -> None:
    """Its text is part of the lease key, so it must not change on the way."""
    assert Confinement.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text", ["", "tag", "Tags", "tags:", "tags:x", "role:x", "claim", "claim:", "claims:x", "none"]
)
def test_what_is_no_confinement_is_refused(text: str) -> None:
    """There is no way to write "not confined"."""
    with pytest.raises(ConfigError, match="is not a kind of confinement"):
        Confinement.parse(text)


@given(st.text())
def test_every_text_is_a_known_confinement_or_refused(text: str) -> None:
    """The kind is always one that the check knows."""
    try:
        confine = Confinement.parse(text)
    except ConfigError:
        return
    assert confine.kind in ("tags", "claim", "role")
    assert (confine.claim is not None) == (confine.kind == "claim")


def test_credentials_show_an_ending_only() -> None:
    """Enough to tell two apart."""
    credentials = TemporaryCredentials("ASIA000000000000WXYZ", Secret("s"), Secret("t"), SAMPLE_NOW)
    assert credentials.key_ending == "WXYZ"
