"""What a driver elsewhere records: late, again and in any order, and the newest state is what is kept."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from katib.api.base import Condition
from katib.api.experiment import Experiment, ExperimentStatus, Metric, Observation, OptimalTrial
from katib.api.trial import TrialState
from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.observation_logs import Report as LogReport
from katib.store.tracking.recording import (
    CLUSTER,
    EXPERIMENT_DELETED,
    EXPERIMENT_REPLACED,
    OpenExperiment,
    RecordedExperiment,
    RecordedTrial,
)
from katib.store.tracking.records import ExperimentKind, Lifecycle, Node, NodeKind
from katib.testing.store_promises.specimens import AWKWARD, EPOCH, Report, an_experiment, full_record, trial
from katib.testing.store_promises.tracking_base import TrackingPromises

if TYPE_CHECKING:
    from katib.store.protocol import Summary
    from katib.store.tracking.protocol import Tracking

__all__ = ["RecordingPromises"]

UID = "0b5a2a4e-6f0c-4c0e-9d6e-5c9d3f0a7a11"
LATER_UID = "7d1f3f3a-95d2-4a1c-8d80-0f5c0d2b9e22"


def on_a_cluster(uid: str = UID, *, age: int = 0, status: ExperimentStatus | None = None, **spec: Any) -> Experiment:
    """Return an experiment as an API server has it, created so many minutes after the first one."""
    experiment = an_experiment(namespace="team-a", **spec)
    experiment.metadata.uid = uid
    experiment.metadata.creation_timestamp = EPOCH.replace(microsecond=0) + timedelta(minutes=age)
    return experiment.model_copy(update={"status": status})


def a_status(kind: str = "Running", **fields: Any) -> ExperimentStatus:
    """Return a status whose current condition is of a kind."""
    fields = {"start_time": EPOCH, **fields}
    return ExperimentStatus(conditions=[Condition(type=kind, reason=f"Experiment{kind}", message="")], **fields)


def given(*records: Any) -> list[RecordedTrial]:
    """Return trials as a driver records them."""
    return [RecordedTrial(record) for record in records]


def a_recorded_one(tracking: Tracking, *, trials: int = 0) -> str:
    """Record an experiment that runs, with trials that run, and return its uid."""
    status = a_status(trials=trials, trials_running=trials)
    tracking.record_experiment(on_a_cluster(status=status), 1)
    tracking.record_trials(
        UID, given(*(trial(index, TrialState.RUNNING, attempt=1, started=EPOCH) for index in range(trials)))
    )
    return UID


def losses(count: int) -> list[Report]:
    """Return reports as Katib's wire has them: with a time and no step."""
    return [Report("loss", repr(1 / (each + 1)), EPOCH + timedelta(milliseconds=each)) for each in range(count)]


def values(summaries: dict[str, Summary]) -> dict[str, tuple[str, str, str, int]]:
    """Return the parts of summaries that do not depend on the order of reports."""
    return {name: (each.min, each.max, each.latest, each.count) for name, each in summaries.items()}


