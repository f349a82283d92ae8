import json
import math
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.api.experiment import ExperimentStatus, Observation
from katib.errors import StoreUnavailable
from katib.store.sql.documents import dump, dump_model, load, load_model
from katib.store.sql.text import storable

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(DOCUMENTS)
def test_a_document_comes_back(document):
    assert load(dump(document)) == document


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_stored_and_only_surrogates_change(text):
    text.encode("utf-8", "surrogatepass")
    stored = storable(text)
    stored.encode("utf-8")
    assert load(dump({text: [text]})) == {stored: [stored]}
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert stored == text


def test_not_a_number_keeps_its_name():
    assert math.isnan(load(dump(math.nan)))
    assert load(dump([math.inf, -math.inf])) == [math.inf, -math.inf]


def test_times_are_text_in_utc_with_microseconds():
    noon = datetime(2026, 1, 2, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=1)))
    assert json.loads(dump([noon, date(2026, 1, 2)])) == ["2026-01-02T11:00:00.000001+00:00", "2026-01-02"]


def test_what_has_no_json_is_refused():
    with pytest.raises(TypeError, match="set"):
        dump({1, 2})


def test_a_model_comes_back_with_its_microseconds():
    status = ExperimentStatus(start_time=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), trials=3)
    assert load_model(ExperimentStatus, dump_model(status), "search") == status


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metrics": 3}', '{"fieldOfTomorrow": 1}'])
def test_a_text_that_is_no_such_model_says_whose_it_is(text):
    with pytest.raises(StoreUnavailable, match=r"Observation of search-0001 .* newer version"):
        load_model(Observation, text, "search-0001")
