"""What projects want purged, what goes into an archive before it is purged, and that one process does it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from typing_extensions import override

from katib.errors import Conflict, InvalidInput, NotFound, StoreUnavailable
from katib.store.tracking.records import (
    ArchiveWriter,
    LeaseState,
    Lifecycle,
    Log,
    Node,
    NodeKind,
    ProjectRetention,
    Purged,
    RetentionPolicy,
    RunScope,
)
from katib.testing.store_promises.specimens import Report
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_project, a_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import ArchiveBatch
    from katib.testing.store_promises.base import Place

__all__ = ["RetentionPromises"]

WHOLE = ProjectRetention(timedelta(days=30, microseconds=1), keep_best=10, archive=True, keep_artifacts=True)


class _Shelf(ArchiveWriter):
    """An archive that notes what it is given, and that everything of it is there to be read.

    Args:
        tracking: Where runs are read.
        before_points, before_runs: Called first; what they raise is raised.
    """

    def __init__(
        self,
        tracking: Tracking,
        before_points: Callable[[], None] | None = None,
        before_runs: Callable[[], None] | None = None,
    ) -> None:
        self.batches: list[ArchiveBatch] = []
        self.points: dict[str, int] = {}
        self._tracking = tracking
        self._before_points = before_points
        self._before_runs = before_runs

    @property
    def runs(self) -> list[str]:
        return [run.id for batch in self.batches for run in batch.runs]

    @override
    def write_points(self, batch: ArchiveBatch) -> None:
        if self._before_points is not None:
            self._before_points()
        for run in batch.runs:
            self.points[run.id] = len(self._tracking.series(run.id))

    @override
    def write_runs(self, batch: ArchiveBatch) -> None:
        if self._before_runs is not None:
            self._before_runs()
        assert not self._tracking.is_archived(batch.id)
        found = self._tracking.runs([run.id for run in batch.runs])
        assert [run.id for run in found] == [run.id for run in batch.runs]
        assert {run.project_id for run in found} == {batch.project_id}
        self.batches.append(batch)


def _everything() -> RetentionPolicy:
    return RetentionPolicy(deleted_before=datetime.now(UTC) + timedelta(seconds=1))


def _away() -> None:
    raise StoreUnavailable("the archive is away")


def _killed() -> None:
    raise KeyboardInterrupt


def _log(count: int) -> Log:
    return Log(samples=[Report("loss", str(step), None, step) for step in range(count)])


class RetentionPromises(TrackingPromises):
    """What policies of projects, archives and leases do."""

    # -- policies -------------------------------------------------------------------------------------------------

    def test_a_policy_comes_back(self, place: Place, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """From every way in, until it is replaced or removed; a change of something else leaves it."""
        made = tracking.create_project("vision")
        assert made.retention == ProjectRetention()
        assert trackings.namespaces_with_retention() == []
        for policy in (WHOLE, ProjectRetention(archive=True), ProjectRetention(timedelta(microseconds=1))):
            assert tracking.update_project(made.id, retention=policy).retention == policy
            assert tracking.update_project(made.id, description="new").retention == policy
            with self.opener(place) as again:
                seen = again.tracking("team-a")
                assert seen.project(made.id).retention == seen.project_named("vision").retention == policy
                assert [project.retention for project in seen.find_projects().items] == [policy]
                assert again.namespaces_with_retention() == ["team-a"]
        assert tracking.update_project(made.id, retention=ProjectRetention()).retention == ProjectRetention()
        assert trackings.namespaces_with_retention() == []

    def test_what_can_be_no_policy_is_refused(self, tracking: Tracking) -> None:
        """All its faults at once; the one before stays."""
        made = tracking.create_project("vision")
        tracking.update_project(made.id, retention=WHOLE)
        for odd in (timedelta(), timedelta(seconds=-1), timedelta(days=36_501)):
            with pytest.raises(InvalidInput, match=r"deleted_for(.|\n)*keep_best"):
                tracking.update_project(made.id, retention=ProjectRetention(odd, keep_best=0))
        assert tracking.project(made.id).retention == WHOLE

    def test_policies_are_in_the_audit(self, tracking: Tracking) -> None:
        """With what they say."""
        made = tracking.create_project("vision")
        tracking.update_project(made.id, retention=WHOLE)
        entry = tracking.audit(node=Node(NodeKind.PROJECT, made.id))[-1]
        assert (entry.actor, entry.action) == ("ann", "update")
        assert entry.details["retention"] == {
            "deleted_for": 30 * 86_400_000_000 + 1,
            "keep_best": 10,
            "archive": True,
            "keep_artifacts": True,
        }

    def test_a_purge_may_leave_projects_with_a_policy_alone(self, tracking: Tracking) -> None:
        """Whatever the policy says."""
        plain, own = a_project(tracking, "plain"), a_project(tracking, "own")
        tracking.update_project(own, retention=ProjectRetention(archive=True))
        runs = [a_run(tracking, project_id=project) for project in (plain, own)]
        for run in runs:
            tracking.delete(Node(NodeKind.RUN, run))
        policy = RetentionPolicy(deleted_before=datetime.now(UTC) + timedelta(seconds=1), without_own=True)
        assert tracking.purgeable(policy).runs == 1
        assert tracking.purge(policy).runs == 1
        assert [run.id for run in tracking.runs(runs)] == runs[1:]

    # -- archives -------------------------------------------------------------------------------------------------

    def test_what_is_purged_is_archived_before(self, tracking: Tracking) -> None:
        """Each run once, with its root and with when it was deleted; what stays is not."""
        one, other = a_project(tracking, "one"), a_project(tracking, "other")
        search = tracking.create_search("digits", project_id=one)
        trials = [a_run(tracking, experiment_id=search.id, log=_log(3)) for _ in range(3)]
        inner = a_run(tracking, parent_id=trials[0], log=_log(2))
        alone, kept = a_run(tracking, project_id=other, log=_log(4)), a_run(tracking, project_id=other)
        tracking.delete(Node(NodeKind.EXPERIMENT, search.id))
        tracking.delete(Node(NodeKind.RUN, alone))
        deleted = {run.id: run.deleted for run in tracking.runs([search.run_id, *trials, inner, alone])}
        shelf = _Shelf(tracking)
        done = tracking.purge(_everything(), archive=shelf)
        assert (done.experiments, done.runs, done.points, done.archived) == (2, 6, 15, 6)
        assert sorted(shelf.runs) == sorted(deleted)
        assert {run.id: run.deleted for batch in shelf.batches for run in batch.runs} == deleted
        assert shelf.points == {search.run_id: 0, **dict.fromkeys(trials, 3), inner: 2, alone: 4}
        assert tracking.find_runs(scope=RunScope(lifecycle=Lifecycle.ALL)).items == (tracking.run(kept),)
        assert tracking.purge(_everything(), archive=shelf) == Purged()
        entries = [entry for entry in tracking.audit() if entry.action == "archive"]
        assert sorted((entry.node, entry.details["runs"]) for entry in entries if entry.node) == sorted(
            (Node(NodeKind.PROJECT, project), runs) for project, runs in ((one, 5), (other, 1))
        )

    def test_many_points_are_archived_before_the_first_goes(self, tracking: Tracking) -> None:
        """Those of a run that is removed in pieces, of which a killed purge removed some."""
        run = a_run(tracking)
        for start in range(0, 25_000, 5_000):
            samples = [Report("loss", "1", None, start + n) for n in range(5_000)]
            tracking.append(run, samples, first_sequence=start)
        tracking.delete(Node(NodeKind.RUN, run))
        shelf = _Shelf(tracking)

        def killed(purged: Purged) -> None:
            if purged.points:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            tracking.purge(_everything(), progress=killed, archive=shelf)
        assert shelf.points == {run: 25_000}
        assert 0 < len(tracking.series(run)) < 25_000
        assert tracking.purge(_everything(), archive=shelf).archived == 0
        assert shelf.points == {run: 25_000}
        assert tracking.runs([run]) == []

    def test_what_cannot_be_archived_stays(self, tracking: Tracking) -> None:
        """And can be restored as before; nothing else is purged."""
        search = tracking.create_search("digits")
        trial, alone = a_run(tracking, experiment_id=search.id, log=_log(2)), a_run(tracking, log=_log(1))
        for node in (Node(NodeKind.EXPERIMENT, search.id), Node(NodeKind.RUN, alone)):
            tracking.delete(node)
        before = tracking.runs([search.run_id, trial, alone])
        with pytest.raises(StoreUnavailable, match="archive is away"):
            tracking.purge(_everything(), archive=_Shelf(tracking, before_points=_away))
        assert tracking.runs([search.run_id, trial, alone]) == before
        tracking.restore(Node(NodeKind.RUN, alone))
        done = tracking.purge(_everything(), archive=_Shelf(tracking))
        assert (done.experiments, done.runs, done.archived) == (1, 2, 2)
        assert [metric.count for metric in tracking.run(alone).metrics] == [1]

    @pytest.mark.parametrize("moment", ["points", "runs"])
    def test_a_killed_purge_archives_the_same_again(self, tracking: Tracking, moment: str) -> None:
        """Under the same id, and nobody restores what it has begun with."""
        search = tracking.create_search("digits")
        trials = [a_run(tracking, experiment_id=search.id, log=_log(2)) for _ in range(3)]
        tracking.delete(Node(NodeKind.EXPERIMENT, search.id))
        deleted = tracking.run(trials[0]).deleted
        seen: list[str] = []

        class _Dying(_Shelf):
            @override
            def write_points(self, batch: ArchiveBatch) -> None:
                seen.append(batch.id)
                super().write_points(batch)

        hooks = {f"before_{moment}": _killed}
        with pytest.raises(KeyboardInterrupt):
            tracking.purge(_everything(), archive=_Dying(tracking, **hooks))
        left = tracking.runs([search.run_id, *trials])
        assert len(left) == 4
        if moment == "runs":
            assert all(run.deleted is not None for run in left)
        # More that is to go meanwhile does not change the batch.
        late = a_run(tracking)
        tracking.delete(Node(NodeKind.RUN, late))
        if moment == "runs":
            with pytest.raises(Conflict, match="purged"):
                tracking.restore(Node(NodeKind.RUN, trials[0]))
        shelf = _Shelf(tracking)
        done = tracking.purge(_everything(), archive=shelf)
        assert (done.experiments, done.runs, done.archived) == (1, 5, 5)
        first = shelf.batches[0]
        assert [first.id] == seen
        assert sorted(run.id for run in first.runs) == sorted([search.run_id, *trials])
        assert {run.deleted for run in first.runs} == {deleted}
        assert [run.id for run in shelf.batches[1].runs] == [late]

    def test_what_is_archived_is_not_archived_again(self, tracking: Tracking) -> None:
        """A purge that was killed behind it removes the rest."""
        runs = [a_run(tracking, log=_log(2)) for _ in range(3)]
        for run in runs:
            tracking.delete(Node(NodeKind.RUN, run))

        def killed(purged: Purged) -> None:
            if purged.archived or tracking.is_archived(shelf.batches[0].id if shelf.batches else "none yet"):
                raise KeyboardInterrupt

        shelf = _Shelf(tracking)
        with pytest.raises(KeyboardInterrupt):
            tracking.purge(
                _everything(), progress=lambda purged: killed(purged) if shelf.batches else None, archive=shelf
            )
        assert sorted(shelf.runs) == sorted(runs)
        with pytest.raises(Conflict, match="purged"):
            tracking.restore(Node(NodeKind.RUN, runs[0]))
        again = _Shelf(tracking)
        assert (tracking.purge(_everything(), archive=again).runs, again.batches) == (3, [])

    def test_a_batch_belongs_to_its_namespace(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Another one neither sees nor finishes it."""
        run = a_run(tracking)
        tracking.delete(Node(NodeKind.RUN, run))
        with pytest.raises(KeyboardInterrupt):
            tracking.purge(_everything(), archive=_Shelf(tracking, before_runs=_killed))
        other = trackings.tracking("team-b")
        shelf = _Shelf(other)
        assert other.purge(_everything(), archive=shelf) == Purged()
        assert shelf.batches == []
        assert tracking.purge(_everything(), archive=_Shelf(tracking)).archived == 1

    def test_a_purge_without_an_archive_finishes_what_one_with_it_began(self, tracking: Tracking) -> None:
        """Whoever says so wants it gone."""
        run = a_run(tracking, log=_log(2))
        tracking.delete(Node(NodeKind.RUN, run))
        with pytest.raises(KeyboardInterrupt):
            tracking.purge(_everything(), archive=_Shelf(tracking, before_runs=_killed))
        assert tracking.purge(_everything()).runs == 1
        with pytest.raises(NotFound):
            tracking.run(run)
        shelf = _Shelf(tracking)
        assert tracking.purge(_everything(), archive=shelf) == Purged()
        assert shelf.batches == []

    # -- leases ---------------------------------------------------------------------------------------------------

    def test_a_lease_is_held_by_one(self, trackings: OpenTrackingStore) -> None:
        """Until it is given up, or its holder has been silent."""
        first = trackings.take_lease("purge", "a")
        assert first.holder == "a"
        assert trackings.take_lease("purge", "b") == first
        again = trackings.take_lease("purge", "a")
        assert (again.holder, again.beat > first.beat) == ("a", True)
        assert trackings.take_lease("purge", "b", expired=first) == again
        assert trackings.take_lease("other", "b").holder == "b"
        taken = trackings.take_lease("purge", "b", expired=again)
        assert (taken.holder, taken.beat > again.beat) == ("b", True)
        assert trackings.take_lease("purge", "a") == taken
        trackings.give_lease_up("purge", "a")
        assert trackings.take_lease("purge", "a", expired=again) == taken
        trackings.give_lease_up("purge", "b")
        assert trackings.take_lease("purge", "a").holder == "a"

    def test_of_many_that_want_a_lease_one_gets_it(self, trackings: OpenTrackingStore) -> None:
        """Also where nobody ever had it, and where its holder is dead."""
        expired: LeaseState | None = None
        for round_ in range(3):
            with ThreadPoolExecutor(8) as threads:
                names = [f"{round_}-{number}" for number in range(8)]
                take = partial(trackings.take_lease, "purge", expired=expired)
                told = list(threads.map(take, names))
            assert len({state.holder for state in told}) == 1
            expired = told[0]
