"""Which running trials the operator stops: those the stopper condemns, and those that meet the rules they took along."""

import threading
import time

import pytest

from katib.api.experiment import AlgorithmSpec
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.engine.ledger import Ledger
from katib.errors import StoreUnavailable
from katib.operator.stopping_early import EarlyStopping


class StoreDouble:
    """Curves by trial and metric."""

    def __init__(self):
        self.curves = {}
        self.away = False
        self.asked = set()

    def series(self, _experiment, name, metric):
        self.asked.add((name, metric))
        if self.away:
            raise StoreUnavailable("it is away")
        return list(self.curves.get((name, metric), ()))


class World:
    def __init__(self, experiment):
        stopping = AlgorithmSpec.model_validate({"algorithmName": "medianstop"})
        spec = experiment.spec.model_copy(update={"early_stopping": stopping})
        self.experiment = experiment.model_copy(update={"spec": spec})
        self.store, self.ledger = StoreDouble(), Ledger(self.experiment)
        self.stopping = EarlyStopping(self.experiment, self.store, wake=lambda: None)

    def record(self, *records):
        for record in records:
            self.ledger.record(record)
        self.stopping.record(records)

    def reports(self, record, metric, *values):
        self.store.curves.setdefault((record.name, metric), []).extend(values)

    def look(self):
        """One look with the curves as they are now."""
        self.stopping._read_at = 0.0
        orders = self.stopping.orders(self.ledger)
        reading = self.stopping._reading
        if reading is not None:
            reading.join(20)
        self.stopping._read_at = time.monotonic() + 3600
        return [*orders, *self.stopping.orders(self.ledger)]


@pytest.fixture
def world(experiment):
    world = World(experiment)
    yield world
    world.stopping.close()
    until = time.monotonic() + 20
    while any(thread.name == "early-stopping" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


def rule(name, value, comparison="greater", start_step=0):
    return EarlyStoppingRule(name=name, value=value, comparison=comparison, start_step=start_step)


def running(trial, index, *rules, **more):
    return trial(index, TrialState.RUNNING, rules=rules, **more)


def test_rules_about_any_metric_count_from_their_step_on(world, trial):
    one = running(trial, 0, rule("seconds", "2", start_step=3))
    world.record(one)
    world.reports(one, "seconds", 5.0, None, 6.0)
    assert world.look() == [], "two numbers so far"
    world.reports(one, "seconds", 1.0)
    assert world.look() == [], "the third is no more than 2"
    world.reports(one, "seconds", 3.0)
    (order,) = world.look()
    assert (order.name, order.final, order.reason) == (one.name, TrialState.EARLY_STOPPED, "TrialEarlyStopped")
    assert order.message == "Trial is early stopped: seconds was 3.0, greater than 2, at report 4"


def test_all_rules_have_to_be_met_and_of_the_objective_the_best_counts(world, trial):
    one = running(trial, 0, rule("loss", "1"), rule("seconds", "2"))
    world.record(one)
    world.reports(one, "loss", 0.5, 7.0)
    world.reports(one, "seconds", 9.0)
    assert world.look() == []
    two = running(trial, 1, rule("loss", "1"), rule("seconds", "2"))
    world.record(two)
    world.reports(two, "loss", 7.0)
    assert world.look() == []
    world.reports(two, "seconds", 9.0)
    assert [order.name for order in world.look()] == [two.name]


def test_what_is_over_or_runs_again_is_not_stopped_for_what_was(world, trial):
    one, two = running(trial, 0, rule("seconds", "2")), running(trial, 1, rule("seconds", "2"))
    world.record(one, two)
    for each in (one, two):
        world.reports(each, "seconds", 1.0)
    assert world.look() == []
    world.record(trial(0, TrialState.SUCCEEDED))
    world.store.curves.clear()
    world.record(running(trial, 1, rule("seconds", "2"), attempt=2))
    world.reports(one, "seconds", 9.0)
    assert world.look() == []
    world.reports(two, "seconds", 9.0)
    (order,) = world.look()
    assert (order.name, order.message[-1]) == (two.name, "1")


def test_a_store_that_is_away_stops_nothing_and_is_asked_again(world, trial):
    one = running(trial, 0, rule("seconds", "2"))
    world.record(one)
    world.reports(one, "seconds", 9.0)
    world.store.away = True
    assert world.look() == []
    world.store.away = False
    assert len(world.look()) == 1


def test_a_trial_without_rules_costs_no_further_questions(world, trial):
    one, two = running(trial, 0), running(trial, 1, rule("loss", "1"))
    world.record(one, two)
    world.look()
    assert world.store.asked == {(one.name, "loss"), (two.name, "loss")}
