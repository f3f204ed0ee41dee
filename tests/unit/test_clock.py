"""Times as they go over the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.clock import SystemClock, format_utc, parse_utc


def test_the_system_clock_tells_utc_and_never_goes_back() -> None:
    """Aware wall time for others, monotonic time for ourselves."""
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


def test_a_time_is_written_in_the_one_form_every_client_takes() -> None:
    """In UTC, with a Z, whatever zone it came in."""
    east = timezone(timedelta(hours=2))
    assert format_utc(datetime(2030, 1, 2, 5, 4, 5, tzinfo=east)) == "2030-01-02T03:04:05Z"


def test_fractions_are_cut_off() -> None:
    """An Expiration never promises more than it holds."""
    assert format_utc(datetime(2030, 1, 2, 3, 4, 5, 999_999, UTC)) == "2030-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2030-01-02T03:04:05Z", datetime(2030, 1, 2, 3, 4, 5, 0, UTC), id="plain"),
        pytest.param(
            "2030-01-02T03:04:05.123456789Z",
            datetime(2030, 1, 2, 3, 4, 5, 123456, UTC),
            id="nanoseconds",
        ),
        pytest.param(
            "2030-01-02T03:04:05.5+02:00", datetime(2030, 1, 2, 1, 4, 5, 500_000, UTC), id="a zone"
        ),
    ],
)
def test_times_are_read_as_stores_write_them(text: str, expected: datetime) -> None:
    """Any number of fraction digits, any zone; the result is in UTC."""
    assert parse_utc(text) == expected
    assert parse_utc(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("soon", id="words"),
        pytest.param("2030-01-02T03:04:05", id="no zone"),
        pytest.param("2030-01-02", id="no time"),
        pytest.param("2030-13-02T03:04:05Z", id="month 13"),
        pytest.param("2030-01-02T03:04:05.Z.Z", id="two points"),
        pytest.param("0001-01-01T00:00:00+10:00", id="before all years"),
        pytest.param("9999-12-31T23:59:59-10:00", id="after all years"),
    ],
)
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    """A time without a zone is none: it would mean something else on every machine."""
    with pytest.raises(ValueError, match=r"."):
        parse_utc(text)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    """It gives an aware time or a ValueError, whatever a store sends."""
    try:
        at = parse_utc(text)
    except ValueError:
        return
    assert at.tzinfo is UTC


@given(st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)))
def test_what_is_written_can_be_read(at: datetime) -> None:
    """Except for the fraction."""
    assert parse_utc(format_utc(at)) == at.replace(microsecond=0)
