"""Every algorithm with a controller that does what Katib's does to it.

Katib's controller wants exactly as many points as it asks for, sends trials in no order, with times in whole seconds and without their
labels, leaves out those without metrics, and names trials itself unless the reply does. Between two calls the server may be restarted.
"""

import random
import string
from datetime import UTC, datetime

import pytest

from katib.algorithm import registry
from katib.rpc import v1beta1 as wire
from katib.rpc.answer import Answerer
from katib.rpc.worker_call import Kind, Task

PARALLEL = 9
TRIALS = 63
SETTINGS = {
    "hyperband": {"r_l": "9", "resource_name": "epochs"},
    "asha": {"r_l": "9", "resource_name": "epochs"},
    "pbt": {"suggestion_trial_dir": "/data", "n_population": "5", "truncation_threshold": "0.2"},
}
ALGORITHMS = [name for name in registry.names() if not registry.get(name).assigns]


def experiment(algorithm):
    message = wire.Experiment(name="tune")
    spec = message.spec
    for name, kind, low, high in (("lr", wire.DOUBLE, "0.001", "1"), ("epochs", wire.INT, "1", "9")):
        added = spec.parameter_specs.parameters.add(name=name, parameter_type=kind)
        added.feasible_space.MergeFrom(wire.FeasibleSpace(min=low, max=high, distribution=wire.UNIFORM))
        if algorithm == "grid" and kind == wire.DOUBLE:
            added.feasible_space.step = "0.001"
    spec.objective.MergeFrom(wire.ObjectiveSpec(type=wire.MINIMIZE, objective_metric_name="loss"))
    spec.algorithm.algorithm_name = algorithm
    for name, value in SETTINGS.get(algorithm, {}).items():
        spec.algorithm.algorithm_settings.add(name=name, value=value)
    spec.parallel_trial_count, spec.max_trial_count = PARALLEL, TRIALS
    return message


class Controller:
    """Katib's, as far as an algorithm sees of it."""

    def __init__(self, algorithm, seed=0):
        self.experiment = experiment(algorithm)
        self.chance = random.Random(seed)
        self.trials = []
        self.now = 1_700_000_000
        self.answerer = Answerer(1 << 28)

    def ask(self, count):
        """Ask for so many points and make them trials; returns what was tried."""
        told = [trial for trial in self.trials if trial.status.condition != wire.TrialStatus.METRICSUNAVAILABLE]
        self.chance.shuffle(told)
        request = wire.GetSuggestionsRequest(
            experiment=self.experiment,
            trials=told,
            current_request_number=count,
            total_request_number=len(self.trials) + count,
        )
        if self.chance.random() < 0.3:
            self.answerer = Answerer(1 << 28)
        outcome = self.answerer.answer(Task(Kind.SUGGEST, request.SerializeToString(), 60.0))
        assert outcome.failure is None, outcome.failure
        reply = wire.GetSuggestionsReply.FromString(outcome.reply)
        assert len(reply.parameter_assignments) == count
        for assigned in reply.parameter_assignments:
            self.now += self.chance.choice((0, 0, 1))
            name = assigned.trial_name or f"tune-{''.join(self.chance.choices(string.ascii_lowercase, k=8))}"
            assert len(name) <= 63
            trial = wire.Trial(name=name)
            trial.spec.parameter_assignments.assignments.extend(assigned.assignments)
            trial.status.condition = wire.TrialStatus.RUNNING
            trial.status.start_time = datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            trial.status.completion_time = "0001-01-01T00:00:00Z"
            self.trials.append(trial)

    @property
    def running(self):
        return [trial for trial in self.trials if trial.status.condition == wire.TrialStatus.RUNNING]

    def end_some(self):
        """End one to four trials, most of them well."""
        for trial in self.chance.sample(self.running, min(self.chance.randint(1, 4), len(self.running))):
            kinds = (wire.TrialStatus.SUCCEEDED, wire.TrialStatus.FAILED, wire.TrialStatus.METRICSUNAVAILABLE)
            trial.status.condition = self.chance.choices(kinds, (18, 1, 1))[0]
            if trial.status.condition == wire.TrialStatus.SUCCEEDED:
                values = values_of(trial)
                loss = abs(float(values["lr"]) - 0.3) + 1 / int(values["epochs"])
                trial.status.observation.metrics.add(name="loss", value=str(loss))

    def run(self):
        while len(self.trials) < TRIALS:
            need = min(PARALLEL - len(self.running), TRIALS - len(self.trials))
            if need:
                self.ask(need)
            self.end_some()


def values_of(trial):
    return {item.name: item.value for item in trial.spec.parameter_assignments.assignments}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_search_goes_on_to_its_end(algorithm):
    controller = Controller(algorithm)
    controller.run()
    points = [tuple(sorted(values_of(trial).items())) for trial in controller.trials]
    names = [trial.name for trial in controller.trials]
    assert len(names) == len(set(names)) == TRIALS
    if algorithm != "pbt":  # a member goes on from its checkpoint, which makes the same point another trial
        # Katib does not tell of trials without metrics, so only those can come again.
        untold = [
            tuple(sorted(values_of(trial).items()))
            for trial in controller.trials
            if trial.status.condition == wire.TrialStatus.METRICSUNAVAILABLE
        ]
        told = [point for point in points if point not in untold]
        assert len(told) == len(set(told))


@pytest.mark.parametrize("algorithm", ["hyperband", "asha"])
@pytest.mark.parametrize("seed", range(3))
def test_halving_really_halves(algorithm, seed):
    """In Katib, it never gets beyond the first rung."""
    controller = Controller(algorithm, seed)
    controller.run()
    by_rate = {}
    for trial in controller.trials:
        values = values_of(trial)
        by_rate.setdefault(values["lr"], set()).add(int(values["epochs"]))
    climbed = [epochs for epochs in by_rate.values() if {1, 3} <= epochs]
    assert len(climbed) >= 5
    assert any({1, 3, 9} <= epochs for epochs in by_rate.values())
    # Those that were promoted are better than those that were not.
    off = {rate: abs(float(rate) - 0.3) for rate in by_rate}
    once = [off[rate] for rate, epochs in by_rate.items() if epochs == {1}]
    more = [off[rate] for rate, epochs in by_rate.items() if {1, 3} <= epochs]
    assert sum(more) / len(more) < sum(once) / len(once)


def test_population_learns_without_labels():
    controller = Controller("pbt")
    controller.run()
    generations = [int(trial.name.split("-g")[1].split("-")[0]) for trial in controller.trials]
    assert max(generations) >= 4
    early = [
        abs(float(values_of(t)["lr"]) - 0.3) for t, g in zip(controller.trials, generations, strict=True) if g == 0
    ]
    late = [abs(float(values_of(t)["lr"]) - 0.3) for t, g in zip(controller.trials, generations, strict=True) if g >= 4]
    assert min(late) <= min(early)
    assert sum(late) / len(late) < sum(early) / len(early)
