"""What opens something never prints."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.kept import Kept
from agentkeys.leases import Lease
from agentkeys.login import PendingLogin, SiweChallenge
from agentkeys.models import TemporaryCredentials, WebIdentityToken
from agentkeys.secret import Secret
from agentkeys.sessions import BrokerSession
from tests.support.moved_clock import SAMPLE_NOW

VALUE = "correct-horse-battery-staple"
SECRET = Secret(VALUE)
ANY: Any = SECRET
"""The same for what a type checker would not let pass."""
CREDENTIALS = TemporaryCredentials("ASIA0000000000000001", SECRET, SECRET, SAMPLE_NOW)
LEASE = Lease(
    credentials=CREDENTIALS,
    minted_at=SAMPLE_NOW,
    refresh_at=SAMPLE_NOW,
    skew=timedelta(0),
    deadline=0.0,
    role_session_name="agentkeys-run",
    subject="somebody",
    claims={"nonce": VALUE},
)
SESSION = BrokerSession(
    jwt=SECRET,
    url="https://broker.example.com",
    issuer="https://broker.example.com",
    omni="0" * 64,
    wallet=None,
    identity_type="email",
    expires_at=SAMPLE_NOW,
)
HOLDERS = [
    pytest.param(SECRET, id="the secret itself"),
    pytest.param(SESSION, id="session"),
    pytest.param(CREDENTIALS, id="credentials"),
    pytest.param(
        WebIdentityToken(
            SECRET, {"nonce": VALUE}, "iss", "sub", ("aud",), SAMPLE_NOW, "ES256", "key"
        ),
        id="token",
    ),
    pytest.param(LEASE, id="lease"),
    pytest.param(Kept(SESSION, {"digest": LEASE}), id="vault entry"),
    pytest.param(PendingLogin("email", SECRET, timedelta(minutes=10)), id="pending login"),
    pytest.param(SiweChallenge("0x00", "sign this", SECRET), id="challenge"),
]


def _fail(holder: object) -> None:
    raise ValueError(holder)


def _traceback_with(holder: object) -> str:
    try:
        _fail(holder)
    except ValueError as problem:
        lines = traceback.TracebackException.from_exception(problem, capture_locals=True)
        return "".join(lines.format())
    return ""


PRINTERS: list[Callable[[object], str]] = [
    repr,
    str,
    lambda holder: f"{holder}",
    lambda holder: f"{holder!r}",
    lambda holder: "%s %r" % (holder, holder),  # noqa: UP031 - a form that people write
    lambda holder: "{} {!r} {!s}".format(holder, holder, holder),  # noqa: UP032 - another one
    lambda holder: repr([holder, {"key": holder}]),
    lambda holder: str(ValueError(holder)),
    _traceback_with,
]


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("printed", PRINTERS, ids=range(len(PRINTERS)))
def test_a_secret_does_not_print(printed: Callable[[object], str], holder: object) -> None:
    """Neither by itself nor inside of anything that holds one, in whatever way it is printed."""
    assert VALUE not in printed(holder)


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_secret_is_not_logged(holder: object, caplog: pytest.LogCaptureFixture) -> None:
    """Not as an argument, not as a message, not with a traceback."""
    log = logging.getLogger("test")
    log.warning("%s %r", holder, holder)
    log.warning(holder)
    try:
        _fail(holder)
    except ValueError:
        log.exception("failed")
    assert len(caplog.records) == 3
    assert VALUE not in caplog.text


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_secret_is_not_pickled(holder: object) -> None:
    """A cache or a queue cannot write one down by accident."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(holder, protocol)


def test_a_secret_gives_its_state_to_nobody() -> None:
    """Libraries that write objects down ask for it, where pickle itself is refused."""
    for ask in (ANY.__getstate__, ANY.__reduce__, lambda: ANY.__reduce_ex__(4)):
        with pytest.raises(TypeError) as raised:
            ask()
        assert VALUE not in str(raised.value)
    with pytest.raises(TypeError):
        vars(ANY)


@pytest.mark.parametrize("default", [str, repr, format])
def test_json_with_a_default_shows_nothing(default: Callable[[object], str]) -> None:
    """As people write it who want everything to be JSON somehow."""
    assert json.loads(json.dumps([SECRET], default=default)) == ["Secret(…)"]


@pytest.mark.parametrize(
    "use",
    [
        lambda: "%d" % ANY,  # noqa: UP031 - a form that people write
        lambda: "%c" % ANY,  # noqa: UP031
        lambda: VALUE + ANY,
        lambda: bytes(ANY),
        lambda: len(ANY),
        lambda: list(ANY),
        lambda: VALUE in ANY,
        lambda: ANY[0],
        lambda: sorted([ANY, Secret("a")]),
    ],
    ids=range(9),
)
def test_a_secret_is_no_string(use: Callable[[], object]) -> None:
    """What would take it for one raises, and does not say what it is; its order is secret too."""
    with pytest.raises(TypeError) as raised:
        use()
    assert VALUE not in str(raised.value)


def test_a_secret_is_not_json() -> None:
    """Only `reveal` gives it to a serializer."""
    with pytest.raises(TypeError):
        json.dumps({"secret": SECRET})


def test_a_secret_says_that_it_is_one() -> None:
    """With any format, even one that pads or cuts."""
    assert f"{SECRET}" == f"{SECRET:>3}" == f"{SECRET:.2}" == "Secret(…)"


def test_reveal_gives_the_value() -> None:
    """The one way to it."""
    assert SECRET.reveal() == VALUE


def test_a_secret_is_equal_to_one_with_its_value() -> None:
    """And never to the value itself."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert hash(Secret("a")) != hash("a")


def test_an_empty_secret_is_false() -> None:
    """So that `if token:` means what it says."""
    assert Secret("a")
    assert not Secret("")


def test_the_fingerprint_is_the_broker_s() -> None:
    """Hex SHA-256 of the bearer, as in the broker's own audit rows."""
    assert SECRET.fingerprint() == sha256(VALUE.encode()).hexdigest()


def test_values_that_hold_secrets_can_be_copied_in_memory() -> None:
    """`asdict` copies deeply; what it finds stays secret."""
    assert copy.deepcopy(SECRET) is copy.copy(SECRET) is SECRET
    assert replace(CREDENTIALS, access_key_id="ASIA2").secret_access_key is SECRET
    assert asdict(CREDENTIALS)["secret_access_key"] is SECRET


@given(st.text(st.characters(codec=None)))
def test_every_string_can_be_a_secret(value: str) -> None:
    """Half a surrogate pair too: an error about one would carry the value."""
    assert Secret(value) == Secret(value)
    assert len(Secret(value).fingerprint()) == 64
