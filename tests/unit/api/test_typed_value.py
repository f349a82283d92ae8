"""Values as Python has them."""

import pytest

from katib.api.typed_value import typed_value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("double", "1e-3", 0.001),
        ("double", "2", 2.0),
        ("int", "3", 3),
        ("int", "1e3", 1000),
        ("discrete", "16", 16),
        ("discrete", "-2", -2),
        ("discrete", "0.5", 0.5),
        ("discrete", "16.0", 16.0),
        ("categorical", "3", "3"),
        ("categorical", "", ""),
        ("int", "0.5", "0.5"),
        ("double", "nan", "nan"),
        ("text", "[1, 2]", "[1, 2]"),
    ],
)
def test_value_has_the_type_of_its_kind(kind, text, value):
    found = typed_value(kind, text)
    assert found == value
    assert type(found) is type(value)
