"""The few words that clients and the daemon share."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.protocol import SETTINGS, handed_headers, quote, quote_name, settings_token
from agentkeys_daemon.handed_over import handed_over


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quoting_is_undone_by_unquote(text: str) -> None:
    """And what it gives can stand in a header or a path."""
    quoted = quote(text)
    assert unquote(quoted) == text
    assert quoted.isascii()
    assert quoted.isprintable()
    assert not set(quoted) & set(' &=?#%"\\') - {"%"}


def test_bytes_that_are_no_utf_8_survive() -> None:
    """Paths on Linux are bytes."""
    name = b"/caf\xe9".decode("utf-8", "surrogateescape")
    assert quote(name) == "/caf%E9"
    assert unquote(quote(name), errors="surrogateescape") == name


@pytest.mark.parametrize(
    ("name", "part"),
    [
        pytest.param("data", "data", id="a name"),
        pytest.param("a/b", "a%2Fb", id="a slash"),
        pytest.param("../x", "..%2Fx", id="a path"),
        pytest.param("a b", "a%20b", id="a space"),
        pytest.param("x" * 5000, "x" * 256, id="longer than any"),
    ],
)
def test_a_name_is_one_part_of_a_path(name: str, part: str) -> None:
    """Whatever was given for one on a command line."""
    assert quote_name(name) == part


def _cwd() -> str:
    return "/home/somebody"


@pytest.mark.parametrize(
    ("environ", "token"),
    [
        pytest.param({}, "", id="nothing set"),
        pytest.param({"AGENTKEYS_VAULT": ""}, "", id="set to nothing"),
        pytest.param({"AGENTKEYS_PROFILE": "data", "HOME": "/root"}, "", id="not a setting"),
        pytest.param(
            {"AGENTKEYS_CONFIG": "a b.toml"},
            "AGENTKEYS_CONFIG=/home/somebody/a%20b.toml",
            id="a relative path is made absolute",
        ),
        pytest.param(
            {"AGENTKEYS_STATE_DIR": "/state", "AGENTKEYS_VAULT": "memory"},
            "AGENTKEYS_STATE_DIR=/state&AGENTKEYS_VAULT=memory",
            id="two settings",
        ),
        pytest.param(
            {"AGENTKEYS_DATA_ROLE_ARN": "a&b=c", "AGENTKEYS_BROKER_URL": "http://localhost:1"},
            "AGENTKEYS_BROKER_URL=http://localhost:1&AGENTKEYS_DATA_ROLE_ARN=a%26b%3Dc",
            id="in one order, no value ends early",
        ),
    ],
)
def test_settings_are_one_token(environ: dict[str, str], token: str) -> None:
    """Equal environments give equal tokens, different ones different tokens."""
    assert settings_token(environ, _cwd) == token


@given(
    st.dictionaries(st.sampled_from(SETTINGS), st.text(st.characters(codec="utf-8"), min_size=1)),
    st.dictionaries(st.sampled_from(SETTINGS), st.text(st.characters(codec="utf-8"), min_size=1)),
)
def test_different_settings_never_look_alike(ours: dict[str, str], theirs: dict[str, str]) -> None:
    """A daemon started with other settings is always noticed."""
    absolute = ("AGENTKEYS_CONFIG", "AGENTKEYS_STATE_DIR")
    ours, theirs = (
        {name: f"/{value}" if name in absolute else value for name, value in settings.items()}
        for settings in (ours, theirs)
    )
    assert (settings_token(ours, _cwd) == settings_token(theirs, _cwd)) == (ours == theirs)


JOB = "ACTIONS_ID_TOKEN_REQUEST_"


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"AWS_WEB_IDENTITY_TOKEN_FILE": "/" + "a/" * 5000}, id="a path too long"),
        pytest.param({f"{JOB}URL": "https://x" + "a" * 9000, f"{JOB}TOKEN": "t"}, id="a long URL"),
        pytest.param({f"{JOB}URL": "https://x/", f"{JOB}TOKEN": "t" * 9000}, id="a long token"),
        pytest.param({f"{JOB}URL": "https://x/"}, id="a URL alone"),
        pytest.param({f"{JOB}TOKEN": "t"}, id="a token alone"),
    ],
)
def test_what_cannot_be_used_is_sent_too(environ: dict[str, str]) -> None:
    """Without it the daemon would go on with what another client has sent before."""
    headers = dict(handed_headers(environ, _cwd))
    assert len(headers) == 1
    assert len(*headers.values()) < 16_000
    assert list(handed_over(headers))
