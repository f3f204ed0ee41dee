"""Other people's words, before they stand in a message of ours."""

from __future__ import annotations

import pytest

from agentkeys.quoting import quotable
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
