"""What a run has come to, folded from its events, by a clock of the test's."""

from dataclasses import replace
from datetime import timedelta

import pytest

from katib.api.trial import TrialState
from katib.cli.run_progress import RunProgress
from katib.engine.ledger import Ledger
from katib.engine.trial import STOPPED_WITH_EXPERIMENT
from katib.local.progress import MetricsSeen, Started, Stopping, TrialFinished, TrialStarted, Waiting


class Run:
    """Tells a progress the events of a run and owns its clock."""

    def __init__(self, experiment, *known):
        self.seconds = 100.0
        self.ledger = Ledger.from_records(experiment, known)
        self.progress = RunProgress(experiment, clock=lambda: self.seconds)
        self.seconds += 5
        self.progress.take(Started(experiment, self.ledger, ()))

    def finish(self, record):
        self.ledger.record(record)
        self.progress.take(TrialFinished(record))


@pytest.fixture
def run(specimens):
    return Run(specimens.experiment(maxTrialCount=10))


def test_no_guess_before_there_is_a_pace(run):
    run.seconds += 60
    assert run.progress.remaining is None
    assert run.progress.elapsed == timedelta(seconds=60)


def test_rest_takes_as_long_as_the_pace_so_far_says(run, specimens):
    run.seconds += 20
    for index in range(2):
        run.finish(specimens.trial(index, loss="1"))
    assert run.progress.remaining == timedelta(seconds=80)
    run.seconds += 20
    for index in range(2, 10):
        run.finish(specimens.trial(index, loss="1"))
    assert run.progress.remaining == timedelta()


def test_pace_of_a_resumed_run_is_its_own(specimens):
    before = [specimens.trial(index, loss="1") for index in range(6)]
    run = Run(specimens.experiment(maxTrialCount=10), *before)
    assert run.progress.ended == 6
    assert run.progress.remaining is None
    run.seconds += 30
    run.finish(specimens.trial(6, loss="1"))
    assert run.progress.ended == 7
    assert run.progress.remaining == timedelta(seconds=90)


def test_no_limit_is_no_guess(specimens):
    experiment = specimens.experiment()
    run = Run(experiment.model_copy(update={"spec": experiment.spec.model_copy(update={"max_trial_count": None})}))
    run.finish(specimens.trial(0, loss="1"))
    assert run.progress.most is None
    assert run.progress.remaining is None


def test_trials_that_end_in_one_turn_are_counted_one_by_one(run, specimens):
    records = [specimens.trial(index, loss="1") for index in range(3)]
    for record in records:
        run.ledger.record(record)
    seen = []
    for record in records:
        run.progress.take(TrialFinished(record))
        seen.append(run.progress.ended)
    assert seen == [1, 2, 3]


def test_trial_that_runs_again_uses_no_budget(run, specimens):
    run.finish(specimens.trial(0, "Killed", reason=STOPPED_WITH_EXPERIMENT))
    assert run.progress.ended == 0


def test_running_trials_and_what_they_reported(run, specimens):
    running = specimens.trial(0, "Running")
    run.progress.take(TrialStarted(running))
    run.progress.take(MetricsSeen(running, {"loss": "0.5"}))
    run.progress.take(MetricsSeen(running, {"accuracy": "0.9"}))
    assert list(run.progress.running) == [running.name]
    assert run.progress.latest[running.name] == {"loss": "0.5", "accuracy": "0.9"}
    ended = replace(specimens.trial(0, loss="0.4"), name=running.name)
    run.finish(ended)
    assert not run.progress.running
    assert not run.progress.latest
    assert list(run.progress.recent) == [ended]
    assert run.progress.best_value == "0.4"
    assert run.progress.counts[TrialState.SUCCEEDED] == 1


def test_only_the_latest_trials_are_kept(run, specimens):
    for index in range(300):
        run.finish(specimens.trial(index))
    assert len(run.progress.recent) == 100
    assert run.progress.recent[0].index == 299
    assert run.progress.ended == 300


def test_waiting_and_stopping(run):
    run.progress.take(Waiting("waiting for suggestions"))
    assert run.progress.waiting == "waiting for suggestions"
    run.progress.take(Waiting(""))
    assert run.progress.waiting == ""
    run.progress.take(Stopping(at_once=False))
    assert run.progress.stops == 1
    run.progress.take(Stopping(at_once=True))
    run.progress.take(Stopping(at_once=False))
    assert run.progress.stops == 2


def test_best_value_is_empty_before_there_is_one(run, specimens):
    assert run.progress.best_value == ""
    run.finish(specimens.trial(0, "Failed"))
    assert run.progress.best_value == ""
