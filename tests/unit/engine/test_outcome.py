"""How a trial ends, by its job, its metrics and what was decided about it."""

from datetime import timedelta

import pytest

from katib.api.experiment import Observation
from katib.api.trial import TrialState
from katib.engine.outcome import JobOutcome, finish
from katib.engine.policy import KATIB, KUBERNETES, LOCAL

NOTHING = Observation()


def end(bench, job, observation=NOTHING, *, waited=0, complete=True, evidence=(), policy=LOCAL, **fields):
    return finish(
        bench.trial(0, "Running", **fields),
        job if isinstance(job, JobOutcome) else JobOutcome(job),
        observation,
        bench.make_experiment().spec,
        now=bench.now + timedelta(seconds=waited),
        ended=bench.now,
        metrics_complete=complete,
        evidence=evidence,
        policy=policy,
    )


def test_a_running_job_has_no_end(bench):
    assert end(bench, "running", bench.observation(loss=1)) is None
    assert end(bench, "running", stopping=TrialState.KILLED) is None


def test_success(bench):
    record = end(bench, "succeeded", bench.observation(loss=1))
    assert (record.state, record.reason, record.message) == (
        TrialState.SUCCEEDED,
        "TrialSucceeded",
        "Trial has succeeded",
    )
    assert record.observation == bench.observation(loss=1)
    assert record.finished == bench.now


@pytest.mark.parametrize(
    ("kind", "state", "word", "sentence"),
    [
        ("succeeded", TrialState.SUCCEEDED, "TrialSucceeded", "Trial has succeeded"),
        ("failed", TrialState.FAILED, "TrialFailed", "Trial has failed"),
    ],
)
def test_what_the_job_says_is_passed_on_as_katib_does(bench, kind, state, word, sentence):
    record = end(bench, JobOutcome(kind, "X", "Y"), bench.observation(loss=1))
    assert record.state is state
    assert record.reason == f"{word}. Job reason: X"
    assert record.message == f"{sentence}. Job message: Y"


def test_a_failed_job_is_a_failed_trial_whatever_it_reported(bench):
    record = end(bench, "failed", bench.observation(loss=1), complete=False, policy=KUBERNETES)
    assert record.state is TrialState.FAILED
    assert record.observation == bench.observation(loss=1)


@pytest.mark.parametrize("value", ["nan", "inf", "genotype"])
def test_odd_values_are_results(bench, value):
    assert end(bench, "succeeded", bench.observation(loss=value)).state is TrialState.SUCCEEDED


class TestMetricsUnavailable:
    def test_evidence_is_in_the_message(self, bench):
        record = end(bench, "succeeded", bench.observation(other=1), evidence=["3 lines,", "the last: 'loss is 0.3'"])
        assert (record.state, record.reason) == (TrialState.METRICS_UNAVAILABLE, "MetricsUnavailable")
        assert record.message == "Metrics are not available. 3 lines, the last: 'loss is 0.3'"

    def test_without_evidence(self, bench):
        record = end(bench, "succeeded")
        assert record.message == "Metrics are not available"
        assert record.observation is None

    def test_the_word_unavailable_is_no_result(self, bench):
        assert end(bench, "succeeded", bench.observation(loss="unavailable")).state is TrialState.METRICS_UNAVAILABLE

    @pytest.mark.parametrize(("waited", "ended"), [(0, False), (59, False), (60, True)])
    def test_the_wait_is_bounded(self, bench, waited, ended):  # Q39
        record = end(bench, "succeeded", waited=waited, complete=False, policy=KUBERNETES)
        assert (record is not None) is ended

    def test_nothing_is_waited_for_when_nothing_can_come(self, bench):
        assert end(bench, "succeeded", complete=True, policy=KUBERNETES) is not None
        assert end(bench, "succeeded", complete=False, policy=LOCAL) is not None

    def test_katib_waits_for_ever(self, bench):
        assert end(bench, "succeeded", waited=1e8, complete=False, policy=KATIB) is None


def test_a_result_is_final_only_when_all_of_it_has_come(bench):
    """The least loss may still be on its way when the first value is known."""
    first = bench.observation(loss=9)
    assert end(bench, "succeeded", first, waited=1, complete=False, policy=KUBERNETES) is None
    assert end(bench, "succeeded", first, waited=1, complete=True, policy=KUBERNETES).state is TrialState.SUCCEEDED
    assert end(bench, "succeeded", first, waited=60, complete=False, policy=KUBERNETES).state is TrialState.SUCCEEDED


@pytest.mark.parametrize("job", ["succeeded", "failed"])
@pytest.mark.parametrize("final", [TrialState.KILLED, TrialState.FAILED, TrialState.EARLY_STOPPED])
def test_a_stopped_trial_takes_the_state_that_was_decided(bench, job, final):
    record = end(bench, job, bench.observation(loss=1), stopping=final, reason="Why", message="because")
    assert (record.state, record.reason, record.message, record.stopping) == (final, "Why", "because", None)
    assert record.observation == bench.observation(loss=1)


def test_an_early_stopped_trial_waits_for_its_metrics_and_others_do_not(bench):
    def stopped(final, waited):
        return end(bench, "failed", waited=waited, complete=False, policy=KUBERNETES, stopping=final)

    assert stopped(TrialState.EARLY_STOPPED, 1) is None
    assert stopped(TrialState.EARLY_STOPPED, 60).state is TrialState.EARLY_STOPPED
    assert stopped(TrialState.KILLED, 0).state is TrialState.KILLED
