"""Experiments with their trials, of every kind that the plots have to bear."""

import math
import random
from datetime import UTC, datetime, timedelta

import pytest

from katib.api.experiment import Experiment, Metric, Observation
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord
from katib.store.protocol import Observed

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPACE = [
    {
        "name": "lr",
        "parameterType": "double",
        "feasibleSpace": {"min": "1e-4", "max": "1", "distribution": "logUniform"},
    },
    {"name": "depth", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "9"}},
    {"name": "batch", "parameterType": "discrete", "feasibleSpace": {"list": ["16", "32", "64"]}},
    {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["sgd", "adam"]}},
]


class Searched:
    """Makes an experiment and its trials."""

    def __init__(self):
        self.random = random.Random(5)

    def experiment(self, *, parameters=SPACE, objectives=1, name="digits", **objective):
        spec = {
            "parameters": parameters,
            "objective": {
                "type": "minimize",
                "objectiveMetricName": "loss",
                "additionalMetricNames": ["speed"],
                **objective,
            },
            "algorithm": {"algorithmName": "random"},
            "maxTrialCount": 20,
        }
        if objectives > 1:
            spec["objectives"] = [
                {"type": "maximize", "objectiveMetricName": f"score{number}"} for number in range(1, objectives)
            ]
        return Experiment.model_validate({"metadata": {"name": name, "namespace": "default"}, "spec": spec})

    def trial(self, index, *, state=TrialState.SUCCEEDED, values=None, parameters=None):
        given = parameters or {
            "lr": repr(10 ** self.random.uniform(-4, 0)),
            "depth": str(self.random.randint(1, 9)),
            "batch": self.random.choice(["16", "32", "64"]),
            "kind": self.random.choice(["sgd", "adam"]),
        }
        if values is None and state in {TrialState.SUCCEEDED, TrialState.EARLY_STOPPED}:
            lr, depth = float(given.get("lr", "0.1")), float(given.get("depth", "3"))
            values = {
                "loss": (math.log10(lr) + 2) ** 2 + depth / 10,
                "speed": depth,
                "score1": lr,
                "score2": depth,
                "score3": 1,
            }
        observation = values and Observation(
            metrics=[Metric(name=name, min=str(one), max=str(one), latest=str(one)) for name, one in values.items()]
        )
        started = None if state is TrialState.CREATED else BEGAN + timedelta(seconds=index)
        return TrialRecord(
            index=index,
            name=f"digits-{index:05d}",
            state=state,
            assignments=tuple(given.items()),
            created=BEGAN,
            started=started,
            finished=None if state.is_active else BEGAN + timedelta(seconds=index + 3),
            observation=observation or None,
        )

    def trials(self, count, **options):
        return [self.trial(index, **options) for index in range(count)]


@pytest.fixture
def searched():
    return Searched()


@pytest.fixture(scope="session")
def very_many():
    """Trials of ``Searched.experiment``."""
    return Searched().trials(10_000)


def reports(name, values, *, steps=None):
    """What a trial reported of a metric."""
    return [
        Observed(place, name, str(value), value, None, None if steps is None else steps[place])
        for place, value in enumerate(values)
    ]


@pytest.fixture
def reported():
    return reports
