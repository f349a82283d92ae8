"""Experiments and trials as the engine sees them, in as few words as a test can bear."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from katib.api.defaults import with_defaults
from katib.api.experiment import Experiment, Metric, Observation
from katib.api.trial import TrialState
from katib.engine.ledger import Ledger
from katib.engine.naming import trial_name
from katib.engine.plan import Snapshot, SuggestionState, plan
from katib.engine.policy import LOCAL
from katib.engine.trial import TrialRecord

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
UID = "7d9f"


class Bench:
    """Makes what a test needs and plans with it; the status of each plan is the experiment's next one."""

    now = NOW

    def __init__(self):
        self.ask = SuggestionState()
        self.stop_requested = False
        self.policy = LOCAL
        self.experiment = None
        self.ledger = None

    def given(self, *trials, objective=None, **spec):
        """Set the experiment (spec fields in camelCase) and its trials."""
        self.experiment = self.make_experiment(objective=objective, **spec)
        self.ledger = Ledger.from_records(self.experiment, trials)
        return self

    @staticmethod
    def make_experiment(*, objective=None, **spec):
        document = {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": "tune", "namespace": "default", "uid": UID},
            "spec": {
                "parameters": [
                    {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "100"}},
                    {"name": "y", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "100"}},
                ],
                "objective": {"type": "minimize", "objectiveMetricName": "loss", **(objective or {})},
                "algorithm": {"algorithmName": "random"},
                **spec,
            },
        }
        return with_defaults(Experiment.model_validate(document))

    @staticmethod
    def trial(index, state="Succeeded", value=None, *, at=None, **fields):
        """Return a record; ``value`` is its loss, ``at`` the second in which it finished."""
        state = TrialState(state)
        began = None if state is TrialState.CREATED else NOW
        ended = None if state.is_active else NOW + timedelta(seconds=index if at is None else at)
        known = TrialRecord(
            index=index,
            name=trial_name("tune", UID, index),
            state=state,
            assignments=(("x", str(index)), ("y", "0")),
            created=NOW,
            started=began,
            finished=ended,
            attempt=0 if state is TrialState.CREATED else 1,
            reason=f"Trial{state}",
            observation=None if value is None else Bench.observation(loss=value),
        )
        return replace(known, **fields)

    @staticmethod
    def observation(**values):
        """Return an observation whose metrics each had one report."""
        return Observation(
            metrics=[Metric(name=name, min=str(v), max=str(v), latest=str(v)) for name, v in values.items()]
        )

    def record(self, *trials):
        for trial in trials:
            self.ledger.record(trial)

    def edit(self, **fields):
        spec = self.experiment.spec.model_copy(update=fields)
        self.experiment = self.experiment.model_copy(update={"spec": spec})

    @property
    def snapshot(self):
        return Snapshot(self.experiment, self.ledger, self.ask, self.now, self.stop_requested, self.policy)

    def plan(self, *, after=0):
        """Plan ``after`` seconds later and record the status."""
        self.now += timedelta(seconds=after)
        decided = plan(self.snapshot)
        self.experiment = self.experiment.model_copy(update={"status": decided.status})
        return decided


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture(scope="session")
def bench_class():
    """For tests that need a fresh bench for each example."""
    return Bench
