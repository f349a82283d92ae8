"""Durations as people write them, and as kubectl shows them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from katib.api.duration import format_duration, parse_duration
from katib.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90), ("1h30m", 5400), ("500ms", 0.5), ("2d", 172_800), ("1.5h", 5400), ("1d2h3m4s5ms", 93_784.005),
        ("0.5s", 0.5), ("36500d", 3_153_600_000),
    ],
)  # fmt: skip
def test_reads(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "90", "1", "s", "h1", "1 h", " 1h", "1h ", "-1h", "+1h", "1w", "1y", "1H", "1e3s", "1h30", "1..5h", "٣s", "∞",
     "1h\n", "nan s", "1" * 10 + "s", "1s" * 101],
)  # fmt: skip
def test_what_is_no_duration_is_told_how_to_write_one(text):
    with pytest.raises(InvalidInput, match="is not a duration: write numbers with units"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0ms", "0.0d", "0.000000001ms"])
def test_nothing_is_no_duration(text):
    with pytest.raises(InvalidInput, match="more than nothing"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36501d", "999999999d", "999999999d999999999d"])
def test_more_than_a_century_is_too_long(text):
    with pytest.raises(InvalidInput, match="too long"):
        parse_duration(text)


def test_any_duration_from_now_is_a_date():
    assert datetime(2100, 1, 1, tzinfo=UTC) + parse_duration("36500d")


def test_message_about_a_long_text_is_short():
    with pytest.raises(InvalidInput) as caught:
        parse_duration("x" * 1_000_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (0.25, "250ms"), (1, "1s"), (59.9, "59s"), (60, "1m"), (200, "3m20s"), (3600, "1h"), (3605, "1h"),
        (7260, "2h1m"), (86_400, "1d"), (90_000, "1d1h"), (86_460, "1d"), (442_800, "5d3h"), (-5, "0s"),
    ],
)  # fmt: skip
def test_prints_two_units_at_most(seconds, text):
    assert format_duration(timedelta(seconds=seconds)) == text


@settings(derandomize=True, database=None, deadline=None)
@given(st.integers(1, 10**9))
def test_what_is_printed_is_read_as_at_most_that(seconds):
    read = parse_duration(format_duration(timedelta(seconds=seconds)))
    assert read <= timedelta(seconds=seconds)
    assert read > timedelta(seconds=seconds) * 0.95
