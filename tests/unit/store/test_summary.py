import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.store.summary import Fold, reported_number

TIMES = st.one_of(st.none(), st.integers(-3, 3))
TEXTS = st.sampled_from(["0", "-0.0", "1", "1.0", "2", "10", "-3e400", "inf", "nan", "unavailable", "", "1_0"])


def naive(reports):
    """The rules as sentences, over all reports at once."""
    age = [(time is not None, time or 0) for _text, time in reports]
    first = min(range(len(reports)), key=lambda at: (age[at], at))
    latest = max(range(len(reports)), key=lambda at: (age[at], at))
    numbers = [(reported_number(text), at) for at, (text, _time) in enumerate(reports)]
    numbers = [(number, at) for number, at in numbers if number is not None and not math.isnan(number)]
    least = min(numbers, default=None)
    greatest = max(numbers, key=lambda item: (item[0], -item[1]), default=None)
    return {
        "first": reports[first][0],
        "latest": reports[latest][0],
        "min": reports[least[1]][0] if least else "",
        "max": reports[greatest[1]][0] if greatest else "",
        "count": len(reports),
    }


@given(st.lists(st.tuples(TEXTS, TIMES), min_size=1, max_size=12))
def test_a_fold_is_what_the_rules_say_of_all_reports(reports):
    fold = Fold()
    for text, time in reports:
        fold.add(text, reported_number(text), time)
    assert {name: getattr(fold, name) for name in naive(reports)} == naive(reports)
    assert fold.min_value == (reported_number(fold.min) if fold.min else None)
    assert fold.max_value == (reported_number(fold.max) if fold.max else None)
    assert repr(fold.latest_value) == repr(reported_number(fold.latest))


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1.0), ("1e400", math.inf), ("-inf", -math.inf), (" 2 ", 2.0), ("1_000", None), ("", None), ("0x1", None)],
)
def test_what_counts_as_a_number(text, number):
    assert reported_number(text) == number


def test_nan_is_a_number_that_is_none():
    assert math.isnan(reported_number("NaN"))
