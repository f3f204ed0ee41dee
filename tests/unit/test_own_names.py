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
    wanted = parse_settings(["A=region", "B=region", "C=bucket", "C=access_key_id"], has_keys=True)
    assert wanted == {"A": "region", "B": "region", "C": "access_key_id"}
    assert own_names(wanted, KEYS) == {"A": "eu-1", "B": "eu-1", "C": "ASIA"}


def test_values_stay_as_they_are() -> None:
    """With whatever is in them."""
    assert own_names({"S": "secret_access_key"}, KEYS) == {"S": "s=e=c"}


@pytest.mark.parametrize("setting", ["", "NAME", "NAME=", "=region", "NAME=Region", "A=b=region"])
def test_what_is_no_setting_names_the_fields(setting: str) -> None:
    """All of them."""
    with pytest.raises(AgentkeysError, match="is not NAME=FIELD") as found:
        parse_settings([setting], has_keys=True)
    assert all(field in found.value.hint for field in FIELDS)


@pytest.mark.parametrize(
    ("field", "given", "hint"),
    [
        ("bucket", ENDPOINT, "set bucket in the profile"),
        ("prefix", KEYS, "set prefix in the profile"),
        ("endpoint", KEYS, "AWS finds its own"),
    ],
)
def test_a_field_that_the_run_has_not_is_told(field: str, given: bytes, hint: str) -> None:
    """With what would give it one."""
    with pytest.raises(AgentkeysError, match=f"the run has no {field} to set as MINE") as found:
        own_names({"MINE": field}, given)
    assert found.value.hint.startswith(hint)


@pytest.mark.parametrize("field", ["access_key_id", "secret_access_key", "session_token"])
def test_a_run_with_the_endpoint_has_no_keys(field: str) -> None:
    """Told before anything is minted."""
    with pytest.raises(AgentkeysError, match=f"the run has no {field} to set as A") as found:
        parse_settings([f"A={field}"], has_keys=False)
    assert "exclude each other" in found.value.hint
    assert parse_settings(["A=region"], has_keys=False) == {"A": "region"}
