"""Experiments and trials as the operator has them in its memory."""

from datetime import UTC, datetime

import pytest

from katib.api.defaults import with_defaults
from katib.api.experiment import Metric, Observation
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord

BORN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def experiment():
    document = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "search", "namespace": "team", "uid": "u-1"},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parallelTrialCount": 3,
            "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
        },
    }
    return with_defaults(parse_experiment(document))


@pytest.fixture
def trial():
    """Returns the record of a trial by its index and state."""

    def trial(index, state=TrialState.SUCCEEDED, *, loss=None, **more):
        text = repr(float(index) if loss is None else loss)
        measured = Observation(metrics=[Metric(name="loss", min=text, max=text, latest=text)])
        return TrialRecord(
            **{
                "index": index,
                "name": f"search-4f-{index}",
                "state": state,
                "assignments": (("x", text),),
                "created": BORN,
                "started": BORN if state is not TrialState.CREATED else None,
                "finished": None if state.is_active else BORN,
                "observation": measured if state is TrialState.SUCCEEDED else None,
                "reason": "Because",
                "message": "It is so",
                "attempt": 0 if state is TrialState.CREATED else 1,
                **more,
            }
        )

    return trial
