"""What every place promises to those who run trials themselves (``katib.experiments.protocol.WorkerTrials``), as tests.

A place that gives out trials inherits it beside ``ExperimentsContract``, with the same ``experiments``::

    class TestMyWorkers(WorkerTrialsContract):
        @pytest.fixture
        def experiments(self): ...
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from katib.api.trial import TrialState
from katib.errors import Conflict, InvalidInput, NotFound
from katib.experiments.protocol import Budget, Measurement, Outcome
from katib.testing.experiments_contract import ExperimentsPlace, eventually, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Experiments, HeldTrial, StopOrder, Suggested

__all__ = ["WorkerTrialsContract"]

_PATIENCE = 60.0


class WorkerTrialsContract(ExperimentsPlace):
    """Inherit it and give ``experiments`` (``ExperimentsPlace``).

    Attributes:
        short_lease: Seconds after which a silent client has lost its trial, in the tests of that.
    """

    short_lease: ClassVar[float] = 0.5

    def make(self, experiments: Experiments, *, trials: int = 4, parallel: int = 2, **spec: Any) -> None:
        """Create the experiment ``search`` without a trial template."""
        document = json.loads(self.document(trials=trials, parallel=parallel))
        del document["spec"]["trialTemplate"]
        document["spec"] |= spec
        experiments.create(self.namespace, json.dumps(document))

    def ask(
        self, experiments: Experiments, client: str = "a", *, count: int = 1, lease: float = 60.0, wait: float = 30.0
    ) -> Suggested:
        """Have a client ask for trials."""
        answer = experiments.workers.suggest(self.namespace, "search", client, count=count, lease=lease, wait=wait)
        return answer.result(_PATIENCE)

    def one(self, experiments: Experiments, client: str = "a", *, lease: float = 60.0) -> TrialRecord:
        """Have a client ask for one trial, and get it."""
        suggested = self.ask(experiments, client, lease=lease)
        assert len(suggested.trials) == 1, suggested
        return suggested.trials[0]

    def report(
        self, experiments: Experiments, trial: str, value: float, client: str = "a", *, request_id: str = ""
    ) -> StopOrder:
        """Have a client report a value of the objective."""
        values = [Measurement("loss", str(value))]
        answer = experiments.workers.report(self.namespace, "search", trial, client, values, request_id=request_id)
        return answer.result(_PATIENCE)

    def tell(
        self,
        experiments: Experiments,
        trial: str,
        client: str = "a",
        outcome: Outcome = Outcome.COMPLETED,
        values: Sequence[float] = (0.5,),
        *,
        message: str = "",
    ) -> TrialRecord:
        """Have a client tell how a trial ended."""
        measurements = [Measurement("loss", str(value)) for value in values]
        answer = experiments.workers.complete(
            self.namespace, "search", trial, client, outcome, measurements=measurements, message=message
        )
        return answer.result(_PATIENCE)

    def beat(self, experiments: Experiments, client: str = "a", trials: Sequence[str] = ()) -> list[HeldTrial]:
        """Have a client say that it is there."""
        return experiments.workers.heartbeat(self.namespace, "search", client, trials).result(_PATIENCE)

    # -- a search that callers run --------------------------------------------------------------------------------

    def test_callers_bring_an_experiment_to_its_end(self, experiments: Experiments) -> None:
        """Several at once; each trial is one caller's, and what they say is what is known."""
        self.make(experiments, trials=8, parallel=3)
        ran: list[str] = []
        lock = threading.Lock()

        def work(client: str) -> Suggested:
            while True:
                suggested = self.ask(experiments, client)
                for trial in suggested.trials:
                    with lock:
                        ran.append(trial.name)
                    value = float(dict(trial.assignments)["x"])
                    self.report(experiments, trial.name, value + 1, client)
                    self.tell(experiments, trial.name, client, values=[value])
                if suggested.over:
                    return suggested

        with ThreadPoolExecutor(3) as pool:
            ends = list(pool.map(work, ["a", "b", "c"]))
        assert {end.state for end in ends} == {"Succeeded"}
        assert all(end.reason for end in ends)
        done = self.wait_for(experiments, "search", "Succeeded")
        trials = experiments.trials(self.namespace, "search")
        assert sorted(ran) == sorted(trial.name for trial in trials)
        assert len(set(ran)) == 8
        assert {trial.state for trial in trials} == {TrialState.SUCCEEDED}
        for trial in trials:
            value = float(dict(trial.assignments)["x"])
            seen = experiments.observations(self.namespace, "search", trial.name)
            assert [float(each.text) for each in seen] == [value + 1, value]
        assert done.status is not None
        best = done.status.current_optimal_trial
        assert best is not None
        assert best.best_trial_name == min(trials, key=lambda trial: float(dict(trial.assignments)["x"])).name

    def test_the_parallelism_bounds_what_is_given_out(self, experiments: Experiments) -> None:
        """Who gets none is told why, and gets one when another is told to have ended; or when the budget is greater."""
        self.make(experiments, trials=4, parallel=1)
        first = self.one(experiments, "a")
        none = self.ask(experiments, "b", wait=0.0)
        assert (none.trials, none.over) == ((), False)
        assert none.waiting
        experiments.edit_budget(self.namespace, "search", Budget(parallel_trial_count=2))
        second = self.one(experiments, "b")
        assert second.name != first.name
        waiting = experiments.workers.suggest(self.namespace, "search", "c", wait=30.0)
        self.tell(experiments, first.name, "a")
        third = waiting.result(_PATIENCE).trials
        assert [trial.index for trial in third] == [2]
        experiments.delete(self.namespace, "search")

    # -- who holds what -------------------------------------------------------------------------------------------

    def test_who_comes_back_gets_what_they_hold(self, experiments: Experiments) -> None:
        """By their name, whatever has become of them; several, if they hold several."""
        self.make(experiments, trials=4, parallel=4)
        held = self.ask(experiments, "a", count=2).trials
        assert len(held) == 2
        other = self.one(experiments, "b")
        assert other.name not in {trial.name for trial in held}
        again = self.ask(experiments, "a", count=2, wait=0.0).trials
        assert [trial.name for trial in again] == [trial.name for trial in held]
        assert {each.name for each in self.beat(experiments, "a")} == {trial.name for trial in held}
        [one] = self.beat(experiments, "a", [held[0].name])
        assert (one.name, one.lost, one.should_stop) == (held[0].name, False, False)
        experiments.delete(self.namespace, "search")

    def test_who_is_silent_loses_their_trial(self, experiments: Experiments) -> None:
        """It is given to another one, and the first is told when it is heard of again."""
        self.make(experiments, trials=2, parallel=1)
        lost = self.one(experiments, "a", lease=self.short_lease)
        found = self.one(experiments, "b")
        assert (found.name, found.assignments) == (lost.name, lost.assignments)
        [held] = self.beat(experiments, "a", [lost.name])
        assert held.lost
        with pytest.raises(Conflict):
            self.report(experiments, lost.name, 0.5, "a")
        with pytest.raises(Conflict):
            self.tell(experiments, lost.name, "a")
        assert self.tell(experiments, found.name, "b").state is TrialState.SUCCEEDED
        experiments.delete(self.namespace, "search")

    def test_who_is_heard_of_keeps_their_trial(self, experiments: Experiments) -> None:
        """For as long as they say so."""
        self.make(experiments, trials=2, parallel=1)
        held = self.one(experiments, "a", lease=60 * self.short_lease)
        until = time.monotonic() + 3 * self.short_lease
        while time.monotonic() < until:
            [still] = self.beat(experiments, "a")
            assert not still.lost
            assert self.ask(experiments, "b", wait=0.1).trials == ()
        assert self.tell(experiments, held.name, "a").state is TrialState.SUCCEEDED
        experiments.delete(self.namespace, "search")

    # -- what they say --------------------------------------------------------------------------------------------

    def test_an_end_is_told_once(self, experiments: Experiments) -> None:
        """Told again it is the same; another one is refused, and so is one that is told by somebody else."""
        self.make(experiments)
        trial = self.one(experiments, "a")
        with pytest.raises(Conflict):
            self.tell(experiments, trial.name, "b")
        told = self.tell(experiments, trial.name, "a")
        assert told.state is TrialState.SUCCEEDED
        again = self.tell(experiments, trial.name, "a")
        assert (again.state, again.finished) == (told.state, told.finished)
        assert len(experiments.observations(self.namespace, "search", trial.name)) == 1
        with pytest.raises(Conflict):
            self.tell(experiments, trial.name, "a", Outcome.BROKEN, [])
        experiments.delete(self.namespace, "search")

    def test_a_report_is_taken_once(self, experiments: Experiments) -> None:
        """By its request id, which is of that report alone; without one, each is another."""
        self.make(experiments)
        trial = self.one(experiments)
        for value, request_id in ((3, "r-1"), (3, "r-1"), (2, "r-2"), (3, "r-1"), (1, ""), (1, "")):
            self.report(experiments, trial.name, value, request_id=request_id)
        seen = experiments.observations(self.namespace, "search", trial.name)
        assert [float(each.text) for each in seen] == [3, 2, 1, 1]
        with pytest.raises(Conflict, match="'r-1' was used for another request"):
            self.report(experiments, trial.name, 4, request_id="r-1")
        assert experiments.observations(self.namespace, "search", trial.name) == seen
        experiments.delete(self.namespace, "search")

    @pytest.mark.parametrize("outcome", [Outcome.BROKEN, Outcome.INFEASIBLE])
    def test_what_did_not_work_has_failed(self, experiments: Experiments, outcome: Outcome) -> None:
        """With the reason that its caller gave."""
        self.make(experiments)
        trial = self.one(experiments)
        told = self.tell(experiments, trial.name, outcome=outcome, values=[], message="out of memory")
        assert told.state is TrialState.FAILED
        assert "out of memory" in told.message
        assert experiments.trial(self.namespace, "search", trial.name).state is TrialState.FAILED
        experiments.delete(self.namespace, "search")

    def test_callers_are_told_to_stop_with_the_experiment(self, experiments: Experiments) -> None:
        """Whichever way they ask; when they have, it has ended, and it can go on."""
        self.make(experiments)
        trial = self.one(experiments)
        assert not experiments.workers.should_stop(self.namespace, "search", trial.name, "a").result(60).should_stop
        experiments.stop(self.namespace, "search")

        def is_told() -> bool:
            return experiments.workers.should_stop(self.namespace, "search", trial.name, "a").result(60).should_stop

        eventually(is_told, "the caller is told to stop")
        [held] = self.beat(experiments, "a", [trial.name])
        assert held.should_stop
        assert held.reason
        self.tell(experiments, trial.name)
        self.wait_for(experiments, "search", "Stopped")
        over = self.ask(experiments, wait=0.0)
        assert (over.trials, over.over, over.state) == ((), True, "Stopped")
        experiments.resume(self.namespace, "search")
        assert self.one(experiments).name
        experiments.stop(self.namespace, "search", at_once=True)
        self.wait_for(experiments, "search", "Stopped")

    # -- what is refused ------------------------------------------------------------------------------------------

    def test_trials_of_a_template_are_not_given_out(self, experiments: Experiments) -> None:
        """They are run already."""
        experiments.create(self.namespace, self.document(trials=1))
        with pytest.raises(Conflict):
            self.ask(experiments, wait=0.0)
        self.wait_for(experiments, "search", "Succeeded")
        with pytest.raises(Conflict):
            self.ask(experiments, wait=0.0)

    def test_who_asks_for_nonsense_is_told(self, experiments: Experiments) -> None:
        """An experiment or a trial that is not there, a client without a name, a lease that is none."""
        with pytest.raises(NotFound):
            self.ask(experiments, wait=0.0)
        self.make(experiments)
        with pytest.raises(NotFound):
            self.report(experiments, "search-none", 0.5)
        with pytest.raises(NotFound):
            self.tell(experiments, "search-none")
        with pytest.raises(InvalidInput):
            self.ask(experiments, "", wait=0.0)
        with pytest.raises(InvalidInput):
            self.ask(experiments, lease=-1.0, wait=0.0)
        experiments.delete(self.namespace, "search")

    def test_an_experiment_of_callers_is_seen_as_any_other(self, experiments: Experiments) -> None:
        """It has no logs; the rest is there."""
        self.make(experiments)
        trial = self.one(experiments)
        assert state_of(experiments.get(self.namespace, "search")) == "Running"
        assert experiments.trial(self.namespace, "search", trial.name).state is TrialState.RUNNING
        assert trial.name in [each.name for each in experiments.changes(self.namespace, "search", "").trials]
        with pytest.raises(NotFound):
            experiments.logs(self.namespace, "search", trial.name)
        experiments.delete(self.namespace, "search")
        with pytest.raises(NotFound):
            self.beat(experiments, "a", [trial.name])
