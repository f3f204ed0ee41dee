"""Other people's words, before they stand in a message of ours."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from agentkeys.quoting import quotable, repeats
from tests.support.tokens import sign, web_identity_claims


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("no such role", "no such role"),
        ("two\nlines\tand \x1b[31mcolour", "two lines and [31mcolour"),
        ("x" * 300, "x" * 200),
        (None, ""),
        (42, ""),
        ("", ""),
    ],
)
def test_words_become_one_bounded_line(words: object, shown: str) -> None:
    """Whatever else they hold could move a terminal's cursor or fill a screen."""
    assert quotable(words) == shown


def test_words_that_repeat_a_secret_are_not_shown() -> None:
    """Broken over lines too, and whether it was ours or any other token."""
    assert quotable("you sent hunter2-hunter2", secrets=["hunter2-hunter2"]) == ""
    assert quotable("you sent hunter2-\n hunter2", secrets=["hunter2-hunter2"]) == ""
    assert quotable("you sent hunter 2", secrets=["hunter 2"]) == ""
    assert quotable(f"bad token {sign(web_identity_claims())}") == ""
    assert quotable("nothing to hide", secrets=["hunter2", ""]) == "nothing to hide"


SECRET = "Zq3+vX/9 <secret>=%&'of-some_length~é"

DISGUISES: dict[str, Callable[[str], str]] = {
    "beginning": lambda secret: secret[:14],
    "end": lambda secret: secret[-14:],
    "middle": lambda secret: secret[8:22],
    "percent": lambda secret: quote(secret, safe=""),
    "plus": quote_plus,
    "html": html.escape,
    "backslashes": lambda secret: secret.replace("/", "\\/").replace("'", "\\'"),
    "hex": lambda secret: secret.encode().hex(),
    "HEX": lambda secret: secret.encode().hex().upper(),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64, of more": lambda secret: base64.b64encode(b"name:" + secret.encode()).decode(),
    "base64url": lambda secret: base64.urlsafe_b64encode(b"n:" + secret.encode()).decode(),
    "unseen": "\u200b".join,
    "controls": "\x07".join,
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_secret_in_disguise_is_not_shown(disguise: str) -> None:
    """What servers and proxies do to what they were sent, and a part of it is too much too."""
    said = f"bad: {DISGUISES[disguise](SECRET)} was sent"
    assert quotable(said, secrets=[SECRET]) == ""
    assert repeats(said, ["another", SECRET])
    assert quotable(said.replace("\x07", ""), secrets=["something-else-altogether"])


def test_nothing_is_repeated_by_what_says_nothing() -> None:
    """Nor by what says something else."""
    assert not repeats(None, [SECRET])
    assert not repeats("", [SECRET])
    assert not repeats("request-1", [SECRET])


def test_words_in_common_are_no_trace() -> None:
    """A client secret that somebody has made of words does not silence the issuer."""
    said = "the client is unknown"
    assert quotable(said, secrets=["the-client-and-its-secret"]) == said
