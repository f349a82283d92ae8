"""What every place of experiments promises (``katib.experiments.protocol.Experiments``), as tests.

A place's whole test module can be::

    class TestMyExperiments(ExperimentsContract):
        @pytest.fixture
        def experiments(self, tmp_path):
            with my_experiments(tmp_path) as experiments:
                yield experiments

What else a place may have to say is in ``ExperimentsPlace``: where its experiments are, and which job does as a trial is to do.
The trials are real: each prints ``loss=`` and the value of its one parameter, so that what was tried is what is measured.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import pytest

from katib.api.trial import TrialState
from katib.errors import Conflict, InvalidExperiment, InvalidInput, KatibError, NotFound
from katib.experiments.protocol import Budget, ExperimentQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from katib.api.experiment import Experiment
    from katib.experiments.protocol import Changes, Experiments

__all__ = ["Behaviour", "ExperimentsContract", "ExperimentsPlace", "eventually", "state_of"]

Behaviour = Literal["quick", "long", "broken"]
"""What a trial does: report its value and end well; report it and then run until it is told to end; or say ``out of luck`` and fail."""

_SCRIPTS: Final[dict[Behaviour, str]] = {
    "quick": "import sys; print('loss=' + sys.argv[1])",
    "long": "import sys, time; print('loss=' + sys.argv[1], flush=True); time.sleep(600)",
    "broken": "import sys; sys.exit('out of luck')",
}
_OVER: Final = ("Succeeded", "Failed", "Stopped")
_ACTIVE: Final = (TrialState.CREATED, TrialState.RUNNING)


def eventually(condition: Callable[[], object], what: str, *, seconds: float = 60.0) -> None:
    """Wait until something is so; a slow machine is given its time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)


def state_of(experiment: Experiment) -> str:
    """Return the type of an experiment's current condition; before the first, it is ``Created``."""
    conditions = experiment.status.conditions if experiment.status else []
    return conditions[-1].type if conditions else "Created"


