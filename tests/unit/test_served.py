"""What a program gets to hold: everything of one answer, and no secret where one could be seen."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import ProtocolError
from agentkeys.secret import Secret
from agentkeys.served import ServedCredentials, parse_served

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "ASIA0000000000000001",
    "AWS_SECRET_ACCESS_KEY": "secret-1",
    "AWS_SESSION_TOKEN": "session-1==",
    "AWS_CREDENTIAL_EXPIRATION": "2030-01-02T03:04:05Z",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:8333",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:8333",
    "AGENTKEYS_PROFILE": "data",
    "AGENTKEYS_S3_BUCKET": "agentkeys",
    "AGENTKEYS_S3_PREFIX": "bots/0x52/",
    "AGENTKEYS_USER_WALLET": "0x52",
}
NEEDED = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_REGION",
    "AGENTKEYS_PROFILE",
]


def answer(variables: dict[str, str]) -> bytes:
    text = "".join(f"{name}={value}\0" for name, value in variables.items())
    return text.encode("utf-8", "surrogateescape")


def without(*names: str) -> bytes:
    return answer({name: value for name, value in VARIABLES.items() if name not in names})


SERVED = parse_served(answer(VARIABLES))


def test_every_field_is_of_the_answer() -> None:
    """Keys, time and place, each with a type of its own."""
    assert (SERVED.profile, SERVED.access_key_id) == ("data", "ASIA0000000000000001")
    assert SERVED.secret_access_key == Secret("secret-1")
    assert SERVED.session_token == Secret("session-1==")
    assert SERVED.expires_at == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (SERVED.region, SERVED.endpoint_url) == ("eu-central-1", "http://127.0.0.1:8333")
    assert (SERVED.bucket, SERVED.prefix) == ("agentkeys", "bots/0x52/")
    assert SERVED.wallet == "0x52"


def test_what_a_profile_does_not_have_is_none() -> None:
    """AWS has no endpoint of its own, and not every profile names a place or a wallet."""
    found = parse_served(
        without(
            "AWS_ENDPOINT_URL_S3",
            "AGENTKEYS_S3_BUCKET",
            "AGENTKEYS_S3_PREFIX",
            "AGENTKEYS_USER_WALLET",
        )
    )
    assert (found.endpoint_url, found.bucket, found.prefix, found.wallet) == (None,) * 4
    assert found.as_boto3()["endpoint_url"] is None


@pytest.mark.parametrize("name", NEEDED)
def test_an_answer_without_the_needed_is_none(name: str) -> None:
    """Half of one must never reach an SDK; the error names what is missing, and no value."""
    with pytest.raises(ProtocolError, match=f"holds no {name}") as caught:
        parse_served(without(name))
    assert "secret-1" not in str(caught.value)
    assert caught.value.hint


def test_an_answer_that_was_cut_off_is_none() -> None:
    """An entry counts once its NUL is there: half a token looks like a whole one."""
    with pytest.raises(ProtocolError, match="holds no AGENTKEYS_PROFILE"):
        parse_served(answer({**VARIABLES, "AGENTKEYS_PROFILE": "data"}).partition(b"=data")[0])


def test_a_time_that_is_none_is_refused() -> None:
    """Credentials without an end would be used for ever."""
    with pytest.raises(ProtocolError, match="AWS_CREDENTIAL_EXPIRATION") as caught:
        parse_served(answer({**VARIABLES, "AWS_CREDENTIAL_EXPIRATION": "tomorrow"}))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "shown",
    [repr, str, "{}".format, lambda served: repr([served]), lambda served: str(asdict(served))],
    ids=["repr", "str", "format", "in a list", "as a dict"],
)
def test_it_shows_no_secret(shown: object) -> None:
    """In logs and tracebacks there is neither the secret key nor the token."""
    assert callable(shown)
    text = shown(SERVED)
    assert "secret-1" not in text
    assert "session-1" not in text


def test_its_repr_does_not_show_the_access_key() -> None:
    """It is no secret, and still nothing for a log."""
    assert "ASIA" not in repr(SERVED)


def test_it_cannot_be_pickled() -> None:
    """A queue or a cache on disk would keep the secrets."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(SERVED)


def test_it_gives_boto3_its_arguments() -> None:
    """Those of `boto3.client`, in the clear."""
    assert SERVED.as_boto3() == {
        "aws_access_key_id": "ASIA0000000000000001",
        "aws_secret_access_key": "secret-1",
        "aws_session_token": "session-1==",
        "region_name": "eu-central-1",
        "endpoint_url": "http://127.0.0.1:8333",
    }


_names = st.text(st.characters(codec="ascii", exclude_characters="=\0"), min_size=1)
_values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.dictionaries(_names, _values))
def test_it_gives_every_variable_back(others: dict[str, str]) -> None:
    """Those that this version does not know too, whatever is in them."""
    variables = others | VARIABLES
    served = parse_served(answer(variables))
    assert isinstance(served, ServedCredentials)
    assert served.as_environment() == variables
