"""When a suggestion service is asked again that gave less than it was asked for."""

from concurrent.futures import Executor

from katib.api.trial import TrialState
from katib.operator.conversation import Conversation


class AtOnce(Executor):
    """Does in the thread that asks what a thread of its own would do."""

    def submit(self, function, *arguments):
        function(*arguments)


class Few:
    """A service that has no more points until a trial has ended."""

    def __init__(self, points):
        self.points = points

    def suggest(self, *_, **__):
        return type("Answer", (), {"points": self.points, "settings": ()})


def test_a_service_that_waits_for_a_trial_is_asked_again_when_that_is_deleted(experiment, trial):
    service = Few([])
    conversation = Conversation(service, threads=AtOnce(), wake=lambda: None, deadline=1.0)
    record = trial(0, TrialState.RUNNING)
    conversation.record([record])
    conversation.request(experiment, 2, 1)
    assert conversation.take() is not None
    assert conversation.state.waiting
    assert not conversation.state.exhausted
    conversation.forget(record.name)
    assert not conversation.state.waiting
