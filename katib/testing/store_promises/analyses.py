"""Analyses: which runs are the best in several metrics, which are alike, and which parameters matter."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest

from katib.api.trial import TrialState
from katib.errors import InvalidInput, NotFound
from katib.store.tracking.records import Lifecycle, Log, Node, NodeKind, RunPart, RunScope
from katib.testing.store_promises.specimens import Report
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_project, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking

__all__ = ["AnalysisPromises"]

_TWO = [("loss", "minimize"), ("speed", "maximize")]


def _measured(tracking: Tracking, loss: str | None, speed: str | None, **fields: object) -> str:
    samples = [Report(name, text) for name, text in (("loss", loss), ("speed", speed)) if text is not None]
    return a_run(tracking, log=Log(samples=samples), **fields)


class AnalysisPromises(TrackingPromises):
    """What ``pareto_runs``, ``similar_runs`` and ``importances`` do."""

    def test_the_runs_that_no_other_beats(self, tracking: Tracking) -> None:
        """Equal ones all, the best in the first objective first; without a number there is nothing to compare."""
        slow = _measured(tracking, "0.1", "1")
        fast = _measured(tracking, "0.5", "10")
        same = _measured(tracking, "5e-1", "10.0")
        for loss, speed in (("0.5", "9"), ("0.2", "1"), (None, "99"), ("0.01", None), ("nan", "99"), ("0.01", "fast")):
            _measured(tracking, loss, speed)
        wonder = _measured(tracking, "9", "inf")
        found = tracking.pareto_runs(_TWO, parts=[RunPart.METRICS])
        assert [run.id for run in found] == [slow, fast, same, wonder]
        assert [metric.name for metric in found[0].metrics] == ["loss", "speed"]
        assert [run.id for run in tracking.pareto_runs(_TWO[1:])] == [wonder]
        assert tracking.pareto_runs([*_TWO, ("nobody reported it", "minimize")]) == []

    def test_the_latest_values_count(self, tracking: Tracking) -> None:
        """So a run can get worse."""
        first, second = _measured(tracking, "0.1", "1"), _measured(tracking, "0.2", "1")
        assert [run.id for run in tracking.pareto_runs(_TWO)] == [first]
        tracking.log(first, Log(samples=[Report("loss", "0.3")]))
        assert [run.id for run in tracking.pareto_runs(_TWO)] == [second]

    def test_a_front_of_three_objectives(self, tracking: Tracking) -> None:
        """The same as trying every pair."""
        chance = random.Random("three")
        objectives = [("a", "minimize"), ("b", "maximize"), ("c", "minimize")]
        points: dict[str, tuple[int, int, int]] = {}
        with tracking.transaction():
            for _ in range(60):
                a, b, c = (chance.randrange(6) for _ in objectives)
                run = a_run(tracking, log=Log(samples=[Report("a", str(a)), Report("b", str(b)), Report("c", str(c))]))
                points[run] = (a, -b, c)
        best = {
            run
            for run, point in points.items()
            if not any(
                other != point and all(one <= two for one, two in zip(other, point, strict=True))
                for other in points.values()
            )
        }
        found = tracking.pareto_runs(objectives, parts=[])
        assert {run.id for run in found} == best
        assert [points[run.id] for run in found] == sorted(points[run.id] for run in found)

    def test_a_front_has_a_scope(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Other runs beat nobody: those of other projects and namespaces, and deleted ones."""
        here, there = a_project(tracking), a_project(tracking, "speech")
        mine = _measured(tracking, "3", "1", project_id=here)
        best = _measured(tracking, "2", "1", project_id=there)
        gone = _measured(tracking, "1", "1", project_id=there)
        _measured(trackings.tracking("team-b"), "0", "9")
        tracking.delete(Node(NodeKind.RUN, gone))
        scopes = [
            (RunScope(), best),
            (RunScope(project_ids=[here]), mine),
            (RunScope(project_ids=[there], lifecycle=Lifecycle.ALL), gone),
        ]
        assert [[run.id for run in tracking.pareto_runs(_TWO, scope=scope)] for scope, _ in scopes] == [
            [run] for _, run in scopes
        ]

    def test_objectives_that_are_none(self, tracking: Tracking) -> None:
        """A metric and a direction, each metric once."""
        for objectives in (
            [],
            [("loss", "less")],
            [*_TWO, ("loss", "maximize")],
            [(str(n), "minimize") for n in range(11)],
        ):
            with pytest.raises(InvalidInput, match="objectives"):
                tracking.pareto_runs(objectives)

    def test_runs_like_another(self, tracking: Tracking) -> None:
        """Numbers by their range, texts and missing ones as different, of the same experiment."""
        search = tracking.create_search("sweep").id
        given = {
            "it": {"lr": "0", "opt": "adam"},
            "twin": {"lr": "0.0", "opt": "adam"},
            "near": {"lr": "2.5", "opt": "adam"},
            "far": {"lr": "10", "opt": "adam"},
            "other": {"lr": "0", "opt": "sgd"},
            "less": {"opt": "adam"},
            "more": {"lr": "0", "opt": "adam", "extra": "1"},
            "nothing": {},
        }
        runs = {
            name: a_run(tracking, experiment_id=search, name=name, log=Log(parameters=parameters))
            for name, parameters in given.items()
        }
        a_run(tracking, log=Log(parameters=given["it"]))
        found = tracking.similar_runs(runs["it"], parts=[RunPart.PARAMETERS])
        assert [(run.name, distance) for run, distance in found] == [
            ("twin", 0.0),
            ("near", 0.125),
            ("more", pytest.approx(1 / 3)),
            ("far", 0.5),
            ("other", 0.5),
            ("less", 0.5),
            ("nothing", 1.0),
        ]
        assert found[1][0].parameters[0].number == 2.5
        assert [run.name for run, _ in tracking.similar_runs(runs["it"], limit=2)] == ["twin", "near"]

    def test_which_runs_are_looked_at(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """For a run of its own those of its project, or a scope."""
        project = a_project(tracking)
        log = Log(parameters={"lr": "1"})
        run, other = (a_run(tracking, project_id=project, log=log) for _ in range(2))
        elsewhere = a_run(tracking, log=log)
        stranger = a_run(trackings.tracking("team-b"), log=log)
        gone = a_run(tracking, project_id=project, log=log)
        tracking.delete(Node(NodeKind.RUN, gone))
        assert [found.id for found, _ in tracking.similar_runs(run)] == [other]
        assert {found.id for found, _ in tracking.similar_runs(run, scope=RunScope())} == {other, elsewhere}
        with pytest.raises(NotFound):
            tracking.similar_runs(stranger)
        for limit in (0, -1, 1_001):
            with pytest.raises(InvalidInput, match="limit"):
                tracking.similar_runs(run, limit=limit)

    def test_what_matters(self, tracking: Tracking) -> None:
        """The parameter that the metric follows comes first; all together make 1, and asked again they are the same."""
        chance = random.Random("importances")
        search = tracking.create_search("sweep", objective="loss", objective_type="minimize").id
        with tracking.transaction():
            for _ in range(40):
                rate, other, kind = chance.random(), chance.random(), chance.choice("ab")
                a_run(
                    tracking,
                    experiment_id=search,
                    state=TrialState.SUCCEEDED,
                    log=Log(
                        samples=[Report("loss", repr(10 * rate)), Report("time", repr(1.0 if kind == "a" else 9.0))],
                        parameters={"rate": repr(rate), "other": repr(other), "kind": kind, "fixed": "7"},
                    ),
                )
            a_run(tracking, experiment_id=search, log=Log(samples=[Report("loss", "1e300")]))
        found = tracking.importances(search)
        assert next(iter(found)) == "rate"
        assert found.keys() == {"rate", "other", "kind"}
        assert math.fsum(found.values()) == pytest.approx(1.0)
        assert found == tracking.importances(search, "loss")
        assert next(iter(tracking.importances(search, "time"))) == "kind"

    def test_nothing_matters_where_nothing_differs(self, tracking: Tracking) -> None:
        """A sentence says what is missing."""
        search = tracking.create_search("sweep").id
        with pytest.raises(InvalidInput, match="names no objective"):
            tracking.importances(search)
        with pytest.raises(InvalidInput, match="two finished trials"):
            tracking.importances(search, "loss")
        for rate in ("0.1", "0.1"):
            log = Log(
                samples=[Report("loss", "1"), Report("time", repr(tracking.count_runs()))], parameters={"r": rate}
            )
            a_run(tracking, experiment_id=search, state=TrialState.SUCCEEDED, log=log)
        with pytest.raises(InvalidInput, match="two finished trials with different values of 'loss'"):
            tracking.importances(search, "loss")
        with pytest.raises(InvalidInput, match="two different values"):
            tracking.importances(search, "time")
        with pytest.raises(NotFound):
            tracking.importances("0" * 32, "loss")
