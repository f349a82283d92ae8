"""Numbers print as Katib prints them and parse back equal; nothing but finite decimal numbers is one."""

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from katib.api.numbers import format_float, parse_decimal, parse_float, parse_int

SEEDED = settings(derandomize=True, database=None, deadline=None, max_examples=500)


@SEEDED
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_parses_back_equal(value):
    text = format_float(value)
    assert parse_float(text) == value
    assert math.copysign(1, parse_float(text)) == math.copysign(1, value) or value == 0
    assert float(parse_decimal(text)) == value


@SEEDED
@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_every_integer_parses_back_equal(value):
    assert parse_int(str(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01, "0.01"),
        (5.0, "5.0"),
        (1e-7, "1e-07"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e16, "1e+16"),
        (-0.5, "-0.5"),
    ],
)
def test_doubles_print_as_katibs_python_services_print_them(value, text):
    assert format_float(value) == text


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x", "1x", "0x10", "1_000", "1,5", "1 2", "nan", "NaN", "inf", "-inf", "Infinity", "1e", "e5", ".", "+-1",
        "1e999", "-1e999", "1e-999", "1e99999999999999999999", "1e-99999999999999999999", "9" * 65, "٣", "\uff11", "½", "1.2.3",
        "--1", "1/2", "1e5.5", "\0", "1\n2", "0b1",
    ],
)  # fmt: skip
def test_what_is_no_number_is_none(text):
    assert parse_decimal(text) is None
    assert parse_float(text) is None
    assert parse_int(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("1e3", 1000),
        ("5.0", 5),
        ("-0", 0),
        ("+7", 7),
        (" 8 ", 8),
        ("010", 10),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_whole_numbers_in_any_spelling(text, value):
    assert parse_int(text) == value


@pytest.mark.parametrize("text", ["0.5", "1e-1", "9223372036854775808", "-9223372036854775808", "1e30"])
def test_what_is_no_64_bit_whole_number_is_none(text):
    assert parse_int(text) is None


def test_decimals_are_exact():
    assert parse_decimal("0.1") == Decimal("0.1")
    assert parse_decimal("1e-300") == Decimal("1e-300")
