"""Durations as people write and read them on the command line."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys_shell.durations import BadDuration, duration_option, in_words


def parse(text: str) -> timedelta:
    """What an option makes of it."""
    found: list[timedelta] = []

    @click.command()
    @duration_option("--for", help="How long.")
    def command(**options: timedelta) -> None:
        found.extend(options.values())

    command.main([f"--for={text}"], standalone_mode=False)
    return found[0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20m", 1200), ("1h", 3600), ("1h30m", 5400), ("900s", 900), ("1h0m1s", 3601)],
)
def test_durations_are_read_as_in_the_configuration(text: str, seconds: int) -> None:
    """Hours, minutes and seconds, in that order."""
    assert parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "0s", "20", "20 m", "m20", "-1m", "1.5h", "24001h", f"{'9' * 30}h", "9" * 5000]
)
def test_anything_else_is_a_mistake_with_a_hint(text: str) -> None:
    """Also what is longer than any lease lasts."""
    with pytest.raises(BadDuration) as caught:
        parse(text)
    assert caught.value.hint == "write it as 20m, 1h, 1h30m or 900s"


@pytest.mark.parametrize(
    ("seconds", "words", "exactly"),
    [
        (0, "0s", "0s"),
        (59.9, "59s", "59s"),
        (60, "1m", "1m"),
        (63, "1m", "1m 3s"),
        (3599, "59m", "59m 59s"),
        (3600, "1h 0m", "1h"),
        (3605, "1h 0m", "1h 0m 5s"),
        (17940, "4h 59m", "4h 59m"),
        (90061, "25h 1m", "25h 1m 1s"),
    ],
)
def test_durations_are_told_in_words(seconds: float, words: str, exactly: str) -> None:
    """To the minute where a glance is enough, to the second where it is counted down."""
    span = timedelta(seconds=seconds)
    assert in_words(span) == words
    assert in_words(span, exact=True) == exactly


@given(st.integers(min_value=1, max_value=10**7))
def test_what_is_told_exactly_can_be_typed_again(seconds: int) -> None:
    """Without its spaces."""
    span = timedelta(seconds=seconds)
    assert parse(in_words(span, exact=True).replace(" ", "")) == span
