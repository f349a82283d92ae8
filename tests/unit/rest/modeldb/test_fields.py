import pytest

from katib.errors import InvalidInput
from katib.rest.modeldb.fields import Fields


def test_absent_fields_are_empty():
    fields = Fields({"gone": None})
    for name in ("gone", "never"):
        assert (fields.text(name), fields.integer(name), fields.flag(name), fields.texts(name)) == ("", 0, False, [])
        assert fields.messages(name) == []
        assert fields.message(name) is fields.time(name) is None
    assert fields.one_of("gone", ("A", "B")) == "A"
    with pytest.raises(InvalidInput, match="gone"):
        fields.required("gone")


def test_numbers_enums_and_names_come_in_several_ways():
    fields = Fields({"dateCreated": "1700000000000", "operator": 1, "other": "B", "count": 3.0})
    assert fields.time("date_created").year == 2023
    assert fields.one_of("operator", ("A", "B")) == fields.one_of("other", ("A", "B")) == "B"
    assert fields.integer("count") == 3


@pytest.mark.parametrize("value", ["x", 1.5, True, [], "1_0", " 1", "9" * 5_000, 2**63])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InvalidInput):
        Fields({"n": value}).integer("n")


def test_what_stands_behind_the_question_mark_is_text():
    fields = Fields({"id": ["a"], "keys": ["a", "b"], "all": ["True"], "page": ["2"]}, of_query=True)
    assert (fields.text("id"), fields.texts("keys"), fields.flag("all"), fields.integer("page")) == (
        "a",
        ["a", "b"],
        True,
        2,
    )
    with pytest.raises(InvalidInput):
        Fields({"all": ["perhaps"]}, of_query=True).flag("all")


@pytest.mark.parametrize("value", ["x", {}, [1], [[]]])
def test_a_list_of_messages_is_one(value):
    with pytest.raises(InvalidInput, match="items"):
        Fields({"items": value}).messages("items")
