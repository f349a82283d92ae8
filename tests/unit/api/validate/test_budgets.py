"""Counts and times (facts 2.8, items 3 and 4), and our own budgets."""

import copy

import pytest

from katib.api import validate
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"parallelTrialCount": 0}, {"spec.parallelTrialCount": "must be more than 0"}),
        ({"parallelTrialCount": -3}, {"spec.parallelTrialCount": "must be more than 0"}),
        ({"maxTrialCount": 0}, {"spec.maxTrialCount": "must be more than 0"}),
        ({"maxFailedTrialCount": -1}, {"spec.maxFailedTrialCount": "must be 0 or more"}),
        ({"maxFailedTrialCount": 0}, {}),
        ({"maxFailedTrialCount": 12}, {}),
        ({"maxFailedTrialCount": 13}, {"spec.maxFailedTrialCount": "must be at most maxTrialCount (12)"}),
        ({"parallelTrialCount": 12}, {}),
        ({"parallelTrialCount": 13}, {"spec.parallelTrialCount": "must be at most maxTrialCount (12)"}),
        ({"maxTrialCount": 2}, {}),
        ({"maxTrialCount": None, "parallelTrialCount": 99, "maxFailedTrialCount": 5}, {}),
        ({"seed": -1}, {"spec.seed": "must be from 0 to 2^63 - 1"}),
        ({"seed": 2**63}, {"spec.seed": "must be from 0 to 2^63 - 1"}),
        ({"seed": 2**63 - 1, "maxRuntime": "1h30m", "trialTimeout": "90s"}, {}),
    ],
)
def test_counts_and_seed(spec, messages, changes, wanted):
    spec.update({key: value for key, value in changes.items() if value is not None})
    for key in [key for key, value in changes.items() if value is None]:
        del spec[key]
    assert messages() == wanted


@pytest.mark.parametrize("field", ["maxRuntime", "trialTimeout"])
@pytest.mark.parametrize("value", ["soon", "", "0s", "-1h", "1w", 90, 1.5])
def test_durations(spec, problems, field, value):
    spec[field] = value
    assert list(problems()) == [f"spec.{field}"]
    assert "duration" in problems()[f"spec.{field}"].message


@pytest.fixture
def update(document):
    """Return what is said about changing a field of an experiment that is in a state."""

    def check(changes, status=None):
        old = with_defaults(parse_experiment(document | ({"status": status} if status else {})))
        changed = copy.deepcopy(document)
        changed["spec"].update(changes)
        new = with_defaults(parse_experiment(changed))
        return {problem.path: problem.message for problem in validate.problems_of_update(old, new)}

    return check


DONE = {"conditions": [{"type": "Succeeded", "status": "True"}], "trials": 12}


@pytest.mark.parametrize(
    "changes",
    [{}, {"maxTrialCount": 20}, {"parallelTrialCount": 5}, {"maxFailedTrialCount": 3}, {"maxRuntime": "1h"}],
)
def test_budget_may_change(update, changes):
    assert update(changes) == {}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"algorithm": {"algorithmName": "grid"}}, "spec.algorithm"),
        ({"resumePolicy": "LongRunning"}, "spec.resumePolicy"),
        ({"seed": 4}, "spec.seed"),
        ({"parameters": []}, "spec.parameters"),
        ({"trialTimeout": "5s"}, "spec.trialTimeout"),
    ],
)
def test_everything_else_may_not(update, changes, path):
    message = update(changes)[path]
    assert "cannot be changed" in message
    assert "maxTrialCount" in message


def test_new_budget_is_checked_like_an_old_one(update):
    assert update({"parallelTrialCount": 99}) == {"spec.parallelTrialCount": "must be at most maxTrialCount (12)"}


def test_finished_experiment_needs_more_trials_than_it_had(update):
    assert "more than the 12 trials" in update({"maxTrialCount": 11}, DONE)["spec.maxTrialCount"]
    assert "more than the 13 trials" in update({"maxTrialCount": 13}, DONE | {"trials": 13})["spec.maxTrialCount"]
    assert update({"maxTrialCount": 13}, DONE) == {}
    running = {"conditions": [{"type": "Running", "status": "True"}], "trials": 12}
    assert update({"maxTrialCount": 11}, running) == {}
