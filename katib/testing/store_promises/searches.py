"""Experiments as the tracking store shows them: those we drive, those of others, and runs that became one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from katib.api.base import Condition
from katib.api.experiment import ExperimentStatus
from katib.api.trial import TrialState
from katib.errors import Conflict, NotFound
from katib.store.tracking.records import DEFAULT_PROJECT, ExperimentKind, Facts, NewRun, Node, NodeKind, RunScope
from katib.testing.store_promises.specimens import EPOCH, an_experiment, full_record, full_status, trial
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_project, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking

__all__ = ["SearchPromises"]


class SearchPromises(TrackingPromises):
    """What the methods about experiments do."""

    def test_an_experiment_of_ours_is_there(self, trackings: Any) -> None:
        """With the search it was, its labels as tags, and its project."""
        container = {"name": "training", "image": "train:1", "command": ["python", "train.py"]}
        job = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"containers": [container]}}}}
        template = {"primaryContainerName": "training", "trialSpec": job}
        given = an_experiment(namespace="team-a", trialTemplate=template)
        made = trackings.create_experiment(given, owner="ann")
        tracking = trackings.tracking("team-a")
        seen = tracking.search(made.metadata.uid)
        assert (seen.name, seen.kind, seen.owner, seen.state) == (
            "search",
            ExperimentKind.KATIB,
            "ann",
            TrialState.CREATED,
        )
        assert (seen.algorithm, seen.objective, seen.objective_type) == ("random", "loss", "minimize")
        assert seen.spec is not None
        assert seen.spec["parameters"][0]["feasibleSpace"]["max"] == "0.1"
        assert seen.spec["algorithm"]["algorithmSettings"] == [{"name": "random_state", "value": "7"}]
        assert seen.facts.tags == {"team": "λ"}
        assert tracking.project(seen.project_id).name == DEFAULT_PROJECT
        root = tracking.run(seen.run_id)
        assert (root.root_of, root.name, root.parent_id, root.state) == (seen.id, "search", None, TrialState.CREATED)
        assert root.environment == {"job": "batch/v1 Job", "image": "train:1", "command": ["python", "train.py"]}

    def test_a_label_names_the_project(self, trackings: Any) -> None:
        """Made once for all that name it."""
        for name in ("first", "second"):
            experiment = an_experiment(name, namespace="team-a")
            experiment.metadata.labels = {"katib.kubeflow.org/project": "vision"}
            trackings.create_experiment(experiment)
        tracking = trackings.tracking("team-a")
        (project,) = tracking.find_projects().items
        assert project.name == "vision"
        assert {item.name for item in tracking.find_searches(project_ids=[project.id]).items} == {"first", "second"}

    def test_trials_of_ours_are_runs(self, trackings: Any) -> None:
        """With parameters, times, place in the experiment, and what is reported."""
        uid = trackings.create_experiment(an_experiment(namespace="team-a")).metadata.uid
        trackings.record_trials(uid, [full_record(4), trial(5)])
        tracking = trackings.tracking("team-a")
        search = tracking.search(uid)
        run = tracking.run_named(uid, "search-0004")
        assert (run.experiment_id, run.parent_id, run.index) == (uid, search.run_id, 4)
        assert [(item.name, item.text) for item in run.parameters] == list(full_record(4).assignments)
        assert [item.number for item in run.parameters] == [1e-05, None, None]
        assert run.state is TrialState.EARLY_STOPPED
        assert (run.created, run.started, run.ended) == (
            full_record().created,
            full_record().started,
            full_record().finished,
        )
        assert run.environment == tracking.run(search.run_id).environment
        assert run.place == {"attempt": 3}
        assert [item.name for item in tracking.find_runs("", "index", scope=RunScope(experiment_ids=[uid])).items] == [
            "search-0004",
            "search-0005",
        ]

    def test_the_root_run_follows_the_status(self, trackings: Any) -> None:
        """State, times, counts and the best value."""
        uid = trackings.create_experiment(an_experiment(namespace="team-a")).metadata.uid
        tracking = trackings.tracking("team-a")
        trackings.save_status(uid, full_status())
        seen = tracking.search(uid)
        assert (seen.state, seen.started, seen.ended, seen.best, seen.trials) == (
            TrialState.RUNNING,
            EPOCH,
            None,
            0.1,
            3,
        )
        done = Condition(type="Succeeded", status="True", reason="ExperimentGoalReached", message="The goal")
        trackings.save_status(uid, ExperimentStatus(start_time=EPOCH, completion_time=EPOCH, conditions=[done]))
        run = tracking.run(seen.run_id)
        assert (run.state, run.ended, run.reason) == (TrialState.SUCCEEDED, EPOCH, "ExperimentGoalReached")

    def test_what_we_drive_is_not_anybodys_to_change(self, trackings: Any) -> None:
        """Its state, name and trials; anybody may describe and tag it."""
        uid = trackings.create_experiment(an_experiment(namespace="team-a")).metadata.uid
        trackings.record_trials(uid, [trial(0)])
        tracking = trackings.tracking("team-a")
        search, run = tracking.search(uid), tracking.run_named(uid, "search-0000")
        for call in (
            lambda: tracking.update_search(uid, name="other"),
            lambda: tracking.update_search(uid, state=TrialState.FAILED),
            lambda: tracking.update_run(search.run_id, state=TrialState.FAILED),
            lambda: tracking.update_run(run.id, state=TrialState.SUCCEEDED),
            lambda: tracking.update_run(run.id, name="other"),
            lambda: a_run(tracking, experiment_id=uid),
            lambda: a_run(tracking, parent_id=search.run_id),
            lambda: tracking.set_parent(run.id, a_run(tracking)),
        ):
            with pytest.raises(Conflict, match="driven here"):
                call()
        assert tracking.update_search(uid, description="why").description == "why"
        assert tracking.update_run(run.id, description="odd").description == "odd"
        tracking.set_facts(Node(NodeKind.EXPERIMENT, uid), Facts({"keep": "yes"}))
        assert tracking.search(uid).facts.tags == tracking.run(search.run_id).facts.tags == {"team": "λ", "keep": "yes"}
        assert trackings.trials(uid) == [trial(0)]

    def test_a_changed_point_is_a_changed_parameter(self, trackings: Any) -> None:
        """Of trials that are recorded again."""
        uid = trackings.create_experiment(an_experiment(namespace="team-a")).metadata.uid
        trackings.record_trials(uid, [trial(0), trial(1)])
        trackings.record_trials(uid, [trial(0, assignments=(("momentum", "0.9"),)), trial(1, TrialState.RUNNING)])
        tracking = trackings.tracking("team-a")
        first, second = (tracking.run_named(uid, f"search-000{index}") for index in range(2))
        assert [(item.name, item.text) for item in first.parameters] == [("momentum", "0.9")]
        assert [(item.name, item.text) for item in second.parameters] == [("lr", "0.01")]

    def test_an_experiment_of_somebody_else(self, tracking: Tracking) -> None:
        """It has a root run and a name of its own in its project."""
        project = a_project(tracking)
        made = tracking.create_search(
            "search", project_id=project, algorithm="tpe", objective="loss", objective_type="minimize"
        )
        assert (made.kind, made.state, made.spec, made.trials) == (
            ExperimentKind.TRACKED,
            TrialState.RUNNING,
            None,
            0,
        )
        assert tracking.search(made.id) == tracking.search_named(project, "search") == made
        with pytest.raises(Conflict, match="search"):
            tracking.create_search("search", project_id=project)
        assert tracking.create_search("search").project_id == tracking.default_project().id
        changed = tracking.update_search(made.id, name="found", state=TrialState.SUCCEEDED, best=0.25)
        assert (changed.name, changed.state, changed.best) == ("found", TrialState.SUCCEEDED, 0.25)
        assert changed.ended is not None
        assert tracking.run(made.run_id).name == "found"
        with pytest.raises(NotFound):
            tracking.search_named(project, "search")

    def test_an_experiment_is_made_once_under_a_chosen_id(
        self, trackings: OpenTrackingStore, tracking: Tracking
    ) -> None:
        """In its namespace; elsewhere the id is in use."""
        made = tracking.create_search("search", experiment_id="abc")
        assert tracking.create_search("other", experiment_id="abc") == made
        with pytest.raises(Conflict, match="in use"):
            trackings.tracking("team-b").create_search("search", experiment_id="abc")

    def test_ours_and_others_share_the_names_of_a_project(self, trackings: Any) -> None:
        """Whoever comes second is told."""
        tracking = trackings.tracking("team-a")
        trackings.create_experiment(an_experiment("first", namespace="team-a"))
        with pytest.raises(Conflict):
            tracking.create_search("first")
        tracking.create_search("second")
        with pytest.raises(Conflict, match="somebody else"):
            trackings.create_experiment(an_experiment("second", namespace="team-a"))
        assert [item.name for item in trackings.experiments("team-a")] == ["first"]

    def test_a_run_with_a_child_is_an_experiment(self, tracking: Tracking) -> None:
        """And the child its trial; so on downwards."""
        root = a_run(tracking, name="sweep")
        first = tracking.create_run(NewRun(parent_id=root, name="fold"))
        second = tracking.create_run(NewRun(parent_id=root, name="fold"))
        below = tracking.create_run(NewRun(parent_id=first.id))
        assert first.experiment_id == second.experiment_id == tracking.run(root).root_of
        assert (first.name, first.index, second.name, second.index) == ("fold", 0, "fold", 1)
        assert below.parent_id == first.id
        search = tracking.search(first.experiment_id or "")
        assert (search.name, search.trials, search.run_id) == ("sweep", 2, root)
        other = a_run(tracking, name="sweep")
        third = tracking.create_run(NewRun(parent_id=other))
        assert tracking.search(third.experiment_id or "").run_id == other

    def test_experiments_of_another_namespace_are_not_found(self, trackings: Any) -> None:
        """Nor are their trials."""
        uid = trackings.create_experiment(an_experiment(namespace="team-a")).metadata.uid
        trackings.record_trials(uid, [trial(0)])
        run = trackings.tracking("team-a").run_named(uid, "search-0000").id
        other = trackings.tracking("team-b", actor="ann")
        for call in (
            lambda: other.search(uid),
            lambda: other.run_named(uid, "search-0000"),
            lambda: other.run(run),
            lambda: other.update_search(uid, description="mine"),
            lambda: a_run(other, experiment_id=uid),
        ):
            with pytest.raises(NotFound):
                call()
        assert other.runs([run]) == []
        assert other.find_runs().items == other.find_searches().items == ()
        assert other.count_runs() == 0
        assert other.changed_runs(0) == (0, [])
