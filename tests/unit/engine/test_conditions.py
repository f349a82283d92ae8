"""Katib's rule of change (facts 2.5)."""

from datetime import UTC, datetime, timedelta

from katib.api.base import Condition
from katib.engine.conditions import current, with_condition

FIRST = datetime(2024, 5, 1, tzinfo=UTC)
LATER = FIRST + timedelta(hours=1)


def test_the_last_is_current():
    assert current([]) is None
    conditions = with_condition([], "Created", "ExperimentCreated", "Experiment is created", FIRST)
    conditions = with_condition(conditions, "Running", "ExperimentRunning", "Experiment is running", FIRST)
    assert current(conditions).type == "Running"
    assert [condition.type for condition in conditions] == ["Created", "Running"]


def test_the_same_status_and_reason_changes_nothing_not_even_the_message():  # Q36
    before = with_condition([], "Running", "R", "one", FIRST)
    assert with_condition(before, "Running", "R", "two", LATER) == before


def test_a_new_reason_keeps_the_time_of_transition():
    before = with_condition([], "Running", "R", "one", FIRST)
    (after,) = with_condition(before, "Running", "S", "two", LATER)
    assert after == Condition(
        type="Running", reason="S", message="two", last_update_time=LATER, last_transition_time=FIRST
    )


def test_a_new_status_moves_the_element_to_the_end():
    before = with_condition([], "Running", "R", "one", FIRST)
    before = with_condition(before, "Restarting", "X", "", FIRST)
    after = with_condition(before, "Running", "R", "off", LATER, status="False")
    assert [(condition.type, condition.status) for condition in after] == [("Restarting", "True"), ("Running", "False")]
    assert after[-1].last_transition_time == LATER
    assert before[0].status == "True"  # the list that was given is left as it was
