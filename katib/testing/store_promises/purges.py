"""Purges: what goes for good, what stays, and what is left to be done when one is killed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from katib.api.trial import TrialState
from katib.errors import Conflict, NotFound
from katib.store.tracking.records import (
    ArtifactState,
    ExperimentKind,
    Facts,
    Lifecycle,
    LineageEdge,
    Log,
    Node,
    NodeKind,
    Purged,
    RetentionPolicy,
    RunScope,
)
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_project, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking

__all__ = ["PurgePromises"]


@dataclass(frozen=True)
class _Sample:
    name: str
    text: str
    step: int | None = None
    time: datetime | None = None


def _everything() -> RetentionPolicy:
    """Return the policy that removes whatever is deleted by now."""
    return RetentionPolicy(deleted_before=datetime.now(UTC) + timedelta(seconds=1))


def _log(*texts: str, metric: str = "loss") -> Log:
    return Log(samples=[_Sample(metric, text, step) for step, text in enumerate(texts)])


class PurgePromises(TrackingPromises):
    """What ``purge``, ``purgeable``, ``files_to_remove`` and ``files_removed`` do."""

    def test_what_was_deleted_long_ago_is_removed(self, tracking: Tracking) -> None:
        """All of it, and nothing that was not deleted, or not that long ago."""
        top, kept = a_run(tracking), a_run(tracking, log=_log("1", "2"))
        child = a_run(tracking, parent_id=top, log=_log("1", "2", "3"))
        tracking.add_comment(child, "look")
        tracking.put_artifact(child, "model.pt", state=ArtifactState.STORED)
        tracking.set_facts(Node(NodeKind.RUN, child), Facts({"a": "b"}, {"c": 1}))
        experiment = tracking.run(child).experiment_id or ""
        tracking.delete(Node(NodeKind.RUN, top))
        deleted = tracking.run(top).deleted
        assert tracking.purge(RetentionPolicy(deleted_before=deleted)) == Purged()
        expected = tracking.purgeable(_everything())
        done = tracking.purge(_everything())
        project = tracking.run(kept).project_id
        assert (done.projects, done.experiments, done.runs, done.points) == (0, 1, 2, 3)
        assert (expected.projects, expected.experiments, expected.runs, expected.points) == (0, 1, 2, 3)
        assert set(done.artifacts) == {(project, top), (project, child)}
        assert tracking.runs([top, child, kept], ()) == [tracking.run(kept, ())]
        with pytest.raises(NotFound):
            tracking.search(experiment)
        assert [metric.count for metric in tracking.run(kept).metrics] == [2]
        assert tracking.purge(_everything()) == Purged()

    def test_files_are_noted_until_they_are_gone(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Unless they are to stay."""
        runs = [a_run(tracking) for _ in range(3)]
        project = tracking.run(runs[0]).project_id
        for run in runs[:2]:
            tracking.delete(Node(NodeKind.RUN, run))
        tracking.purge(_everything())
        pending = tracking.files_to_remove()
        assert set(pending) == {(project, run) for run in runs[:2]}
        assert tracking.files_to_remove(limit=1) == pending[:1]
        other = trackings.tracking("team-b")
        assert other.files_to_remove() == []
        other.files_removed(pending)
        tracking.files_removed([pending[0], ("never", "there")])
        assert tracking.files_to_remove() == pending[1:]
        tracking.delete(Node(NodeKind.RUN, runs[2]))
        policy = RetentionPolicy(deleted_before=datetime.now(UTC) + timedelta(seconds=1), keep_artifacts=True)
        assert tracking.purge(policy) == Purged(runs=1)
        assert tracking.files_to_remove() == pending[1:]

    def test_lineage_of_what_is_removed_goes(self, tracking: Tracking) -> None:
        """Versions of datasets stay, though nobody uses them any more."""
        project = a_project(tracking)
        version = tracking.add_dataset_version(project, "digits", "sha256:1")
        first, second = a_run(tracking, project_id=project), a_run(tracking, project_id=project)
        tracking.use_dataset(first, version.id, role="training")
        artifact = tracking.put_artifact(first, "model.pt", state=ArtifactState.STORED)
        model = Node(NodeKind.ARTIFACT, artifact.id)
        tracking.add_lineage([LineageEdge(model, Node(NodeKind.RUN, second))])
        source = Node(NodeKind.DATASET_VERSION, version.id)
        assert len(tracking.downstream(source)) == 3
        tracking.delete(Node(NodeKind.RUN, first))
        tracking.purge(_everything())
        assert tracking.downstream(source) == []
        assert tracking.upstream(Node(NodeKind.RUN, second)) == []
        assert tracking.dataset_version(version.id) == version

    def test_code_that_somebody_has_stays(self, tracking: Tracking) -> None:
        """Documents are shared by runs; one that nobody has any more is stored anew."""
        code = {"revision": "abc"}
        first, second = a_run(tracking), a_run(tracking)
        for run in (first, second):
            tracking.update_run(run, code=code, environment={"image": run})
        for run in (first, second):
            tracking.delete(Node(NodeKind.RUN, run))
            tracking.purge(_everything())
            if run == first:
                found = tracking.run(second)
                assert (found.code, found.environment) == (code, {"image": second})
        third = a_run(tracking)
        assert tracking.update_run(third, code=code).code == code

    def test_a_project_goes_at_last(self, tracking: Tracking) -> None:
        """With its datasets; its name is free then."""
        project = a_project(tracking)
        search = tracking.create_search("digits", project_id=project)
        child = a_run(tracking, experiment_id=search.id)
        a_run(tracking, parent_id=child)
        tracking.add_dataset_version(project, "data", "sha256:1")
        tracking.delete(Node(NodeKind.PROJECT, project))
        done = tracking.purge(_everything())
        assert (done.projects, done.experiments, done.runs) == (1, 2, 3)
        with pytest.raises(NotFound):
            tracking.project(project)
        assert a_project(tracking) != project

    def test_a_policy_may_speak_of_one_project_or_experiment(self, tracking: Tracking) -> None:
        """The others stay."""
        one, other = a_project(tracking, "one"), a_project(tracking, "other")
        searches = [tracking.create_search(name, project_id=one) for name in ("a", "b")]
        inner = a_run(tracking, experiment_id=searches[0].id)
        a_run(tracking, parent_id=inner)
        elsewhere = a_run(tracking, project_id=other)
        for node in [Node(NodeKind.EXPERIMENT, found.id) for found in searches] + [Node(NodeKind.RUN, elsewhere)]:
            tracking.delete(node)
        before = datetime.now(UTC) + timedelta(seconds=1)
        done = tracking.purge(RetentionPolicy(deleted_before=before, experiment_id=searches[0].id))
        assert (done.experiments, done.runs) == (2, 3)
        done = tracking.purge(RetentionPolicy(deleted_before=before, project_id=one))
        assert (done.experiments, done.runs) == (1, 1)
        assert tracking.run(elsewhere).deleted is not None
        with pytest.raises(NotFound):
            tracking.purge(RetentionPolicy(project_id="never"))

    def test_the_best_are_kept(self, tracking: Tracking) -> None:
        """By the objective; failed trials, NaN and no value are the worst, and a trial that runs is left alone."""
        search = tracking.create_search("digits", objective="loss", objective_type="minimize")
        states = {"bad": TrialState.FAILED, "runs": TrialState.RUNNING}
        values = {"third": "3", "best": "-inf", "nan": "nan", "none": None, "second": "2", "bad": "-5", "runs": "9"}
        runs = {
            name: a_run(
                tracking,
                experiment_id=search.id,
                name=name,
                state=states.get(name, TrialState.SUCCEEDED),
                log=Log() if text is None else _log("7", text) if text != "nan" else _log("nan"),
            )
            for name, text in values.items()
        }
        policy = RetentionPolicy(keep_best=2)
        assert tracking.purgeable(policy).deleted == 4
        assert tracking.purge(policy) == Purged(deleted=4)
        left = {run.name for run in tracking.find_runs(scope=RunScope(experiment_ids=[search.id])).items}
        assert left == {"best", "second", "runs"}
        assert tracking.purge(policy) == Purged()
        tracking.restore(Node(NodeKind.RUN, runs["third"]))
        assert tracking.run(runs["third"]).deleted is None

    def test_the_best_of_a_maximum_are_the_greatest(self, tracking: Tracking) -> None:
        """Experiments without an objective keep all their trials."""
        search = tracking.create_search(
            "digits", objective="accuracy", objective_type="maximize", kind=ExperimentKind.OPTUNA
        )
        plain = tracking.create_search("plain")
        for text in ("0.1", "0.9", "0.5"):
            for experiment in (search.id, plain.id):
                state, log = TrialState.SUCCEEDED, _log(text, "0", metric="accuracy")
                a_run(tracking, experiment_id=experiment, name=text, state=state, log=log)
        assert tracking.purge(RetentionPolicy(keep_best=1)) == Purged(deleted=2)
        left = [run.name for run in tracking.find_runs(scope=RunScope(experiment_ids=[search.id])).items]
        assert left == ["0.9"]
        assert tracking.count_runs(scope=RunScope(experiment_ids=[plain.id])) == 3

    def test_points_go_in_pieces(self, tracking: Tracking) -> None:
        """However many one run has; whoever watches is told."""
        run = a_run(tracking)
        for start in range(0, 25_000, 5_000):
            tracking.append(run, [_Sample("loss", "1", start + n) for n in range(5_000)], first_sequence=start)
        tracking.delete(Node(NodeKind.RUN, run))
        told: list[Purged] = []
        assert tracking.purge(_everything(), progress=told.append).points == 25_000
        points = [purged.points for purged in told]
        assert points == sorted(points)
        assert max(after - before for before, after in itertools.pairwise(points)) <= 10_000
        assert tracking.runs([run]) == []

    def test_what_a_purge_began_is_not_restored(self, tracking: Tracking) -> None:
        """But finished by the next one."""
        project = a_project(tracking)
        search = tracking.create_search("digits", project_id=project)
        for _ in range(3):
            a_run(tracking, experiment_id=search.id)
        tracking.delete(Node(NodeKind.EXPERIMENT, search.id))

        def killed(_: Purged) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            tracking.purge(_everything(), progress=killed)
        for node in (Node(NodeKind.EXPERIMENT, search.id), Node(NodeKind.RUN, search.run_id)):
            with pytest.raises(Conflict, match="purged"):
                tracking.restore(node)
        tracking.purge(_everything())
        assert tracking.find_searches(lifecycle=Lifecycle.ALL).items == ()
        assert tracking.find_runs(scope=RunScope(lifecycle=Lifecycle.ALL)).items == ()

    def test_purges_are_in_the_audit(self, tracking: Tracking) -> None:
        """With who had them made."""
        run = a_run(tracking)
        tracking.delete(Node(NodeKind.RUN, run))
        tracking.purge(_everything())
        entries = tracking.audit(node=Node(NodeKind.RUN, run))
        assert [(entry.actor, entry.action) for entry in entries] == [
            ("ann", action) for action in ("create", "delete", "purge")
        ]
