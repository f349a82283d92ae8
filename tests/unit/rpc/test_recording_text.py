"""Experiments and trials as JSON texts: back as they were, and refused with the place of what is wrong."""

import json
import math
from datetime import UTC, datetime

import pytest

from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.rpc.recording_text import experiment_of, experiment_text, job_of, job_text, trial_of, trial_text
from katib.testing.store_promises.specimens import AWKWARD, an_experiment, full_record, full_status, trial


def refused(function, *arguments):
    with pytest.raises(InvalidInput) as caught:
        function(*arguments)
    return [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize("record", [full_record(), trial(3), trial(0, TrialState.RUNNING, attempt=1)])
def test_a_trial_comes_back(record):
    assert trial_of(trial_text(record), "record") == record


def test_a_trial_says_no_more_than_there_is():
    assert set(json.loads(trial_text(trial(0)))) == {"index", "name", "state", "assignments", "created", "attempt"}


def test_an_experiment_comes_back():
    experiment = an_experiment(namespace="team-a", seed=2**63 - 1)
    experiment.metadata.creation_timestamp = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
    experiment = experiment.model_copy(update={"status": full_status()})
    assert experiment_of(experiment_text(experiment), "resource") == experiment


def test_a_job_comes_back():
    job = {"args": [AWKWARD, None, 1, 1.5, True, 2**70, math.inf], "nested": {"": {}}}
    assert job_of(job_text(job), "job") == job
    assert job_of("", "job") is None


def test_what_is_no_trial():
    assert refused(trial_of, "", "record") == ["record"]
    assert refused(trial_of, "{}", "record") == ["record.index", "record.name", "record.state", "record.created"]
    sound = json.loads(trial_text(trial(0)))
    for field, value in (
        ("index", -1),
        ("index", 2**31),
        ("name", ""),
        ("state", "Lost"),
        ("created", "yesterday"),
        ("attempt", -1),
        ("unknown", 1),
    ):
        assert refused(trial_of, json.dumps({**sound, field: value}), "record") == [f"record.{field}"]
    assert refused(trial_of, json.dumps({**sound, "assignments": [["a"]]}), "record") == ["record.assignments.0.1"]


@pytest.mark.parametrize("text", ["[]", "1", "{", "[" * 100_000, '{"a":' * 300 + "1" + "}" * 300, "9" * 5_000])
def test_what_is_no_job(text):
    assert refused(job_of, text, "job") == ["job"]


def test_what_is_no_experiment():
    assert refused(experiment_of, "{", "resource") == ["resource"]
    assert refused(experiment_of, '{"metadata": {"name": "a"}, "spec": {"maxTrialCount": "x"}}', "resource") == [
        "resource.spec.maxTrialCount"
    ]
