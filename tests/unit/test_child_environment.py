"""A program under `exec` starts from a clean AWS surface."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys_shell.environment import HARMLESS, child_environment, is_inherited

STRANGERS = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SDK_UA_APP_ID",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_SOMETHING_NEW",
    "BOTO_CONFIG",
    "EC2_SECURITY_TOKEN",
    "AGENTKEYS_SESSION",
    "AGENTKEYS_SESSION_ID",
    "AGENTKEYS_SOCKET",
    "AGENTKEYS_RUN",
    "AGENTKEYS_USER_WALLET",
    "AGENTKEYS_S3_BUCKET",
    "AGENTKEYS_S3_PREFIX",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
]
CLIENT_SECRETS = ["AGENTKEYS_CLIENT_SECRET", "AGENTKEYS_CLIENT_SECRET_CI"]


@pytest.mark.parametrize("name", STRANGERS)
def test_no_other_credentials_reach_a_child(name: str) -> None:
    """Nor what would lead its requests, and the session token in them, elsewhere."""
    assert child_environment({name: "somebody else's"}, b"") == {}


@pytest.mark.parametrize("name", CLIENT_SECRETS)
def test_an_identity_s_secret_reaches_no_child(name: str) -> None:
    """Not even one whose user wants it to: it would open more than the run may have."""
    for options in ({}, {"keep": [name]}, {"inherit_aws": True}):
        assert child_environment({name: "secret"}, b"", **options) == {}


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "AWSOME",
        "aws_profile",
        "AGENTKEYS_CONFIG",
        "ACTIONS_CACHE_URL",
        "GITHUB_SHA",
    ],
)
def test_everything_else_is_the_caller_s(name: str) -> None:
    """A child may run agentkeys itself, with the same settings."""
    assert child_environment({name: "x"}, b"") == {name: "x"}


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_harmless_aws_settings_stay(name: str) -> None:
    """A user's retries and certificates do not change who the program is."""
    assert is_inherited(name)


def test_what_is_given_wins() -> None:
    """Over whatever was there, harmless or not."""
    given = b"AWS_REGION=eu-central-1\0AGENTKEYS_PROFILE=data\0PATH=/given\0"
    inherited = {"AWS_REGION": "us-west-2", "AGENTKEYS_PROFILE": "other", "PATH": "/bin"}
    assert child_environment(inherited, given) == {
        "AWS_REGION": "eu-central-1",
        "AGENTKEYS_PROFILE": "data",
        "PATH": "/given",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(b"", {}, id="nothing"),
        pytest.param(b"A=\0", {"A": ""}, id="empty"),
        pytest.param(b"A=b=c\0", {"A": "b=c"}, id="a value with an equals sign"),
        pytest.param(b"A=b\nc\0", {"A": "b\nc"}, id="a value of two lines"),
        pytest.param(b"A=1\0B=2", {"A": "1", "B": "2"}, id="no end mark"),
        pytest.param(b"A=\xff\0", {"A": "\udcff"}, id="no utf-8"),
        pytest.param(b"A\0B=2\0", {"B": "2"}, id="no value"),
    ],
)
def test_the_run_s_own_is_read_as_env_0_prints_it(given: bytes, expected: dict[str, str]) -> None:
    """Values may hold anything but NUL."""
    assert child_environment({}, given) == expected


@given(
    st.dictionaries(
        st.sampled_from([*STRANGERS, *CLIENT_SECRETS, "PATH"]) | st.text("AWS_BOT", min_size=1),
        st.text(),
    )
)
def test_of_aws_a_child_sees_what_is_harmless_or_given(inherited: dict[str, str]) -> None:
    """Whatever its caller's environment holds."""
    child = child_environment(inherited, b"AWS_REGION=here\0")
    for name in child:
        if name.startswith(("AWS_", "BOTO_")):
            assert name in HARMLESS | {"AWS_REGION"}
    assert child["AWS_REGION"] == "here"


