"""A watch that breaks off and is taken up again tells nothing twice, and misses nothing."""

from datetime import UTC, datetime

from katib.api.base import ObjectMeta
from katib.api.experiment import Experiment, ExperimentSpec
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord
from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_messages import experiment_message, trial_message
from katib.rpc.experiments_watching import watched_changes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SYNCED = wire.WatchExperimentsResponse(synced=wire.Synced())
REQUEST = wire.WatchExperimentsRequest(namespace="team-a")


def experiment(name, trials=1, uid="u1"):
    found = Experiment(
        metadata=ObjectMeta(name=name, namespace="team-a", uid=uid), spec=ExperimentSpec(max_trial_count=trials)
    )
    return wire.WatchExperimentsResponse(experiment=experiment_message(found))


def trial(name, state=TrialState.RUNNING):
    return wire.WatchExperimentsResponse(trial=trial_message("a", TrialRecord(0, name, state, (), NOON), {}))


def deleted(name, uid="u1"):
    return wire.WatchExperimentsResponse(deleted=wire.ExperimentKey(namespace="team-a", name=name, uid=uid))


def told(*streams):
    """What is told of streams, each but the last one broken off."""

    def stream(begin):
        for messages in streams:
            assert begin() is REQUEST
            yield from messages

    return [
        (
            [(each.metadata.name, each.spec.max_trial_count) for each in changes.experiments],
            [(each.name, each.state.value) for each in changes.trials],
            [name for _, name, _ in changes.deleted],
        )
        for changes in watched_changes(stream, REQUEST)
    ]


def test_what_there_is_comes_together_and_then_one_by_one():
    found = told(
        [experiment("a"), experiment("b"), trial("t"), SYNCED, experiment("a", 2), trial("t", TrialState.FAILED)]
    )
    assert found == [
        ([("a", 1), ("b", 1)], [("t", "Running")], []),
        ([("a", 2)], [], []),
        ([], [("t", "Failed")], []),
    ]


def test_nothing_is_told_twice():
    found = told(
        [experiment("a"), experiment("b"), SYNCED, experiment("a", 2)],
        [experiment("a", 2), experiment("b", 3), SYNCED, experiment("b", 3)],
    )
    assert found == [([("a", 1), ("b", 1)], [], []), ([("a", 2)], [], []), ([("b", 3)], [], [])]


def test_what_went_while_the_server_was_away_is_told():
    found = told([experiment("a"), experiment("b"), SYNCED], [experiment("a"), SYNCED, deleted("a"), deleted("a")])
    assert found == [([("a", 1), ("b", 1)], [], []), ([], [], ["b"]), ([], [], ["a"])]


def test_another_one_of_the_same_name():
    found = told([experiment("a"), SYNCED], [experiment("a", uid="u2"), SYNCED])
    assert found == [([("a", 1)], [], []), ([("a", 1)], [], ["a"])]


def test_broken_off_before_everything_was_told_it_begins_anew():
    found = told([experiment("a")], [experiment("a"), experiment("b"), SYNCED])
    assert found == [([("a", 1), ("b", 1)], [], [])]


def test_one_that_is_gone_at_once():
    assert told([experiment("a"), deleted("a")]) == [([("a", 1)], [], ["a"])]
    assert told([]) == []


def test_what_a_later_version_says_is_left_alone():
    assert told([wire.WatchExperimentsResponse(), experiment("a"), SYNCED]) == [([("a", 1)], [], [])]
