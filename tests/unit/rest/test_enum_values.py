"""Names of enums that there are not are told with those that there are."""

import pytest

from katib.errors import InvalidInput
from katib.rest.experiments.api import _request

TRIAL_STATES = "TRIAL_CREATED, TRIAL_RUNNING, TRIAL_SUCCEEDED, TRIAL_KILLED, TRIAL_FAILED, TRIAL_METRICS_UNAVAILABLE, TRIAL_EARLY_STOPPED"


@pytest.mark.parametrize(
    ("call", "fields", "told"),
    [
        (
            "ListTrials",
            {"states": ["TRIAL_KILLED", "Succeeded", "red"]},
            [
                f"states[1]: must be one of {TRIAL_STATES} (got 'Succeeded'); did you mean 'TRIAL_SUCCEEDED'?",
                f"states[2]: must be one of {TRIAL_STATES} (got 'red')",
            ],
        ),
        (
            "CompleteTrial",
            {"outcome": ""},
            ["outcome: must be one of COMPLETED, BROKEN, INFEASIBLE (got '')"],
        ),
        (
            "CreateExperiment",
            {"search": {"objectives": [{"metric": "loss", "direction": "MINIMISE"}]}},
            [
                "search.objectives[0].direction: must be one of MINIMIZE, MAXIMIZE (got 'MINIMISE'); did you mean 'MINIMIZE'?"
            ],
        ),
    ],
)
def test_a_name_of_no_value_is_told_with_its_place_and_those_that_there_are(call, fields, told):
    with pytest.raises(InvalidInput) as refused:
        _request(call, fields)
    assert [str(problem) for problem in refused.value.problems] == told


@pytest.mark.parametrize(
    "fields",
    [
        {"page_size": "x", "states": ["RUNNING"]},
        {"states": "RUNNING"},
        {"states": [None]},
        {"states": [["RUNNING"]]},
        {"labels": ["RUNNING"]},
        {"states": {"a": 1}},
    ],
)
def test_what_else_is_wrong_is_told_as_before(fields):
    with pytest.raises(InvalidInput, match="the request is no ListExperimentsRequest"):
        _request("ListExperiments", fields)


def test_names_and_numbers_are_taken():
    assert list(_request("ListExperiments", {"states": ["RUNNING", 3, "4"]}).states) == [2, 3, 4]
