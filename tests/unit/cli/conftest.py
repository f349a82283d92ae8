"""Experiments, trials and stores as the command line shows them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from katib.api.defaults import with_defaults
from katib.api.experiment import Experiment, Metric, Observation
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord
from katib.store import open_store

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Specimens:
    """Makes what is shown."""

    now = NOW

    @staticmethod
    def experiment(name="exp", *, objective=None, namespace="default", parameters=None, status=None, **spec):
        document = {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-of-{name}"},
            "spec": {
                "objective": {"type": "minimize", "objectiveMetricName": "loss", **(objective or {})},
                "algorithm": {"algorithmName": "random"},
                "maxTrialCount": 4,
                "parallelTrialCount": 2,
                "parameters": parameters
                or [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
                **spec,
            },
        }
        made = with_defaults(Experiment.model_validate(document))
        return made.model_copy(update={"status": status}) if status is not None else made

    @staticmethod
    def observation(**values):
        """Each value is the text of all of min, max and latest, or the three of them."""
        texts = {name: value if isinstance(value, tuple) else (value,) * 3 for name, value in values.items()}
        return Observation(metrics=[Metric(name=name, min=a, max=b, latest=c) for name, (a, b, c) in texts.items()])

    @classmethod
    def trial(cls, index, state="Succeeded", loss=None, *, name=None, **fields):
        state = TrialState(state)
        record = TrialRecord(
            index=index,
            name=name or f"exp-t{index:07d}",
            state=state,
            assignments=(("x", f"0.{index}"),),
            created=NOW,
            started=None if state is TrialState.CREATED else NOW,
            finished=None if state.is_active else NOW + timedelta(seconds=90),
            observation=None if loss is None else cls.observation(loss=loss),
            reason=f"Trial{state}",
            message=f"Trial has {state}",
        )
        return replace(record, **fields)


@pytest.fixture
def specimens():
    return Specimens


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "katib.db") as store:
        yield store


@pytest.fixture
def stored(store, specimens):
    """Store an experiment with trials and return it as the store knows it."""

    def stored(*records, **fields):
        experiment = store.create_experiment(specimens.experiment(**fields))
        store.record_trials(experiment.metadata.uid, records)
        return experiment

    return stored
