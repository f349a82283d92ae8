"""The conversation with an algorithm: it never makes the driver wait, and every way it can end is known."""

import threading
from datetime import UTC, datetime

import pytest

from katib.algorithm import registry
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord
from katib.local.suggesting import Suggester

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def experiment(values: int):
    return with_defaults(
        parse_experiment(
            {
                "apiVersion": "kubeflow.org/v1beta1",
                "kind": "Experiment",
                "metadata": {"name": "e"},
                "spec": {
                    "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                    "algorithm": {"algorithmName": "grid"},
                    "parameters": [
                        {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "1", "max": str(values)}}
                    ],
                },
            }
        )
    )


class Conversation:
    """A suggester and the bell it rings."""

    def __init__(self, values: int, algorithm=None) -> None:
        document = experiment(values)
        self.bell = threading.Semaphore(0)
        self.algorithm = registry.create(document, 1)
        if algorithm is not None:
            self.algorithm.suggest = algorithm
        self.suggester = Suggester(self.algorithm, document.spec, self.bell.release)

    def answer(self):
        assert self.bell.acquire(timeout=10)
        return self.suggester.take()

    def ask(self, count: int):
        self.suggester.request(count)
        return self.answer()


def record(index: int, state: TrialState = TrialState.RUNNING) -> TrialRecord:
    return TrialRecord(index, f"t{index}", state, (("n", str(index + 1)),), NOW)


@pytest.fixture
def converse():
    made = []

    def make(values: int, algorithm=None) -> Conversation:
        made.append(Conversation(values, algorithm))
        return made[-1]

    yield make
    for conversation in made:
        conversation.suggester.close()


def test_while_an_answer_is_worked_out_it_is_waiting(converse):
    go = threading.Event()
    conversation = converse(9, lambda _history, _count: go.wait(10) and [])
    conversation.suggester.request(2)
    assert conversation.suggester.take() is None
    assert conversation.suggester.state.waiting
    assert conversation.suggester.is_computing
    go.set()
    assert conversation.answer() is not None
    assert not conversation.suggester.is_computing


def test_points_take_the_trials_into_account_that_were_recorded(converse):
    conversation = converse(4)
    conversation.suggester.record([record(0), record(1, TrialState.SUCCEEDED)])
    assert [point["n"] for point in conversation.ask(2).points] == [3, 4]


def test_nothing_while_trials_run_means_later(converse):
    conversation = converse(2)
    conversation.suggester.record([record(0), record(1)])
    assert conversation.ask(1).points == ()
    state = conversation.suggester.state
    assert state.waiting
    assert not state.exhausted
    conversation.suggester.record([record(0, TrialState.SUCCEEDED)])
    assert not conversation.suggester.state.waiting  # a trial ended: it is asked again


def test_nothing_while_nothing_runs_is_the_end(converse):
    conversation = converse(2)
    conversation.suggester.record([record(0, TrialState.SUCCEEDED), record(1, TrialState.FAILED)])
    assert conversation.ask(1).points == ()
    assert conversation.suggester.state.exhausted


def test_fewer_than_asked_are_taken_and_the_rest_is_asked_for_later(converse):
    conversation = converse(3)
    conversation.suggester.record([record(0)])
    assert len(conversation.ask(5).points) == 2
    assert conversation.suggester.state.waiting


def test_algorithm_that_raises_is_an_error_with_its_words_and_a_traceback_for_the_log(converse):
    def broken(_history, _count):
        message = "no luck"
        raise ZeroDivisionError(message)

    conversation = converse(3, broken)
    answer = conversation.ask(1)
    assert "grid" in answer.error
    assert "no luck" in answer.error
    assert "Traceback" in answer.details
    assert conversation.suggester.state.error == answer.error


def test_algorithm_that_breaks_its_contract_is_an_error(converse):
    conversation = converse(3, lambda _history, _count: "points")
    assert "list of points" in conversation.ask(1).error
    assert conversation.suggester.state.error
