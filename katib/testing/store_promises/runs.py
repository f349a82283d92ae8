"""Runs: recorded once, changed, put below each other, watched."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from katib.api.trial import TrialState
from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.tracking.records import Facts, Log, NewRun, Node, NodeKind, RunChange, RunPart, RunScope, SampleChange
from katib.testing.store_promises.specimens import AWKWARD, EPOCH, Report, reports
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_project, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking
    from katib.testing.store_promises.base import Place

__all__ = ["RunPromises"]


class RunPromises(TrackingPromises):
    """What the methods about single runs do."""

    def test_a_run_comes_back(self, place: Place, tracking: Tracking) -> None:
        """With everything that was said when it was recorded."""
        facts = Facts({"team": AWKWARD}, {"cost": 2})
        log = Log(samples=reports(3), parameters={"lr": "1e-3", "name": AWKWARD, "": "x"}, facts=facts)
        with pytest.raises(InvalidInput):
            tracking.create_run(NewRun(log=log))
        log = Log(samples=reports(3), parameters={"lr": "1e-3", "name": AWKWARD}, facts=facts)
        new = NewRun(name=AWKWARD, state=TrialState.CREATED, started=EPOCH, description=AWKWARD, owner="bob", log=log)
        made = tracking.create_run(new)
        assert (made.name, made.state, made.started, made.description, made.owner) == (
            AWKWARD,
            TrialState.CREATED,
            EPOCH,
            AWKWARD,
            "bob",
        )
        assert made.facts == facts
        assert {item.name: (item.text, item.number) for item in made.parameters} == {
            "lr": ("1e-3", 0.001),
            "name": (AWKWARD, None),
        }
        assert [(item.name, item.count, item.latest_step, item.first_step) for item in made.metrics] == [
            ("loss", 3, 2, 0)
        ]
        assert made.began == EPOCH
        assert (made.experiment_id, made.parent_id, made.root_of, made.index) == (None, None, None, None)
        with self.opener(place) as again:
            seen = again.tracking("team-a")
            assert seen.run(made.id) == made
            assert seen.runs([made.id, "absent"]) == [made]
            assert seen.find_runs().items == (made,)

    def test_only_what_is_asked_for_is_read(self, tracking: Tracking) -> None:
        """A field mask."""
        log = Log(samples=reports(1), parameters={"lr": "1"}, facts=Facts({"a": "b"}, {"c": 1}))
        run = a_run(tracking, log=log)
        bare = tracking.run(run, ())
        assert (bare.parameters, bare.metrics, bare.facts) == ((), (), Facts())
        assert tracking.run(run, [RunPart.TAGS]).facts == Facts({"a": "b"})
        assert tracking.run(run, [RunPart.PROPERTIES]).facts == Facts({}, {"c": 1})
        assert tracking.find_runs(parts=[RunPart.PARAMETERS]).items[0].parameters[0].text == "1"

    def test_a_run_is_made_once_under_a_chosen_id(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """With what the first call said."""
        first = tracking.create_run(NewRun(id="abc", name="first", log=Log(samples=reports(2))))
        second = tracking.create_run(NewRun(id="abc", name="second", log=Log(samples=reports(5))))
        assert second == first
        assert first.id == "abc"
        with pytest.raises(Conflict, match="in use"):
            trackings.tracking("team-b").create_run(NewRun(id="abc"))
        assert tracking.count_runs() == 1

    def test_names(self, tracking: Tracking) -> None:
        """Runs of a project may share them, trials of an experiment not; who gives none gets one."""
        assert a_run(tracking, name="same") != a_run(tracking, name="same")
        search = tracking.create_search("search").id
        run = a_run(tracking, experiment_id=search, name="same")
        with pytest.raises(Conflict, match="same"):
            a_run(tracking, experiment_id=search, name="same")
        other = a_run(tracking, experiment_id=search)
        with pytest.raises(Conflict, match="same"):
            tracking.update_run(other, name="same")
        assert tracking.run_named(search, "same").id == run
        assert tracking.update_run(run, name="same").name == "same"
        assert tracking.run(other).name
        long = a_run(tracking, name="n" * 5_000)
        assert tracking.run(long).name == "n" * 5_000
        with pytest.raises(InvalidInput):
            a_run(tracking, experiment_id=search, name="n" * 256)
        with pytest.raises(InvalidInput):
            a_run(tracking, name="")

    def test_a_run_is_changed(self, tracking: Tracking) -> None:
        """Only what is named; an end gets a time."""
        run = a_run(tracking, name="first")
        before = tracking.run(run)
        changed = tracking.update_run(run, name="second", reason="Because", message=AWKWARD)
        assert (changed.name, changed.reason, changed.message, changed.state) == (
            "second",
            "Because",
            AWKWARD,
            before.state,
        )
        assert changed.ended is None
        ended = tracking.update_run(run, state=TrialState.FAILED)
        assert ended.ended is not None
        assert tracking.update_run(run, state=TrialState.RUNNING).ended is None
        assert tracking.update_run(run, started=EPOCH, ended=EPOCH, state=TrialState.SUCCEEDED).began == EPOCH

    def test_what_a_run_came_from_is_added_to(self, tracking: Tracking) -> None:
        """Key by key; the same environment is kept once and told of each."""
        first, second = a_run(tracking), a_run(tracking)
        for run in (first, second):
            tracking.update_run(run, code={"revision": "a" * 40}, environment={"image": "train:1", "env": ["A"]})
        tracking.update_run(first, code={"dirty": True}, environment={"image": "train:2"}, place={"node": "n1"})
        tracking.update_run(first, place={"pod": "p"})
        seen = tracking.run(first)
        assert seen.code == {"revision": "a" * 40, "dirty": True}
        assert seen.environment == {"image": "train:2", "env": ["A"]}
        assert seen.place == {"node": "n1", "pod": "p"}
        assert tracking.run(second).environment == {"image": "train:1", "env": ["A"]}
        assert tracking.run(second, ()).environment is None

    def test_a_run_goes_below_another(self, tracking: Tracking) -> None:
        """Not below itself, by any way."""
        top, middle, bottom = (a_run(tracking, name=name) for name in ("top", "middle", "bottom"))
        assert tracking.set_parent(bottom, middle).parent_id == middle
        assert tracking.set_parent(middle, top).parent_id == top
        again = tracking.set_parent(middle, top)
        assert (again.index, again.name) == (0, "middle")
        for run, parent in ((top, bottom), (middle, bottom), (top, top)):
            with pytest.raises(Conflict, match="below itself"):
                tracking.set_parent(run, parent)
        with pytest.raises(InvalidInput):
            tracking.set_parent(a_run(tracking, project_id=a_project(tracking)), top)

    def test_a_new_run_goes_where_it_can(self, tracking: Tracking) -> None:
        """Not into what is not there, is deleted, or is of another project than was said."""
        project, run = a_project(tracking), a_run(tracking)
        for fields in ({"project_id": "absent"}, {"experiment_id": "absent"}, {"parent_id": "absent"}):
            with pytest.raises(NotFound):
                a_run(tracking, **fields)
        with pytest.raises(InvalidInput):
            a_run(tracking, project_id=project, parent_id=run)
        tracking.delete(Node(NodeKind.RUN, run))
        with pytest.raises(Conflict, match="deleted"):
            a_run(tracking, parent_id=run)
        tracking.delete(Node(NodeKind.PROJECT, project))
        with pytest.raises(Conflict, match="deleted"):
            a_run(tracking, project_id=project)
        assert tracking.count_runs() == 0

    def test_logs_are_added_once(self, tracking: Tracking) -> None:
        """Of equal reports as many as one log has; a step makes them others."""
        run = a_run(tracking)
        twice = [Report("loss", "0.5", EPOCH, 1), Report("loss", "0.5", EPOCH, 1), Report("loss", "0.5", EPOCH, 2)]
        assert tracking.log(run, Log(samples=twice)).stored == 3
        receipt = tracking.log(run, Log(samples=[*twice, Report("loss", "0.25")]))
        assert (receipt.stored, receipt.repeated) == (1, 3)
        assert [(item.text, item.step) for item in tracking.series(run)] == [
            ("0.5", 1),
            ("0.5", 1),
            ("0.5", 2),
            ("0.25", None),
        ]

    @pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e-300", "-0.0", "unavailable", "9223372036854775808"])
    def test_values_come_back(self, tracking: Tracking, text: str) -> None:
        """As they were reported, in the series and in short."""
        run = a_run(tracking)
        tracking.log(run, Log(samples=[Report("m", text, EPOCH, 2**62)]))
        (seen,) = tracking.series(run, "m")
        (metric,) = tracking.run(run).metrics
        assert seen.text == metric.latest == metric.first == text
        assert repr(seen.value) == repr(metric.value) == ("None" if text == "unavailable" else repr(float(text)))
        assert metric.latest_step == 2**62

    def test_a_parameter_keeps_its_value(self, tracking: Tracking) -> None:
        """Unless it is to be replaced; a log that fails changes nothing."""
        run = a_run(tracking, log=Log(parameters={"lr": "0.1"}))
        tracking.log(run, Log(parameters={"lr": "0.1", "depth": "3"}))
        with pytest.raises(Conflict, match=r"'lr' is '0\.1'"):
            tracking.log(run, Log(samples=reports(2), parameters={"lr": "0.2", "new": "1"}, facts=Facts({"a": "b"})))
        seen = tracking.run(run)
        assert {item.name: item.text for item in seen.parameters} == {"lr": "0.1", "depth": "3"}
        assert (seen.metrics, seen.facts) == ((), Facts())
        tracking.log(run, Log(parameters={"lr": "0.2"}, replace=True))
        assert {item.name: item.number for item in tracking.run(run).parameters} == {"lr": 0.2, "depth": 3.0}

    def test_parameters_and_metrics_are_removed(self, tracking: Tracking) -> None:
        """By name, or all; a metric that is reported again begins anew."""
        log = Log(samples=[*reports(3), *reports(2, "accuracy")], parameters={"a": "1", "b": "2", "c": "3"})
        run = a_run(tracking, log=log)
        tracking.delete_parameters(run, ["a", "absent"])
        tracking.delete_metrics(run, ["loss", "absent"])
        seen = tracking.run(run)
        assert ([item.name for item in seen.parameters], [item.name for item in seen.metrics]) == (
            ["b", "c"],
            ["accuracy"],
        )
        tracking.log(run, Log(samples=[Report("loss", "7")]))
        assert tracking.series(run, "loss")[0].text == "7"
        tracking.delete_parameters(run)
        tracking.delete_metrics(run)
        assert (tracking.run(run).parameters, tracking.run(run).metrics, tracking.series(run)) == ((), (), [])

    def test_numbered_reports_are_appended_once(self, tracking: Tracking) -> None:
        """However the batches overlap; a gap is refused."""
        run = a_run(tracking)
        assert tracking.append(run, reports(4), first_sequence=0) == 4
        assert tracking.append(run, reports(4), first_sequence=0) == 4
        assert tracking.append(run, reports(3, start=2), first_sequence=2) == 5
        with pytest.raises(Conflict, match="missing"):
            tracking.append(run, reports(1, start=7), first_sequence=7)
        assert [item.sequence for item in tracking.series(run)] == list(range(5))
        assert [item.sequence for item in tracking.series(run, "loss", after_sequence=1, limit=2)] == [2, 3]

    def test_a_deleted_run_takes_nothing(self, tracking: Tracking) -> None:
        """It can be read."""
        run = a_run(tracking, log=Log(parameters={"lr": "1"}))
        node = Node(NodeKind.RUN, run)
        tracking.delete(node)
        for call in (
            lambda: tracking.log(run, Log(parameters={"a": "b"})),
            lambda: tracking.append(run, reports(1), first_sequence=0),
            lambda: tracking.update_run(run, name="other"),
            lambda: tracking.set_facts(node, Facts({"a": "b"})),
            lambda: tracking.delete_parameters(run),
            lambda: tracking.delete_metrics(run),
        ):
            with pytest.raises(Conflict, match="deleted"):
                call()
        seen = tracking.run(run)
        assert seen.deleted is not None
        assert [item.text for item in seen.parameters] == ["1"]

    def test_runs_that_changed_are_told(self, tracking: Tracking) -> None:
        """Each once, in the order of change, from where the last question ended."""
        first, second = a_run(tracking, name="first"), a_run(tracking, name="second")
        cursor, seen = tracking.changed_runs(0)
        assert seen == [first, second]
        assert tracking.changed_runs(cursor) == (cursor, [])
        tracking.update_run(first, state=TrialState.FAILED)
        tracking.log(second, Log(parameters={"a": "1"}))
        tracking.set_facts(Node(NodeKind.RUN, first), Facts({"a": "b"}))
        cursor, seen = tracking.changed_runs(cursor)
        assert seen == [second, first]
        project = a_project(tracking)
        third = a_run(tracking, project_id=project)
        assert tracking.changed_runs(cursor, scope=RunScope(project_ids=[project]))[1] == [third]
        assert tracking.changed_runs(cursor, scope=RunScope(run_ids=[first]))[1] == []

    def test_changes_of_many_runs_come_in_pages(self, tracking: Tracking) -> None:
        """None twice, none left out."""
        made = [a_run(tracking) for _ in range(7)]
        told: list[str] = []
        cursor = 0
        while True:
            cursor, seen = tracking.changed_runs(cursor, limit=3)
            if not seen:
                break
            told += seen
        assert told == made

    def test_several_changes_are_one(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Each call fails alone and is told what became of it."""
        run = a_run(tracking)
        made, failed, logged = trackings.together(
            [
                lambda: tracking.create_run(NewRun(id="abc")).id,
                lambda: tracking.log(run, Log(samples=reports(2), facts=Facts({"": "no name"}))),
                lambda: tracking.log(run, Log(samples=reports(2))).stored,
            ]
        )
        assert (made, logged) == ("abc", 2)
        assert isinstance(failed, InvalidInput)
        assert tracking.count_runs() == 2
        assert tracking.run(run).facts == Facts()

    def test_reports_of_many_runs_are_one_write(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Each as if it were alone: in its order, once, with its own error."""
        first, second, gone = a_run(tracking), a_run(tracking), a_run(tracking)
        tracking.append(first, reports(2), first_sequence=0)
        tracking.log(second, Log(samples=reports(1)))
        tracking.delete(Node(NodeKind.RUN, gone))
        changes = [
            SampleChange("team-a", first, reports(3), 0),
            SampleChange("team-a", first, reports(2, start=3), 3),
            SampleChange("team-a", first, reports(1, start=9), 9),
            SampleChange("team-a", second, reports(3)),
            SampleChange("team-a", second, reports(4)),
            SampleChange("team-a", second, [Report("accuracy", "nan")]),
            SampleChange("team-b", second, reports(1)),
            SampleChange("team-a", gone, reports(1)),
            SampleChange("team-a", first, []),
        ]
        for again in (False, True):
            results = trackings.together(changes)
            assert results[:2] == ([5, 5] if again else [3, 5])
            assert isinstance(results[2], Conflict)
            assert [(item.stored, item.repeated) for item in results[3:6]] == (
                [(0, 3), (0, 4), (0, 1)] if again else [(2, 1), (1, 3), (1, 0)]
            )
            assert isinstance(results[6], NotFound)
            assert isinstance(results[7], Conflict)
            assert [item.step for item in tracking.series(first)] == list(range(5))
            assert [item.step for item in tracking.series(second, "loss")] == list(range(4))
            assert [item.latest for item in tracking.run(second).metrics] == ["0.25", "nan"]
        assert tracking.append(first, reports(1, start=5), first_sequence=5) == 6

    def test_new_runs_are_one_write(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Each as if it were alone: with what is logged of it, in its place, once, with its own error."""
        parent = a_run(tracking)
        full = Log(samples=reports(3), parameters={"lr": "1", "name": AWKWARD}, facts=Facts({"a": AWKWARD}, {"b": 1}))
        changes = [
            RunChange("team-a", "ann", NewRun(id="first", log=full)),
            RunChange("team-a", "bob", NewRun(id="second", log=Log(samples=[Report("f1", "nan")]))),
            RunChange("team-a", "bob", NewRun(id="first", log=Log(samples=reports(9)))),
            RunChange("team-b", "bob", NewRun(id="third", log=Log(parameters={"depth": "2"}))),
            RunChange("team-a", "bob", NewRun(id="child", parent_id=parent, name="one")),
            RunChange("team-a", "bob", NewRun(id="other", parent_id=parent, name="two", log=full)),
        ]
        bad = [
            RunChange("team-b", "bob", NewRun(id="first")),
            RunChange("team-a", "bob", NewRun(id="bad", log=Log(parameters={"": "1"}))),
            RunChange("team-a", "bob", NewRun(id="lost", project_id="absent")),
        ]
        for calls in (changes, [*changes, *bad], [*bad, *changes]):
            results = trackings.together(calls)
            failed = [result for result in results if isinstance(result, Exception)]
            assert [type(error) for error in failed] == ([] if calls is changes else [Conflict, InvalidInput, NotFound])
            made = [result for result in results if not isinstance(result, Exception)]
            assert [run.id for run in made] == ["first", "second", "first", "third", "child", "other"]
            assert made[:3] == tracking.runs(["first", "second", "first"])
            assert made[3] == trackings.tracking("team-b").run("third")
            assert [(run.parent_id, run.index) for run in made[4:]] == [(parent, 0), (parent, 1)]
            assert made[5].facts == full.facts
            assert [(metric.name, metric.count) for metric in made[0].metrics] == [("loss", 3)]
            assert [item.step for item in tracking.series("other")] == [0, 1, 2]
        assert tracking.count_runs() == 5
        assert tracking.append("first", reports(1, start=3), first_sequence=0) == 1
        told = [(entry.actor, entry.node.id) for entry in tracking.audit() if entry.node and entry.node.id == "first"]
        assert ("ann", "first") in told

    def test_loggers_at_once(self, place: Place, tracking: Tracking) -> None:
        """Of one run: nothing is lost, nothing is there twice."""
        run, failures = a_run(tracking), []

        def log(number: int) -> None:
            try:
                with self.opener(place) as own:
                    mine = own.tracking("team-a")
                    for step in range(5):
                        sample = Report("loss", str(number), EPOCH, step)
                        parameters = {f"p{number}": "1", "shared": "same"}
                        mine.log(run, Log(samples=[sample], parameters=parameters, facts=Facts({"last": str(number)})))
            except Exception as error:  # noqa: BLE001 - told below
                failures.append(error)

        threads = [threading.Thread(target=log, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        seen = tracking.run(run)
        assert {item.name for item in seen.parameters} == {"p0", "p1", "p2", "p3", "shared"}
        assert seen.metrics[0].count == 20
        assert seen.facts.tags["last"] in {"0", "1", "2", "3"}

    def test_every_change_is_in_the_audit(self, tracking: Tracking) -> None:
        """With who made it; reports of metrics are their own record."""
        run = a_run(tracking)
        node = Node(NodeKind.RUN, run)
        tracking.log(run, Log(samples=reports(1)))
        tracking.log(run, Log(parameters={"lr": "1"}))
        tracking.update_run(run, name="other")
        tracking.set_facts(node, Facts({"a": "b"}))
        tracking.delete_facts(node, tags=["a"])
        tracking.delete_parameters(run, ["lr"])
        entries = tracking.audit(node=node)
        assert [entry.action for entry in entries] == ["create", "log", "update", "set", "unset", "unset"]
        assert {entry.actor for entry in entries} == {"ann"}
        assert tracking.audit(node=node, after_id=entries[3].id, limit=1) == [entries[4]]
