import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.store.sql.values import Kind, micros, moment, pack, stored_step, unpack


@given(st.one_of(st.none(), st.floats()))
def test_a_number_is_unpacked_as_it_was_packed(number):
    value, kind = pack(number)
    assert repr(unpack(value, int(kind))) == repr(number)
    assert value is None or math.isfinite(value)


def test_each_special_value_has_its_own_kind():
    kinds = [pack(number)[1] for number in (1.0, math.nan, math.inf, -math.inf, None)]
    assert kinds == list(Kind)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])))
def test_a_time_comes_back_to_the_microsecond(time):
    try:
        time.astimezone(UTC)
    except OverflowError:  # the last hours of the year 9999 are not there in UTC
        return
    assert moment(micros(time)) == time
    assert moment(micros(time)).tzinfo is UTC


def test_a_time_without_zone_is_refused():
    with pytest.raises(TypeError):
        micros(datetime(2026, 1, 1))  # noqa: DTZ001 - the point


@pytest.mark.parametrize(
    ("step", "stored"), [(None, None), (0, 0), (-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1), (2**63, None)]
)
def test_a_step_fits_the_database_or_is_left_out(step, stored):
    assert stored_step(step) == stored