HERMETIC = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED")
"""What a run gives so that its program sees nothing of the user's own."""


@pytest.mark.parametrize("name", [*STRANGERS, "AWS_EC2_METADATA_DISABLED"])
def test_what_a_user_names_is_kept(name: str) -> None:
    """Of what nobody else would get; what the run is about still wins."""
    assert child_environment({name: "own"}, b"", keep=[name, "NOT_THERE"]) == {name: "own"}
    given = f"{name}=given\0".encode()
    winner = "own" if name in HERMETIC else "given"
    assert child_environment({name: "own"}, given, keep=[name]) == {name: winner}
    assert child_environment({name: "own"}, given) == {name: "given"}


@pytest.mark.parametrize("name", HERMETIC)
def test_what_is_kept_but_not_there_opens_nothing(name: str) -> None:
    """Without it, clients would look where they always do: in the user's home."""
    given = f"{name}=given\0".encode()
    assert child_environment({}, given, keep=[name]) == {name: "given"}
    assert child_environment({name: ""}, given, keep=[name]) == {name: ""}


def test_no_name_keeps_nothing() -> None:
    """Least of all an empty one."""
    assert child_environment({"AWS_PROFILE": "own"}, b"", keep=[""]) == {}


CREDENTIALS = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "EC2_SECURITY_TOKEN",
}


@pytest.mark.parametrize("name", STRANGERS)
def test_with_all_that_is_aws_other_credentials_still_go(name: str) -> None:
    """And what clients would take before them; and what is ours, which is another run's."""
    child = child_environment({name: "own"}, b"", inherit_aws=True)
    is_aws = name.startswith(("AWS_", "BOTO_"))
    assert (name in child) is (is_aws and name not in CREDENTIALS)


def test_with_all_that_is_aws_the_user_s_files_are_read() -> None:
    """The private ones, and the switch for metadata, are for those who see nothing else."""
    given = b"AWS_CONFIG_FILE=/p\0AWS_SHARED_CREDENTIALS_FILE=/p\0AWS_EC2_METADATA_DISABLED=true\0"
    assert child_environment({}, given, inherit_aws=True) == {}
    own = {"AWS_CONFIG_FILE": "/own"}
    assert child_environment(own, given, inherit_aws=True) == own
    assert child_environment(own, given)["AWS_CONFIG_FILE"] == "/p"


PROXY = {"https_proxy": "http://proxy.example.com"}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": ""}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "internal"}, "internal,127.0.0.1,localhost"),
        ({"no_proxy": " internal , ,localhost"}, "internal,localhost,127.0.0.1"),
        ({"no_proxy": "127.0.0.1,localhost"}, "127.0.0.1,localhost"),
    ],
)
def test_both_spellings_lead_past_a_proxy(own: dict[str, str], expected: str) -> None:
    """Some clients read one, some the other."""
    child = child_environment(PROXY | own, b"")
    assert child["NO_PROXY"] == child["no_proxy"] == expected


def test_spellings_that_differ_stay_so() -> None:
    """Each has a meaning to somebody."""
    child = child_environment(PROXY | {"NO_PROXY": "a", "no_proxy": "b"}, b"")
    assert child["NO_PROXY"] == "a,127.0.0.1,localhost"
    assert child["no_proxy"] == "b,127.0.0.1,localhost"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
def test_any_proxy_counts(name: str) -> None:
    """In either spelling."""
    assert "NO_PROXY" in child_environment({name: "http://proxy.example.com"}, b"")
    assert "NO_PROXY" not in child_environment({name: ""}, b"")


def test_who_asks_no_proxy_for_anything_needs_no_more() -> None:
    """A star is everything."""
    own = PROXY | {"NO_PROXY": "*"}
    assert child_environment(own, b"")["NO_PROXY"] == "*"
    assert child_environment({"NO_PROXY": "internal"}, b"") == {"NO_PROXY": "internal"}
