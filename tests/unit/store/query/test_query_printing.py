import query_generated as generated
from hypothesis import given, settings
from hypothesis import strategies as st

from katib.store.query.order import parse_order
from katib.store.query.parse import parse_filter
from katib.store.query.printing import print_filter, print_sort_key
from katib.store.query.tree import Compare, Field, SortKey
from katib.store.query.vocabulary import RUNS, Entity, Type

any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(deadline=None, max_examples=600)
@given(generated.trees())
def test_what_is_printed_parses_to_the_same(tree):
    assert parse_filter(print_filter(tree), RUNS) == tree


@settings(deadline=None, max_examples=400)
@given(any_text, any_text)
def test_any_name_and_any_text_can_be_written(key, text):
    tree = Compare(Field(Entity.TAG, key, Type.TEXT), "=", text)
    assert parse_filter(print_filter(tree), RUNS) == tree


@settings(deadline=None)
@given(generated.fields(entities=generated.SORTABLE), st.booleans())
def test_an_order_prints_too(field, descending):
    key = SortKey(field, descending)
    assert parse_order(print_sort_key(key), RUNS).keys[0] == key