class RecordingPromises(TrackingPromises):
    """What ``record_experiment``, ``record_trials``, ``trial_summaries``, ``record_event`` and ``mark_deleted`` do."""

    # -- experiments ----------------------------------------------------------------------------------------------

    def test_an_experiment_has_the_identity_it_has_elsewhere(self, trackings: Any, tracking: Tracking) -> None:
        """Uid, creation time and name are not the store's to give; all readers find it."""
        optimum = OptimalTrial(
            best_trial_name="search-0000", observation=Observation(metrics=[Metric(name="loss", latest="0.25")])
        )
        recorded = on_a_cluster(status=a_status(trials=3, current_optimal_trial=optimum))
        assert tracking.record_experiment(recorded, 7) == RecordedExperiment("search", stored=True)
        found = trackings.experiment("team-a", "search")
        assert (found.metadata.uid, found.metadata.creation_timestamp) == (UID, recorded.metadata.creation_timestamp)
        assert found.metadata.resource_version == "7"
        assert (found.spec, found.status) == (recorded.spec, recorded.status)
        assert found.metadata.annotations == {"note": AWKWARD}
        seen = tracking.search(UID)
        assert (seen.name, seen.kind, seen.state, seen.trials) == (
            "search",
            ExperimentKind.KATIB,
            TrialState.RUNNING,
            3,
        )
        assert (seen.owner, seen.objective, seen.best, seen.facts.tags) == ("ann", "loss", 0.25, {"team": "λ"})
        assert seen.started == EPOCH

    def test_the_newest_version_is_kept_whatever_comes_last(self, trackings: Any, tracking: Tracking) -> None:
        """Every order of three versions, each of them told twice."""
        for number, order in enumerate(itertools.permutations((1, 2, 3))):
            uid = f"{number:08d}-0000"
            for version in (*order, *order):
                experiment = on_a_cluster(uid, age=number, status=a_status(trials=version), maxTrialCount=10 + version)
                before = max((seen for seen in order[: order.index(version)]), default=0)
                stored = tracking.record_experiment(experiment, version).stored
                assert stored <= (version > before)
            found = trackings.experiment("team-a", "search")
            assert (found.metadata.uid, found.spec.max_trial_count, found.status.trials) == (uid, 13, 3)

    def test_labels_follow(self, tracking: Tracking) -> None:
        """Those that are new or changed become tags."""
        a_recorded_one(tracking)
        changed = on_a_cluster(status=a_status())
        changed.metadata.labels = {"team": "μ", "more": "yes"}
        tracking.record_experiment(changed, 2)
        assert tracking.search(UID).facts.tags == {"team": "μ", "more": "yes"}

    def test_a_resource_without_a_status_leaves_the_known_one(self, trackings: Any, tracking: Tracking) -> None:
        """It says nothing about what happened."""
        a_recorded_one(tracking)
        tracking.record_experiment(on_a_cluster(maxTrialCount=99), 2)
        found = trackings.experiment("team-a", "search")
        assert (found.spec.max_trial_count, found.status) == (99, a_status())

    def test_a_later_experiment_takes_the_name_and_the_earlier_one_is_kept(
        self, trackings: Any, tracking: Tracking
    ) -> None:
        """With its trials and what they reported, under a name of its own; it is over, as its object is gone."""
        a_recorded_one(tracking, trials=2)
        trackings.report([LogReport("search-0000", losses(3), "team-a")])
        made = tracking.record_experiment(on_a_cluster(LATER_UID, age=1, status=a_status()), 5)
        assert made == RecordedExperiment("search", stored=True)
        assert trackings.experiment("team-a", "search").metadata.uid == LATER_UID
        other = f"search-{UID[:8]}"
        found = trackings.experiment("team-a", other)
        assert found.metadata.uid == UID
        condition = found.status.conditions[-1]
        assert (condition.type, condition.reason) == ("Stopped", EXPERIMENT_DELETED)
        assert (found.status.trials_running, found.status.trials_killed) == (0, 2)
        seen = tracking.search(UID)
        assert (seen.name, seen.state, seen.trials) == (other, TrialState.KILLED, 2)
        assert tracking.run(seen.run_id).name == other
        assert {(each.state, each.reason) for each in trackings.trials(UID)} == {
            (TrialState.KILLED, EXPERIMENT_DELETED)
        }
        assert tracking.trial_summaries(UID, ["search-0000"])["search-0000"]["loss"].count == 3
        assert {each.reason for each in trackings.events(UID)} == {EXPERIMENT_DELETED, EXPERIMENT_REPLACED}
        assert {each.name for each in trackings.experiments("team-a")} == {"search", other}

    def test_an_earlier_experiment_that_comes_late_takes_no_name(self, trackings: Any, tracking: Tracking) -> None:
        """Whether it was there before or is recorded for the first time; the result is the same."""
        tracking.record_experiment(on_a_cluster(LATER_UID, age=1, status=a_status()), 9)
        other = f"search-{UID[:8]}"
        late = on_a_cluster(status=a_status(trials=1, trials_running=1))
        assert tracking.record_experiment(late, 3) == RecordedExperiment(other, stored=True)
        assert tracking.record_experiment(late, 3) == RecordedExperiment(other, stored=False)
        assert tracking.record_experiment(late, 4) == RecordedExperiment(other, stored=True)
        assert trackings.experiment("team-a", "search").metadata.uid == LATER_UID
        assert trackings.experiment("team-a", other).status.conditions[-1].reason == EXPERIMENT_DELETED
        done = on_a_cluster(status=a_status("Succeeded", completion_time=EPOCH))
        tracking.record_experiment(done, 5)
        assert tracking.search(UID).state is TrialState.SUCCEEDED

    def test_experiments_of_one_name_and_one_second(self, trackings: Any, tracking: Tracking) -> None:
        """The one of the greater version is the newer one."""
        tracking.record_experiment(on_a_cluster(status=a_status()), 3)
        tracking.record_experiment(on_a_cluster(LATER_UID, status=a_status()), 8)
        assert trackings.experiment("team-a", "search").metadata.uid == LATER_UID

    def test_an_experiment_that_is_driven_here_keeps_its_name(self, trackings: Any, tracking: Tracking) -> None:
        """As long as it is not over: a process is about to look it up."""
        local = trackings.create_experiment(an_experiment(namespace="team-a"))
        created = local.metadata.creation_timestamp
        assert created is not None
        elsewhere = on_a_cluster(status=a_status())
        elsewhere.metadata.creation_timestamp = created + timedelta(minutes=1)
        assert tracking.record_experiment(elsewhere, 1).name == f"search-{UID[:8]}"
        assert tracking.search(UID).state is TrialState.RUNNING
        trackings.save_status(local.metadata.uid, a_status("Succeeded", completion_time=EPOCH))
        second = on_a_cluster(LATER_UID, status=a_status())
        second.metadata.creation_timestamp = created + timedelta(minutes=2)
        assert tracking.record_experiment(second, 2).name == "search"
        assert tracking.search(local.metadata.uid).state is TrialState.SUCCEEDED

    def test_a_title_that_somebody_else_has_is_left_to_them(self, tracking: Tracking) -> None:
        """A name on a cluster says nothing about MLflow's experiments."""
        tracking.create_search("search")
        assert tracking.record_experiment(on_a_cluster(), 1).name == "search"
        assert tracking.search(UID).name == f"search-{UID[:8]}"

    def test_what_cannot_be_recorded(self, trackings: Any, tracking: Tracking) -> None:
        """A uid that is none or somebody else's, a name that is none, another namespace."""
        for uid in ("", "a" * 65, "a/b", "é"):
            with pytest.raises(InvalidInput, match=r"metadata\.uid"):
                tracking.record_experiment(on_a_cluster(uid), 1)
        nameless = on_a_cluster()
        nameless.metadata.name = ""
        for experiment in (nameless, on_a_cluster()):
            with pytest.raises(InvalidInput, match="metadata"):
                trackings.tracking("team-b").record_experiment(experiment, 1)
        a_recorded_one(tracking)
        other = on_a_cluster()
        other.metadata.namespace = "team-b"
        with pytest.raises(Conflict):
            trackings.tracking("team-b").record_experiment(other, 9)
        with pytest.raises(NotFound):
            trackings.tracking("team-b").mark_deleted(UID)
        theirs = tracking.create_search("theirs", experiment_id="theirs1").id
        with pytest.raises(Conflict):
            tracking.record_experiment(on_a_cluster(theirs), 1)
        with pytest.raises(Conflict):
            tracking.record_trials(theirs, given(trial(0)))
        with pytest.raises(Conflict):
            tracking.mark_deleted(theirs)

    # -- trials ---------------------------------------------------------------------------------------------------

    def test_a_trial_comes_back_as_it_was_recorded(self, trackings: Any, tracking: Tracking) -> None:
        """With every field, its job and its place."""
        a_recorded_one(tracking)
        record, job = full_record(), {"kind": "Job", "spec": {"args": [AWKWARD, None, 1.5]}}
        trials = [RecordedTrial(record, job, {"node": "n1", "pod": "search-0000-x7"})]
        assert tracking.record_trials(UID, trials) == 1
        assert tracking.record_trials(UID, trials) == 0
        assert trackings.trials(UID) == [record]
        assert trackings.job(UID, record.name) == job
        run = tracking.run_named(UID, record.name)
        assert run.place is not None
        assert run.place.items() >= {"node": "n1", "pod": "search-0000-x7"}.items()
        assert {each.name for each in run.parameters} == {"lr", "λ", "a"}
        more = [RecordedTrial(record, {**job, "more": 1}, {"pod": "search-0000-y8"})]
        assert tracking.record_trials(UID, more) == 1
        assert trackings.job(UID, record.name) == {**job, "more": 1}
        moved = tracking.run_named(UID, record.name).place
        assert moved is not None
        assert (moved["node"], moved["pod"]) == ("n1", "search-0000-y8")

    def test_an_older_view_of_a_trial_changes_nothing(self, trackings: Any, tracking: Tracking) -> None:
        """Every order of its life ends with its end."""
        a_recorded_one(tracking)
        life = [
            trial(0),
            trial(0, TrialState.RUNNING, started=EPOCH, attempt=1),
            trial(0, TrialState.RUNNING, started=EPOCH, attempt=1, stopping=TrialState.KILLED),
            trial(0, TrialState.KILLED, started=EPOCH, attempt=1, reason="TrialKilled"),
        ]
        for number, order in enumerate(itertools.permutations(life)):
            records = [replace(each, index=number, name=f"t-{number}") for each in order]
            for record in records[:2]:
                tracking.record_trials(UID, given(record))
            tracking.record_trials(UID, given(*records[2:], *records))
            assert trackings.trial(UID, f"t-{number}").state is TrialState.KILLED

    def test_names_and_indices_stay_together(self, trackings: Any, tracking: Tracking) -> None:
        """All or nothing: what is refused has recorded nothing."""
        a_recorded_one(tracking, trials=1)
        before = trackings.trials(UID)
        for wrong in (trial(0, name="other"), trial(7, name=before[0].name)):
            with pytest.raises(Conflict):
                tracking.record_trials(UID, given(trial(1), wrong))
        assert trackings.trials(UID) == before
        with pytest.raises(NotFound):
            tracking.record_trials(LATER_UID, given(trial(0)))

    def test_many_at_once(self, trackings: Any, tracking: Tracking) -> None:
        """A thousand trials with jobs and places are one change."""
        a_recorded_one(tracking)
        trials = [RecordedTrial(trial(index), {"n": index}, {"pod": f"p{index}"}) for index in range(1000)]
        assert tracking.record_trials(UID, trials) == 1000
        assert tracking.record_trials(UID, trials) == 0
        assert trackings.count_trials(UID) == 1000
        assert trackings.jobs(UID)["search-0999"] == {"n": 999}
        found = tracking.trial_summaries(UID, [each.record.name for each in trials])
        assert found == {}

    # -- what is reported -----------------------------------------------------------------------------------------

    def test_reports_that_come_first_become_the_trials_own(self, trackings: Any, tracking: Tracking) -> None:
        """The summaries are the same before and after, and it is one run; another namespace is another trial."""
        name = "search-0000"
        other = trackings.tracking("team-b", actor="bob")
        for namespace, rows in (("team-a", losses(4)), ("team-b", [Report("loss", "77", EPOCH)])):
            trackings.report([LogReport(name, rows[:2], namespace)])
            trackings.report([LogReport(name, rows, namespace)])
        a_recorded_one(tracking)
        before = tracking.trial_summaries(UID, [name, "nobody"])
        assert list(before) == [name]
        assert before[name]["loss"].count == 4
        theirs = on_a_cluster(LATER_UID, status=a_status())
        theirs.metadata.namespace = "team-b"
        other.record_experiment(theirs, 1)
        # The later one of the two first, and the earlier one then: each takes what is its own.
        other.record_trials(LATER_UID, given(trial(0, created=EPOCH + timedelta(days=1))))
        assert other.trial_summaries(LATER_UID, [name])[name]["loss"].latest == "77"
        tracking.record_trials(UID, given(trial(0)))
        assert values(tracking.trial_summaries(UID, [name])[name]) == values(before[name])
        assert [each.text for each in other.series(other.run_named(LATER_UID, name).id)] == ["77"]
        run = tracking.run_named(UID, name)
        assert [each.text for each in tracking.series(run.id)] == [each.text for each in losses(4)]
        assert tracking.count_runs("name = 'search-0000'") == 1
        trackings.report([LogReport(name, [*losses(4), Report("acc", "1", EPOCH)], "team-a")])
        assert {metric: each.count for metric, each in tracking.trial_summaries(UID, [name])[name].items()} == {
            "loss": 4,
            "acc": 1,
        }

    def test_summaries_of_some_metrics(self, trackings: Any, tracking: Tracking) -> None:
        """Recorded or not; trials without any of them are absent, and so is what is in another namespace."""
        a_recorded_one(tracking, trials=2)
        rows = [Report("loss", "0.5", EPOCH), Report("λ", "NaN", EPOCH), Report("λ", "-inf", EPOCH)]
        for name in ("search-0000", "unrecorded"):
            trackings.report([LogReport(name, rows, "team-a")])
        trackings.report([LogReport("elsewhere", rows, "team-b")])
        names = ["search-0000", "search-0001", "unrecorded", "elsewhere"]
        found = tracking.trial_summaries(UID, names, ["λ", "none"])
        assert {name: list(each) for name, each in found.items()} == {"search-0000": ["λ"], "unrecorded": ["λ"]}
        for each in found.values():
            assert values(each) == {"λ": ("-inf", "-inf", "-inf", 2)}
        assert tracking.trial_summaries(UID, names, ["none"]) == {}
        assert tracking.trial_summaries(UID, []) == {}
        with pytest.raises(NotFound):
            trackings.tracking("team-b").trial_summaries(UID, names)

    @pytest.mark.parametrize("started", [None, EPOCH + timedelta(seconds=3)])
    def test_a_trial_that_is_begun_again_begins_with_nothing(
        self, trackings: Any, tracking: Tracking, started: datetime | None
    ) -> None:
        """Once: what the new attempt reports stays, also what comes before it was recorded."""
        a_recorded_one(tracking, trials=1)
        name = "search-0000"
        earlier = [Report("loss", "1", EPOCH), Report("old", "5", None), Report("loss", "9", EPOCH)]
        later = [Report("loss", "0.5", EPOCH + timedelta(seconds=3 + second)) for second in range(2)]
        trackings.report([LogReport(name, earlier, "team-a")])
        if started is not None:
            trackings.report([LogReport(name, later, "team-a")])
        again = trackings.trial(UID, name).again("the machine was lost")
        again = replace(again, started=started, state=TrialState.CREATED if started is None else TrialState.RUNNING)
        tracking.record_trials(UID, given(again))
        found = tracking.trial_summaries(UID, [name])
        if started is None:
            assert found == {}
        else:
            assert values(found[name]) == {"loss": ("0.5", "0.5", "0.5", 2)}
        trackings.report([LogReport(name, later, "team-a")])
        running = replace(again, state=TrialState.RUNNING, started=EPOCH + timedelta(seconds=3))
        tracking.record_trials(UID, given(running, again))
        assert values(tracking.trial_summaries(UID, [name])[name]) == {"loss": ("0.5", "0.5", "0.5", 2)}
        run = tracking.run_named(UID, name)
        assert [each.text for each in tracking.series(run.id)] == ["0.5", "0.5"]

    def test_a_pod_of_an_earlier_attempt_does_not_tell_everything_again(
        self, trackings: Any, tracking: Tracking
    ) -> None:
        """It may live longer than its attempt; the pod of the next one begins with its own first number."""
        a_recorded_one(tracking, trials=1)
        name = "search-0000"
        trackings.report([LogReport(name, losses(3), "team-a", source="pod-1")])
        tracking.record_trials(UID, given(trackings.trial(UID, name).again("the machine was lost")))
        receipts = trackings.report(
            [
                LogReport(name, losses(3), "team-a", source="pod-1"),
                LogReport(name, losses(2), "team-a", source="pod-2"),
            ]
        )
        assert [(each.stored, each.following) for each in receipts] == [(0, 3), (2, 2)]
        assert tracking.trial_summaries(UID, [name])[name]["loss"].count == 2

    def test_a_first_start_forgets_nothing(self, trackings: Any, tracking: Tracking) -> None:
        """A trial may report before its driver says that it runs."""
        a_recorded_one(tracking)
        tracking.record_trials(UID, given(trial(0)))
        trackings.report([LogReport("search-0000", losses(2), "team-a")])
        tracking.record_trials(UID, given(trial(0, TrialState.RUNNING, attempt=1, started=EPOCH)))
        assert tracking.trial_summaries(UID, ["search-0000"])["search-0000"]["loss"].count == 2

    def test_a_trial_is_found_by_its_name(self, trackings: Any, tracking: Tracking) -> None:
        """In its namespace; of several, the one that was created last."""
        a_recorded_one(tracking, trials=2)
        first = tracking.run_of_trial("search-0001")
        assert tracking.run(first).name == "search-0001"
        with pytest.raises(NotFound, match="has a trial 'search-0007' yet"):
            tracking.run_of_trial("search-0007")
        with pytest.raises(NotFound):
            trackings.tracking("team-b").run_of_trial("search-0001")
        tracking.record_experiment(on_a_cluster(LATER_UID, age=5), 2)
        later = replace(trial(1), created=EPOCH.replace(microsecond=0) + timedelta(days=1))
        tracking.record_trials(LATER_UID, given(later))
        assert tracking.run_of_trial("search-0001") not in ("", first)

    # -- ends -----------------------------------------------------------------------------------------------------

    def test_a_deleted_object_ends_what_was_active(self, trackings: Any, tracking: Tracking) -> None:
        """Everything else is as it was, and deleting it again changes nothing."""
        a_recorded_one(tracking, trials=3)
        done = replace(trackings.trial(UID, "search-0001"), state=TrialState.SUCCEEDED, finished=EPOCH)
        tracking.record_trials(UID, given(done))
        assert tracking.mark_deleted(UID) is True
        first = (trackings.experiment("team-a", "search"), trackings.trials(UID), trackings.events(UID))
        assert tracking.mark_deleted(UID) is False
        assert (trackings.experiment("team-a", "search"), trackings.trials(UID), trackings.events(UID)) == first
        states = {each.name: (each.state, each.reason) for each in first[1]}
        killed = (TrialState.KILLED, EXPERIMENT_DELETED)
        assert states == {
            "search-0000": killed,
            "search-0001": (TrialState.SUCCEEDED, ""),
            "search-0002": killed,
        }
        assert all(each.finished is not None for each in first[1])
        assert tracking.search(UID).state is TrialState.KILLED
        assert tracking.search(UID).deleted is None
        assert [each.name for each in trackings.experiments("team-a")] == ["search"]

    def test_a_deleted_object_of_what_was_over(self, trackings: Any, tracking: Tracking) -> None:
        """Its end stays what it was."""
        tracking.record_experiment(on_a_cluster(status=a_status("Succeeded", completion_time=EPOCH)), 1)
        tracking.mark_deleted(UID)
        assert trackings.experiment("team-a", "search").status == a_status("Succeeded", completion_time=EPOCH)
        assert [each.reason for each in trackings.events(UID)] == [EXPERIMENT_DELETED]

    def test_what_is_not_over_can_be_listed_by_cluster(self, trackings: Any, tracking: Tracking) -> None:
        """Of one namespace or of all, page by page; what others drive or ended is not there."""

        def recorded(number: int, cluster: str, namespace: str = "team-a", kind: str = "Running") -> str:
            experiment = on_a_cluster(f"{number:08d}-0000", status=a_status(kind), age=number)
            experiment.metadata.name, experiment.metadata.namespace = f"search-{number}", namespace
            experiment.metadata.annotations = {CLUSTER: cluster} if cluster else None
            trackings.tracking(namespace).record_experiment(experiment, 1)
            return f"{number:08d}-0000"

        def listed(**asked: Any) -> list[str]:
            found: list[str] = []
            cursor: str | None = None
            for _ in range(20):
                page = trackings.open_experiments("one", cursor=cursor, **asked)
                found += [each.uid for each in page.items]
                cursor = page.cursor
                if cursor is None:
                    return found
            raise AssertionError("the pages have no end")

        mine = [recorded(1, "one"), recorded(2, "one", kind="Created"), recorded(3, "one", "team-b")]
        recorded(4, "two")
        recorded(5, "")
        recorded(6, "one", kind="Succeeded")
        driven_here = an_experiment("local", "team-a")
        driven_here.metadata.annotations = {CLUSTER: "one"}
        trackings.create_experiment(driven_here)
        for limit in (1, 2, 1000):
            assert listed(limit=limit) == mine
        assert listed(namespace="team-a") == mine[:2]
        assert trackings.open_experiments("one", namespace="team-b").items == [
            OpenExperiment("team-b", mine[2], "search-3")
        ]
        tracking.mark_deleted(mine[0])
        assert listed() == mine[1:]
        with pytest.raises(InvalidInput, match="page_token"):
            trackings.open_experiments("one", cursor="next")

    def test_what_comes_after_the_end(self, trackings: Any, tracking: Tracking) -> None:
        """That something was active is no news any more; how it ended is."""
        a_recorded_one(tracking, trials=2)
        tracking.mark_deleted(UID)
        one, two = (replace(each, state=TrialState.RUNNING, reason="") for each in trackings.trials(UID))
        tracking.record_experiment(on_a_cluster(status=a_status(trials=3, trials_running=3)), 2)
        done = replace(one, state=TrialState.SUCCEEDED, finished=EPOCH)
        tracking.record_trials(UID, given(two, trial(2, TrialState.RUNNING), done))
        assert trackings.experiment("team-a", "search").status.conditions[-1].reason == EXPERIMENT_DELETED
        assert [each.state for each in trackings.trials(UID)] == [
            TrialState.SUCCEEDED,
            TrialState.KILLED,
            TrialState.KILLED,
        ]
        tracking.record_trials(UID, given(two, one))
        assert trackings.trial(UID, "search-0000") == done

    def test_what_somebody_deleted_here_stays_deleted(self, trackings: Any, tracking: Tracking) -> None:
        """And is recorded on, so that nothing is missing when it is restored."""
        a_recorded_one(tracking, trials=1)
        node = Node(NodeKind.EXPERIMENT, UID)
        tracking.delete(node)
        tracking.record_experiment(on_a_cluster(status=a_status(trials=2)), 2)
        tracking.record_trials(UID, given(trial(1)))
        assert trackings.experiments("team-a") == []
        assert tracking.find_searches(lifecycle=Lifecycle.DELETED).items[0].trials == 2
        assert tracking.run_named(UID, "search-0001").deleted is not None
        tracking.restore(node)
        assert [each.index for each in trackings.trials(UID)] == [0, 1]
        assert tracking.run_named(UID, "search-0001").deleted is None
        assert trackings.experiment("team-a", "search").status.trials == 2

    def test_an_experiment_of_a_deleted_project(self, trackings: Any, tracking: Tracking) -> None:
        """It is recorded as one that was deleted with it, and so are its trials; its driver is not kept waiting."""
        project = Node(NodeKind.PROJECT, tracking.default_project().id)
        tracking.delete(project)
        a_recorded_one(tracking, trials=2)
        tracking.record_experiment(on_a_cluster(status=a_status(trials=5)), 2)
        assert trackings.experiments("team-a") == []
        assert tracking.find_searches().items == ()
        tracking.restore(project)
        assert trackings.experiment("team-a", "search").status.trials == 5
        assert tracking.search(UID).name == "search"
        assert [tracking.run_named(UID, each.name).deleted for each in trackings.trials(UID)] == [None, None]

    # -- events ---------------------------------------------------------------------------------------------------

    def test_an_event_with_an_id_is_counted_once(self, trackings: Any, tracking: Tracking) -> None:
        """It grows with its count and forgets nothing; without an id the same words are counted up."""
        a_recorded_one(tracking)
        for count, message in ((2, "twice"), (2, "again"), (3, "thrice"), (1, "late")):
            tracking.record_event(
                UID, "Waiting", message, kind="Warning", trial="t", event_id="e1", count=count, time=EPOCH
            )
        (event,) = trackings.events(UID)
        assert (event.message, event.count, event.kind, event.trial) == ("thrice", 3, "Warning", "t")
        assert event.first == event.last == EPOCH
        for _ in range(2):
            tracking.record_event(UID, "Waiting", "words")
        assert [(each.message, each.count) for each in trackings.events(UID)] == [("thrice", 3), ("words", 2)]
        with pytest.raises(NotFound):
            trackings.tracking("team-b").record_event(UID, "Waiting", "words")
