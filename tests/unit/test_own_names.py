"""`exec --set NAME=FIELD`: which value a program's own variable gets."""

from __future__ import annotations

import pytest

from agentkeys.errors import AgentkeysError
from agentkeys_shell.own_names import FIELDS, own_names, parse_settings

KEYS = b"AWS_ACCESS_KEY_ID=ASIA\0AWS_SECRET_ACCESS_KEY=s=e=c\0AWS_REGION=eu-1\0"
ENDPOINT = b"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1\0AWS_REGION=eu-1\0"


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_has_a_variable(field: str) -> None:
    """Whose value it gets."""
    given = f"{FIELDS[field]}=value of {field}\0".encode()
    assert own_names({"MINE": field}, given) == {"MINE": f"value of {field}"}


def test_several_names_can_stand_for_one_field() -> None:
    """And of a name that is given twice the last one counts."""
    wanted = parse_settings(["A=region", "B=region", "C=bucket", "C=access_key_id"])
    assert wanted == {"A": "region", "B": "region", "C": "access_key_id"}
    assert own_names(wanted, KEYS) == {"A": "eu-1", "B": "eu-1", "C": "ASIA"}


def test_values_stay_as_they_are() -> None:
    """With whatever is in them."""
    assert own_names({"S": "secret_access_key"}, KEYS) == {"S": "s=e=c"}


@pytest.mark.parametrize("setting", ["", "NAME", "NAME=", "=region", "NAME=Region", "A=b=region"])
def test_what_is_no_setting_names_the_fields(setting: str) -> None:
    """All of them."""
    with pytest.raises(AgentkeysError, match="is not NAME=FIELD") as found:
        parse_settings([setting])
    assert all(field in found.value.hint for field in FIELDS)


@pytest.mark.parametrize(
    ("field", "given", "hint"),
    [
        ("session_token", ENDPOINT, "fixed keys and --refresh exclude each other"),
        ("expiration", ENDPOINT, "fixed keys and --refresh exclude each other"),
        ("bucket", ENDPOINT, "set the profile's bucket"),
        ("prefix", KEYS, "set the profile's prefix"),
        ("endpoint", KEYS, "set the profile's store to one with an s3_endpoint"),
    ],
)
def test_a_field_that_the_run_has_not_is_told(field: str, given: bytes, hint: str) -> None:
    """With what would give it one."""
    with pytest.raises(AgentkeysError, match=f"the run has no {field} to set as MINE") as found:
        own_names({"MINE": field}, given)
    assert found.value.hint.startswith(hint)