class ExperimentsPlace:
    """What the tests have to know of the place of experiments under test; override what is otherwise there.

    Attributes:
        namespace: Where the tests make their experiments; it has no others.
        other_namespace: Another one, or empty where there is only one.
        has_logs: Whether what a trial printed can be read.
        keeps_deletions: Whether the request id of a deletion is kept when what it deleted is gone.
    """

    namespace: ClassVar[str] = "default"
    other_namespace: ClassVar[str] = "elsewhere"
    has_logs: ClassVar[bool] = True
    keeps_deletions: ClassVar[bool] = True

    @pytest.fixture
    def experiments(self) -> Iterator[Experiments]:
        """Give the place, which runs what is created in it; override this in every case."""
        raise NotImplementedError

    def trial_spec(self, behaviour: Behaviour) -> dict[str, Any]:
        """Return a job for ``trialSpec``, whose container ``main`` is given the trial's value as ``${trialParameters.x}``.

        Override it where trials are no processes of this machine; ``long`` has to end when it is told to.
        """
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {
                "backoffLimit": 0,
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "terminationGracePeriodSeconds": 5,
                        "containers": [
                            {
                                "name": "main",
                                "image": "none",
                                "command": [sys.executable, "-c", _SCRIPTS[behaviour], "${trialParameters.x}"],
                            }
                        ],
                    }
                },
            },
        }

    def document(
        self,
        name: str = "search",
        behaviour: Behaviour = "quick",
        *,
        trials: int = 2,
        parallel: int | None = None,
        failures: int | None = None,
        algorithm: str = "random",
        labels: dict[str, str] | None = None,
        goal: float | None = None,
        resume_policy: str = "LongRunning",
    ) -> str:
        """Return an experiment as JSON; two trials run at a time, if there are to be two."""
        spec: dict[str, Any] = {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": algorithm},
            "parallelTrialCount": parallel or min(trials, 2),
            "maxTrialCount": trials,
            "resumePolicy": resume_policy,
            "seed": 7,
            "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0.125", "max": "1"}}],
            "trialTemplate": {
                "primaryContainerName": "main",
                "trialParameters": [{"name": "x", "reference": "x"}],
                "trialSpec": self.trial_spec(behaviour),
            },
        }
        if goal is not None:
            spec["objective"]["goal"] = goal
        if failures is not None:
            spec["maxFailedTrialCount"] = failures
        metadata = {"name": name, "namespace": "of-the-document", "labels": labels or {}}
        return json.dumps(
            {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": metadata, "spec": spec}
        )

    # -- what several tests do ------------------------------------------------------------------------------------

    def wait_for(self, experiments: Experiments, name: str, *states: str) -> Experiment:
        """Wait until an experiment is in one of these states, and everything of it has come to rest if that is an end."""
        found: list[Experiment] = []

        def there() -> bool:
            found[:] = [experiments.get(self.namespace, name)]
            if state_of(found[0]) not in states:
                return False
            return state_of(found[0]) not in _OVER or not self.active(experiments, name)

        eventually(there, f"experiment {name} is {' or '.join(states)}")
        return found[0]

    def active(self, experiments: Experiments, name: str) -> int:
        """Return how many trials wait or run."""
        return len(experiments.trials(self.namespace, name, states=_ACTIVE))

    def running(self, experiments: Experiments, name: str, count: int) -> None:
        """Wait until so many trials run and have reported."""

        def there() -> bool:
            trials = experiments.trials(self.namespace, name, states=[TrialState.RUNNING])
            return len(trials) >= count and all(
                experiments.observations(self.namespace, name, trial.name, limit=1) for trial in trials
            )

        eventually(there, f"{count} trials of {name} run")


class ExperimentsContract(ExperimentsPlace):
    """Inherit it and give ``experiments``; see ``ExperimentsPlace`` for the rest."""

    # -- making ---------------------------------------------------------------------------------------------------

    def test_an_experiment_runs_to_its_end(self, experiments: Experiments) -> None:
        """From the document to the best trial, with everything there is to be seen of it."""
        made = experiments.create(self.namespace, self.document(trials=3, labels={"team": "blue"}))
        assert made.metadata.uid
        assert made.metadata.namespace == self.namespace
        assert made.metadata.labels == {"team": "blue"}
        assert made.spec.metrics_collector_spec is not None  # a default
        done = self.wait_for(experiments, "search", "Succeeded")
        assert done.metadata.uid == made.metadata.uid
        assert done.status is not None
        assert done.status.trials_succeeded == 3
        assert done.status.conditions[-1].reason == "ExperimentMaxTrialsReached"
        trials = experiments.trials(self.namespace, "search")
        assert [trial.index for trial in trials] == [0, 1, 2]
        assert {trial.state for trial in trials} == {TrialState.SUCCEEDED}
        tried = [dict(trial.assignments)["x"] for trial in trials]
        assert len(set(tried)) == 3
        for trial, value in zip(trials, tried, strict=True):
            seen = experiments.observations(self.namespace, "search", trial.name)
            assert [(each.name, float(each.text)) for each in seen] == [("loss", float(value))]
            assert experiments.trial(self.namespace, "search", trial.name) == trial
            if self.has_logs:
                assert f"loss={value}".encode() in b"".join(experiments.logs(self.namespace, "search", trial.name))
        best = done.status.current_optimal_trial
        assert best is not None
        assert best.best_trial_name == min(trials, key=lambda trial: float(dict(trial.assignments)["x"])).name
        assert experiments.events(self.namespace, "search")

    def test_trials_come_in_pages_and_by_state(self, experiments: Experiments) -> None:
        """By index; a page goes on after the last index of the one before."""
        experiments.create(self.namespace, self.document(trials=3))
        self.wait_for(experiments, "search", "Succeeded")
        pages: list[list[int]] = []
        after: int | None = None
        while page := experiments.trials(self.namespace, "search", after_index=after, limit=2):
            pages.append([trial.index for trial in page])
            after = page[-1].index
        assert pages == [[0, 1], [2]]
        assert experiments.trials(self.namespace, "search", states=[TrialState.FAILED]) == []
        name = experiments.trials(self.namespace, "search", limit=1)[0].name
        assert experiments.observations(self.namespace, "search", name, metric="accuracy") == []
        assert len(experiments.observations(self.namespace, "search", name, metric="loss")) == 1
        assert experiments.observations(self.namespace, "search", name, after_sequence=0) == []

    def test_every_fault_of_a_document_is_told_and_nothing_is_recorded(self, experiments: Experiments) -> None:
        """All at once, each with its place."""
        document = json.loads(self.document())
        document["spec"]["maxTrialCount"] = 0
        document["spec"]["algorithm"]["algorithmName"] = "rndom"
        with pytest.raises(InvalidExperiment) as caught:
            experiments.create(self.namespace, json.dumps(document))
        paths = {problem.path for problem in caught.value.problems}
        assert {"spec.maxTrialCount", "spec.algorithm.algorithmName"} <= paths
        for text in ("", "no: experiment", "}{", f"{self.document('one')}\n---\n{self.document('two')}\n"):
            with pytest.raises(InvalidInput):
                experiments.create(self.namespace, text)
        assert experiments.find(self.namespace, ExperimentQuery()).experiments == ()

    def test_a_dry_run_only_checks(self, experiments: Experiments) -> None:
        """The same faults are found, and nothing is there afterwards."""
        checked = experiments.create(self.namespace, self.document(), dry_run=True)
        assert checked.metadata.name == "search"
        assert checked.metadata.namespace == self.namespace
        assert checked.spec.metrics_collector_spec is not None
        with pytest.raises(InvalidExperiment):
            experiments.create(self.namespace, self.document(algorithm="rndom"), dry_run=True)
        with pytest.raises(NotFound):
            experiments.get(self.namespace, "search")

    def test_a_name_is_taken_once_in_a_namespace(self, experiments: Experiments) -> None:
        """What another namespace has is another experiment, and is not found in this one."""
        made = experiments.create(self.namespace, self.document(trials=1))
        with pytest.raises(Conflict, match="search"):
            experiments.create(self.namespace, self.document(trials=1))
        if self.other_namespace:
            other = experiments.create(self.other_namespace, self.document(trials=1))
            assert other.metadata.uid != made.metadata.uid
            assert experiments.get(self.namespace, "search").metadata.uid == made.metadata.uid
            found = experiments.find(None, ExperimentQuery()).experiments
            assert {each.metadata.namespace for each in found} >= {self.namespace, self.other_namespace}
            assert len(experiments.find(self.namespace, ExperimentQuery()).experiments) == 1
            experiments.delete(self.other_namespace, "search")
            assert experiments.get(self.namespace, "search").metadata.uid == made.metadata.uid
        self.wait_for(experiments, "search", "Succeeded")

    def test_a_request_is_carried_out_once(self, experiments: Experiments) -> None:
        """Sent again it is answered with what it made; the id of another request is refused."""
        document = self.document(trials=1)
        made = experiments.create(self.namespace, document, request_id="r-1")
        assert experiments.create(self.namespace, document, request_id="r-1").metadata.uid == made.metadata.uid
        with pytest.raises(Conflict):
            experiments.create(self.namespace, self.document(trials=2), request_id="r-1")
        with pytest.raises(Conflict):
            experiments.create(self.namespace, document, request_id="r-2")
        with pytest.raises(Conflict):
            experiments.create(self.namespace, document)
        self.wait_for(experiments, "search", "Succeeded")
        assert experiments.create(self.namespace, document, request_id="r-1").metadata.uid == made.metadata.uid
        assert len(experiments.trials(self.namespace, "search")) == 1

    def test_a_request_that_is_sent_by_many_at_once_is_carried_out_once(self, experiments: Experiments) -> None:
        """Whichever comes first, all are told the same."""
        document = self.document(trials=1)
        barrier = threading.Barrier(6)

        def send(_: int) -> str:
            barrier.wait()
            return experiments.create(self.namespace, document, request_id="same").metadata.uid or ""

        with ThreadPoolExecutor(6) as pool:
            uids = set(pool.map(send, range(6)))
        assert len(uids) == 1
        self.wait_for(experiments, "search", "Succeeded")
        assert len(experiments.trials(self.namespace, "search")) == 1

    def test_a_change_is_made_once(self, experiments: Experiments) -> None:
        """Sent again with its id, also after others, it changes nothing; the id of another change is refused."""
        document = self.document(trials=1)
        made = experiments.create(self.namespace, document, request_id="c-1")
        self.wait_for(experiments, "search", "Succeeded")
        assert state_of(experiments.stop(self.namespace, "search", request_id="s-1")) == "Succeeded"
        experiments.resume(self.namespace, "search", max_trials=2, request_id="r-1")
        experiments.stop(self.namespace, "search", request_id="s-1")
        self.wait_for(experiments, "search", "Succeeded")
        assert len(experiments.trials(self.namespace, "search")) == 2
        # Both would be refused if they were made again: neither is a greater budget.
        experiments.resume(self.namespace, "search", max_trials=2, request_id="r-1")
        experiments.edit_budget(self.namespace, "search", Budget(max_trial_count=3), request_id="e-1")
        self.wait_for(experiments, "search", "Succeeded")
        experiments.edit_budget(self.namespace, "search", Budget(max_trial_count=3), request_id="e-1")
        others: tuple[Callable[[], object], ...] = (
            lambda: experiments.edit_budget(self.namespace, "search", Budget(max_trial_count=4), request_id="e-1"),
            lambda: experiments.resume(self.namespace, "search", max_trials=4, request_id="r-1"),
            lambda: experiments.resume(self.namespace, "search", max_trials=4, request_id="s-1"),
            lambda: experiments.resume(self.namespace, "search", max_trials=4, request_id="c-1"),
            lambda: experiments.stop(self.namespace, "search", at_once=True, request_id="s-1"),
        )
        for other in others:
            with pytest.raises(Conflict, match=r"request.id '.-1' was used for another request"):
                other()
        assert experiments.get(self.namespace, "search").spec.max_trial_count == 3
        assert len(experiments.trials(self.namespace, "search")) == 3
        for _ in range(2):
            experiments.delete(self.namespace, "search", request_id="d-1")
        again = experiments.create(self.namespace, document, request_id="c-2")
        assert again.metadata.uid != made.metadata.uid
        if self.keeps_deletions:
            experiments.delete(self.namespace, "search", request_id="d-1")
            assert experiments.get(self.namespace, "search").metadata.uid == again.metadata.uid
        self.wait_for(experiments, "search", "Succeeded")

    # -- what is not there ----------------------------------------------------------------------------------------

    def test_what_is_not_there_is_not_found(self, experiments: Experiments) -> None:
        """An experiment, and a trial of one; only what is deleted may be missing."""
        place = self.namespace
        calls: list[Callable[[], object]] = [
            lambda: experiments.get(place, "nothing"),
            lambda: experiments.stop(place, "nothing"),
            lambda: experiments.resume(place, "nothing"),
            lambda: experiments.edit_budget(place, "nothing", Budget(max_trial_count=3)),
            lambda: experiments.events(place, "nothing"),
            lambda: experiments.changes(place, "nothing", ""),
            lambda: experiments.trials(place, "nothing"),
            lambda: experiments.trial(place, "nothing", "nothing-0"),
            lambda: experiments.observations(place, "nothing", "nothing-0"),
            lambda: experiments.logs(place, "nothing", "nothing-0"),
        ]
        for call in calls:
            with pytest.raises(NotFound, match="nothing"):
                call()
        experiments.delete(place, "nothing")
        experiments.create(place, self.document(trials=1))
        calls = [
            lambda: experiments.trial(place, "search", "search-none"),
            lambda: experiments.observations(place, "search", "search-none"),
            lambda: experiments.logs(place, "search", "search-none"),
        ]
        for call in calls:
            with pytest.raises(NotFound, match="search-none"):
                call()
        self.wait_for(experiments, "search", "Succeeded")

    # -- finding --------------------------------------------------------------------------------------------------

    def test_experiments_are_found_by_what_they_are(self, experiments: Experiments) -> None:
        """By state, algorithm, beginning of the name and labels; all conditions hold."""
        make = experiments.create
        make(self.namespace, self.document("a-good", trials=1, labels={"team": "blue", "kind": "x"}))
        make(self.namespace, self.document("a-sobol", trials=1, algorithm="sobol", labels={"team": "red"}))
        make(self.namespace, self.document("b-bad", "broken", trials=1, failures=1, labels={"team": "blue"}))
        self.wait_for(experiments, "a-good", "Succeeded")
        self.wait_for(experiments, "a-sobol", "Succeeded")
        self.wait_for(experiments, "b-bad", "Failed")

        def found(**conditions: Any) -> list[str]:
            page = experiments.find(self.namespace, ExperimentQuery(**conditions))
            assert page.after == ""
            return [experiment.metadata.name for experiment in page.experiments]

        assert found() == ["a-good", "a-sobol", "b-bad"]
        assert found(states=["Failed"]) == ["b-bad"]
        assert found(states=["Failed", "Succeeded"], name_prefix="a-") == ["a-good", "a-sobol"]
        assert found(states=["Running"]) == []
        assert found(algorithm="sobol") == ["a-sobol"]
        assert found(labels={"team": "blue"}) == ["a-good", "b-bad"]
        assert found(labels={"team": "blue", "kind": "x"}) == ["a-good"]
        assert found(labels={"team": "green"}) == []
        [bad] = experiments.find(self.namespace, ExperimentQuery(states=["Failed"])).experiments
        assert bad == experiments.get(self.namespace, "b-bad")

    def test_experiments_come_in_pages(self, experiments: Experiments) -> None:
        """Every one once, by name; what comes and goes between two pages is no harm."""
        names = [f"e-{index}" for index in range(5)]
        for name in names:
            experiments.create(self.namespace, self.document(name, trials=1))
        for name in names:
            self.wait_for(experiments, name, "Succeeded")
        first = experiments.find(self.namespace, ExperimentQuery(limit=2))
        assert [each.metadata.name for each in first.experiments] == names[:2]
        experiments.delete(self.namespace, "e-1")
        second = experiments.find(self.namespace, ExperimentQuery(limit=2, after=first.after))
        assert [each.metadata.name for each in second.experiments] == names[2:4]
        third = experiments.find(self.namespace, ExperimentQuery(limit=2, after=second.after))
        assert [each.metadata.name for each in third.experiments] == names[4:]
        assert third.after == ""

    # -- ending and going on --------------------------------------------------------------------------------------

    def test_stopped_and_resumed_an_experiment_loses_no_trial(self, experiments: Experiments) -> None:
        """What it had begun is ended, and run again under the same names when it goes on."""
        experiments.create(self.namespace, self.document(behaviour="long", trials=2))
        self.running(experiments, "search", 2)
        before = experiments.trials(self.namespace, "search")
        experiments.stop(self.namespace, "search")
        self.wait_for(experiments, "search", "Stopped")
        again = experiments.stop(self.namespace, "search")
        assert state_of(again) == "Stopped"
        resumed = experiments.resume(self.namespace, "search")
        assert state_of(resumed) in {"Restarting", "Running"}
        self.running(experiments, "search", 2)
        after = experiments.trials(self.namespace, "search")
        assert [(trial.name, trial.assignments) for trial in after] == [
            (trial.name, trial.assignments) for trial in before
        ]
        experiments.stop(self.namespace, "search", at_once=True)
        self.wait_for(experiments, "search", "Stopped")

    def test_an_experiment_that_is_over_is_not_stopped(self, experiments: Experiments) -> None:
        """It stays what it is."""
        experiments.create(self.namespace, self.document(trials=1))
        self.wait_for(experiments, "search", "Succeeded")
        assert state_of(experiments.stop(self.namespace, "search", at_once=True)) == "Succeeded"
        assert state_of(experiments.get(self.namespace, "search")) == "Succeeded"

    def test_resuming_what_runs_changes_only_its_counts(self, experiments: Experiments) -> None:
        """Its trials go on undisturbed."""
        experiments.create(self.namespace, self.document(behaviour="long", trials=4, parallel=1))
        self.running(experiments, "search", 1)
        [first] = experiments.trials(self.namespace, "search")
        experiments.resume(self.namespace, "search")
        experiments.resume(self.namespace, "search", max_trials=5, parallel=2)
        self.running(experiments, "search", 2)
        assert experiments.get(self.namespace, "search").spec.max_trial_count == 5
        assert experiments.trial(self.namespace, "search", first.name).attempt == first.attempt
        experiments.delete(self.namespace, "search")

    def test_a_running_experiment_heeds_another_budget(self, experiments: Experiments) -> None:
        """More at a time begin at once; what is no budget is refused and changes nothing."""
        experiments.create(self.namespace, self.document(behaviour="long", trials=6, parallel=1))
        self.running(experiments, "search", 1)
        for wrong in (Budget(max_trial_count=0), Budget(parallel_trial_count=-1), Budget(parallel_trial_count=7)):
            with pytest.raises(InvalidExperiment):
                experiments.edit_budget(self.namespace, "search", wrong)
        edited = experiments.edit_budget(
            self.namespace, "search", Budget(max_trial_count=7, parallel_trial_count=3, max_failed_trial_count=2)
        )
        spec = edited.spec
        assert (spec.max_trial_count, spec.parallel_trial_count, spec.max_failed_trial_count) == (7, 3, 2)
        self.running(experiments, "search", 3)
        assert experiments.get(self.namespace, "search").spec == spec
        experiments.delete(self.namespace, "search")

    def test_a_budget_that_is_used_up_can_be_made_greater(self, experiments: Experiments) -> None:
        """The experiment goes on; by an edit as by a resumption."""
        experiments.create(self.namespace, self.document(trials=1, parallel=1))
        self.wait_for(experiments, "search", "Succeeded")
        [first] = experiments.trials(self.namespace, "search")
        with pytest.raises(InvalidExperiment, match="maxTrialCount"):
            experiments.resume(self.namespace, "search")
        experiments.edit_budget(self.namespace, "search", Budget(max_trial_count=2))
        eventually(lambda: len(experiments.trials(self.namespace, "search")) == 2, "the second trial")
        self.wait_for(experiments, "search", "Succeeded")
        experiments.resume(self.namespace, "search", max_trials=3)
        eventually(lambda: len(experiments.trials(self.namespace, "search")) == 3, "the third trial")
        self.wait_for(experiments, "search", "Succeeded")
        assert experiments.trials(self.namespace, "search")[0] == first

    def test_what_is_over_for_good_does_not_go_on(self, experiments: Experiments) -> None:
        """Its goal is reached, it has failed, or its policy is against it; the message says so."""
        experiments.create(self.namespace, self.document("goal", trials=2, parallel=1, goal=1.0))
        experiments.create(self.namespace, self.document("never", trials=1, resume_policy="Never"))
        experiments.create(self.namespace, self.document("failed", "broken", trials=2, parallel=1, failures=1))
        self.wait_for(experiments, "goal", "Succeeded")
        self.wait_for(experiments, "never", "Succeeded")
        self.wait_for(experiments, "failed", "Failed")
        for name, word in (("goal", "over for good"), ("never", "resumePolicy"), ("failed", "over for good")):
            with pytest.raises(InvalidExperiment, match=word):
                experiments.resume(self.namespace, name, max_trials=9)
            with pytest.raises(InvalidExperiment, match=word):
                experiments.edit_budget(self.namespace, name, Budget(max_trial_count=9))

    def test_a_trial_that_fails_says_why(self, experiments: Experiments) -> None:
        """In its record, and in the events of its experiment."""
        experiments.create(self.namespace, self.document(behaviour="broken", trials=2, parallel=1, failures=1))
        done = self.wait_for(experiments, "search", "Failed")
        assert done.status is not None
        assert done.status.trials_failed == 1
        [trial] = experiments.trials(self.namespace, "search", states=[TrialState.FAILED])
        assert trial.reason
        assert trial.message
        told = experiments.events(self.namespace, "search", trial=trial.name)
        assert any(event.kind == "Warning" and event.trial == trial.name for event in told)
        assert set(told) <= set(experiments.events(self.namespace, "search"))
        if self.has_logs:
            assert b"out of luck" in b"".join(experiments.logs(self.namespace, "search", trial.name))

    # -- deleting -------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("purge", [False, True])
    def test_deleted_an_experiment_is_gone_and_its_name_is_free(self, experiments: Experiments, *, purge: bool) -> None:
        """Also one that runs; deleting again is fine."""
        made = experiments.create(self.namespace, self.document(behaviour="long", trials=2))
        self.running(experiments, "search", 2)
        experiments.delete(self.namespace, "search", purge=purge)
        with pytest.raises(NotFound):
            experiments.get(self.namespace, "search")
        with pytest.raises(NotFound):
            experiments.trials(self.namespace, "search")
        assert experiments.find(self.namespace, ExperimentQuery()).experiments == ()
        experiments.delete(self.namespace, "search", purge=purge)
        again = experiments.create(self.namespace, self.document(trials=1))
        assert again.metadata.uid != made.metadata.uid
        self.wait_for(experiments, "search", "Succeeded")

    # -- following ------------------------------------------------------------------------------------------------

    def test_changes_of_an_experiment_lead_to_what_it_is(self, experiments: Experiments) -> None:
        """Whoever adds them up has the experiment and every trial as they are; then there are none any more."""
        experiments.create(self.namespace, self.document(trials=3))
        cursor, trials = "", {}
        seen: list[Experiment] = []

        def follow() -> Changes:
            nonlocal cursor
            changes = experiments.changes(self.namespace, "search", cursor)
            cursor = changes.cursor
            seen.extend(changes.experiments)
            trials.update({trial.name: trial for trial in changes.trials})
            return changes

        assert follow().experiments

        def has_seen_the_end() -> bool:
            follow()
            return state_of(seen[-1]) == "Succeeded" and not self.active(experiments, "search")

        def adds_up() -> bool:
            # What is read at once may be ahead of what changed: a cluster tells of changes by a watch.
            follow()
            told = sorted(trials.values(), key=lambda trial: trial.index)
            return seen[-1] == experiments.get(self.namespace, "search") and told == experiments.trials(
                self.namespace, "search"
            )

        eventually(has_seen_the_end, "the end is seen")

        def is_quiet() -> bool:
            # A driver may still write what it has to say of the end.
            changes = follow()
            return (changes.experiments, changes.trials, changes.deleted) == ((), (), ())

        eventually(adds_up, "what was told of adds up to what there is")
        eventually(is_quiet, "nothing changes any more")
        expected = experiments.trials(self.namespace, "search")
        assert sorted(trials.values(), key=lambda trial: trial.index) == expected
        everything = experiments.changes(self.namespace, "search", "")
        assert everything.experiments == (seen[-1],)
        assert sorted(everything.trials, key=lambda trial: trial.index) == expected

    def test_a_deletion_is_a_change(self, experiments: Experiments) -> None:
        """For who follows the one, and for who follows all of the namespace; one of the same name is another one."""
        made = experiments.create(self.namespace, self.document(trials=1))
        self.wait_for(experiments, "search", "Succeeded")
        one = experiments.changes(self.namespace, "search", "").cursor
        every = experiments.changes(self.namespace, None, "").cursor
        experiments.delete(self.namespace, "search")
        gone = (self.namespace, "search", made.metadata.uid)
        assert experiments.changes(self.namespace, "search", one).deleted == (gone,)
        assert experiments.changes(self.namespace, None, every).deleted == (gone,)
        again = experiments.create(self.namespace, self.document(trials=1))
        for changes in (
            experiments.changes(self.namespace, "search", one),
            experiments.changes(self.namespace, None, every),
        ):
            assert changes.deleted == (gone,)
            assert [each.metadata.uid for each in changes.experiments] == [again.metadata.uid]
        self.wait_for(experiments, "search", "Succeeded")

    def test_changes_of_a_namespace_are_those_of_its_experiments(self, experiments: Experiments) -> None:
        """Everything at first, then what changed; without trials."""
        assert experiments.changes(self.namespace, None, "").experiments == ()
        for name in ("a", "b"):
            experiments.create(self.namespace, self.document(name, trials=1))
            self.wait_for(experiments, name, "Succeeded")
        everything = experiments.changes(self.namespace, None, "")
        assert sorted(each.metadata.name for each in everything.experiments) == ["a", "b"]
        assert everything.trials == ()
        nothing = experiments.changes(self.namespace, None, everything.cursor)
        assert (nothing.experiments, nothing.deleted) == ((), ())
        experiments.edit_budget(self.namespace, "b", Budget(max_trial_count=2))
        changed = experiments.changes(self.namespace, None, nothing.cursor)
        assert [each.metadata.name for each in changed.experiments] == ["b"]
        self.wait_for(experiments, "b", "Succeeded")

    def test_a_cursor_that_is_none_is_refused(self, experiments: Experiments) -> None:
        """As the caller's fault; a page's as well."""
        for nonsense in ("nonsense", "{}", "[1]", "\0", "ÿ"):
            with pytest.raises(InvalidInput):
                experiments.changes(self.namespace, None, nonsense)
            with pytest.raises(InvalidInput):
                experiments.find(self.namespace, ExperimentQuery(after=nonsense))

    def test_a_log_is_followed_until_its_trial_has_ended(self, experiments: Experiments) -> None:
        """From its beginning, as it comes; whoever follows is let go when the trial is ended."""
        if not self.has_logs:
            pytest.skip("this place keeps no logs")
        experiments.create(self.namespace, self.document(behaviour="long", trials=1))
        self.running(experiments, "search", 1)
        [trial] = experiments.trials(self.namespace, "search")
        followed = experiments.logs(self.namespace, "search", trial.name, follow=True)
        text = next(followed)
        experiments.stop(self.namespace, "search", at_once=True)
        text += b"".join(followed)
        assert f"loss={dict(trial.assignments)['x']}".encode() in text
        self.wait_for(experiments, "search", "Stopped")

    # -- many at once ---------------------------------------------------------------------------------------------

    def test_many_threads_share_one(self, experiments: Experiments) -> None:
        """Each does its own; none disturbs another."""

        def use(index: int) -> str:
            name = f"e-{index}"
            experiments.create(self.namespace, self.document(name, trials=2))
            while state_of(experiments.get(self.namespace, name)) not in _OVER:
                time.sleep(0.05)
            experiments.changes(self.namespace, name, "")
            return state_of(experiments.get(self.namespace, name))

        with ThreadPoolExecutor(5) as pool:
            assert set(pool.map(use, range(5))) == {"Succeeded"}
        assert len(experiments.find(self.namespace, ExperimentQuery()).experiments) == 5

    def test_every_error_says_something(self, experiments: Experiments) -> None:
        """A sentence, which names what it is about."""
        with pytest.raises(KatibError) as caught:
            experiments.get(self.namespace, "no-such-experiment")
        assert "no-such-experiment" in str(caught.value)
        for limit in (0, -1):
            with pytest.raises(InvalidInput):
                experiments.find(self.namespace, ExperimentQuery(limit=limit))
        with pytest.raises(InvalidInput):
            experiments.find(self.namespace, ExperimentQuery(states=["Flying"]))
