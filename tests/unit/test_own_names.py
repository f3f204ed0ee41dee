"""`exec --set` and `--legacy-mint`: which value a program's own variable gets, if it may."""

from __future__ import annotations

import pytest

from agentkeys.errors import AgentkeysError
from agentkeys_shell.own_names import FIELDS, check_apart, own_names, parse_minting, parse_settings

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


@pytest.mark.parametrize("names", ["BROKER_URL:BROKER_TOKEN", "a:b", "_:__", "A1:A2"])
def test_two_names_are_for_a_url_and_a_token(names: str) -> None:
    """In that order."""
    assert ":".join(parse_minting(names)) == names


@pytest.mark.parametrize(
    "names",
    [
        "",
        ":",
        "A",
        "A:",
        ":B",
        "A:B:C",
        "A=B",
        "A:1B",
        "A-B:C",
        "A: B",
        "$A:B",
        "A:\u00df",
        "A:B\n",
    ],
)
def test_what_are_no_two_names_is_told(names: str) -> None:
    """With what they would look like."""
    with pytest.raises(AgentkeysError, match="is not URL_VARIABLE:TOKEN_VARIABLE") as found:
        parse_minting(names)
    assert "BROKER_URL:BROKER_TOKEN" in found.value.hint


@pytest.mark.parametrize(
    "name",
    ["AWS_ACCESS_KEY_ID", "AWS_ANYTHING", "BOTO_CONFIG", "AGENTKEYS_CONFIG", "AGENTKEYS_RUN"],
)
@pytest.mark.parametrize("names", ["{}:B", "A:{}"])
def test_what_others_read_is_no_name_for_it(names: str, name: str) -> None:
    """They would take the URL, or the token, for something else."""
    with pytest.raises(AgentkeysError, match=f"{name} has a meaning of its own") as found:
        parse_minting(names.format(name))
    assert found.value.hint


def test_one_name_cannot_be_for_both() -> None:
    """Nor can one that --set gives something else."""
    with pytest.raises(AgentkeysError, match="names A for the URL and for the token") as found:
        parse_minting("A:A")
    assert found.value.hint == "name two variables"
    check_apart(("A", "B"), ["C=region", ""])
    with pytest.raises(AgentkeysError, match="--legacy-mint and --set both name B"):
        check_apart(("A", "B"), ["C=region", "B=region"])
