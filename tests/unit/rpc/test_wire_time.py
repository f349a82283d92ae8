from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.rpc.wire_time import UNSET, read_time, time_text

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01t12:00:00z", NOON),
        ("2026-03-01T13:30:00+01:30", NOON),
        ("2026-02-28T13:00:00-23:00", NOON),
        ("2026-03-01T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
        ("2026-03-01T12:00:00,25Z", NOON + timedelta(milliseconds=250)),
        ("2026-03-01T12:00:00.123456789Z", NOON + timedelta(microseconds=123456)),
        ("2026-03-01T12:00:00.9999999999999999999999Z", NOON + timedelta(microseconds=999999)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00.000Z", None),
        ("0001-01-01T01:00:00+01:00", None),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_times_that_are_read(text, moment):
    assert read_time(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-03-01",
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T12:00:60Z",
        "2026-03-01T12:00:00.Z",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+01:60",
        "2026-03-01T12:00:00Z ",
        "\uff12\uff1026-03-01T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1638422847.28721",
    ],
)
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match="no RFC 3339 time"):
        read_time(text)


def test_zeros_at_the_end_are_left_out_as_in_go():
    assert time_text(NOON) == "2026-03-01T12:00:00Z"
    assert time_text(NOON + timedelta(milliseconds=120)) == "2026-03-01T12:00:00.12Z"
    assert time_text(NOON + timedelta(microseconds=1)) == "2026-03-01T12:00:00.000001Z"
    assert time_text(None) == UNSET


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_comes_back(moment):
    found = read_time(time_text(moment))
    assert found == (None if moment == datetime.min.replace(tzinfo=UTC) else moment)
