"""What is known of experiments between two looks: newer news wins, whichever way and however often they come."""

import itertools
from concurrent.futures import ThreadPoolExecutor

from katib.api.trial import TrialState
from katib.engine.ledger import Ledger
from katib.operator.search_state import SearchState, SearchStates
from katib.operator.starts import Starts


class Listener:
    """Takes the place of a conversation or of an early stopper."""

    def __init__(self):
        self.heard = []
        self.closed = False

    def record(self, records):
        self.heard += [(record.name, record.state) for record in records]

    def close(self):
        self.closed = True


def state_of(experiment, **more):
    return SearchState(experiment=experiment, ledger=Ledger(experiment), conversation=Listener(), **more)


def test_news_in_any_order_come_to_the_same(experiment, trial):
    life = [trial(0, TrialState.CREATED), trial(0, TrialState.RUNNING), trial(0, TrialState.SUCCEEDED)]
    for order in itertools.permutations(life):
        state = state_of(experiment)
        for record in order:
            state.record([record, record])
        assert state.ledger.trial("search-4f-0").state is TrialState.SUCCEEDED
        assert state.conversation.heard.count(("search-4f-0", TrialState.SUCCEEDED)) == 1
        assert state.conversation.heard[-1] == ("search-4f-0", TrialState.SUCCEEDED)


def test_what_is_known_already_is_told_to_nobody(experiment, trial):
    state = state_of(experiment, stopping=Listener())
    state.record([trial(0, TrialState.RUNNING)])
    state.record([trial(0, TrialState.RUNNING)])
    assert state.conversation.heard == state.stopping.heard == [("search-4f-0", TrialState.RUNNING)]


def test_the_index_of_a_trial_that_is_gone_is_not_given_again(experiment, trial):
    state = state_of(experiment)
    state.record([trial(0), trial(1), trial(2)])
    assert state.next_index == 3
    state.ledger = Ledger.from_records(experiment, [trial(0)])
    assert state.next_index == 3
    assert state_of(experiment, issued=7).next_index == 7


def test_an_early_stopper_ends_with_its_experiment(experiment):
    state = state_of(experiment, stopping=Listener())
    state.close()
    assert state.stopping.closed
    state_of(experiment).close()


def test_what_changed_is_taken_once():
    states = SearchStates()
    for name in ("a", "b", "a"):
        states.changed(("team", "search"), name)
    states.changed(("other", "search"), "c")
    assert states.take_changed(("team", "search")) == {"a", "b"}
    assert states.take_changed(("team", "search")) == set()
    assert states.take_changed(("other", "search")) == {"c"}


def test_nothing_that_changes_is_lost_while_it_is_taken():
    states, names = SearchStates(), [f"trial-{number}" for number in range(2_000)]
    with ThreadPoolExecutor(4) as threads:
        changes = [threads.submit(states.changed, ("team", "search"), name) for name in names]
        taken = set()
        while not all(change.done() for change in changes):
            taken |= states.take_changed(("team", "search"))
        taken |= states.take_changed(("team", "search"))
    assert taken == set(names)


def test_an_experiment_that_is_dropped_is_not_known(experiment):
    states, state = SearchStates(), state_of(experiment)
    states.put("u-1", state)
    assert states.get("u-1") is state
    assert states.drop("u-1") is state
    assert states.get("u-1") is states.drop("u-1") is None


def test_a_trial_that_may_start_is_woken_once_and_its_permission_is_used_up():
    woken = []
    starts = Starts(woken.append)
    assert not starts.allowed(("team", "a"))
    starts.allow("team", "a")
    starts.allow("team", "a")
    assert woken == [("team", "a")]
    assert starts.allowed(("team", "a"))
    assert not starts.allowed(("other", "a"))
    starts.used(("team", "a"))
    assert not starts.allowed(("team", "a"))
    starts.used(("team", "a"))
