"""Comparison: what several runs have in common, and what not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from katib.errors import InvalidInput, NotFound
from katib.store.tracking.records import Comparison, Facts, Log
from katib.testing.store_promises.specimens import Report
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_project, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking

__all__ = ["ComparisonPromises"]


class ComparisonPromises(TrackingPromises):
    """What ``compare`` does."""

    def test_two_runs_are_compared(self, tracking: Tracking) -> None:
        """In everything that was said of them."""
        project = a_project(tracking)
        one, two = (
            tracking.add_dataset_version(project, "mnist", digest, uri=f"s3://{digest}") for digest in ("d1", "d2")
        )
        first = a_run(
            tracking,
            project_id=project,
            log=Log(
                samples=[Report("loss", "0.5", step=0), Report("loss", "0.25", step=1), Report("state", "good")],
                parameters={"lr": "0.1", "layers": "3"},
                facts=Facts({"team": "a", "kind": "x"}, {"notes": {"a": [1]}, "seen": None}),
            ),
        )
        second = a_run(
            tracking,
            project_id=project,
            log=Log(
                samples=[Report("loss", "0.250", step=7), Report("time", "3")],
                parameters={"lr": "1e-1", "layers": "4"},
                facts=Facts({"team": "a", "kind": "y"}, {"notes": {"a": [1]}, "seen": True}),
            ),
        )
        for run, version in ((first, one), (second, two)):
            tracking.use_dataset(run, one.id, role="training")
            tracking.use_dataset(run, version.id, role="validation")
        environment = {"image": "python:3.11", "resources": {"cpu": 2, "memory": "1Gi"}}
        tracking.update_run(first, code={"revision": "abc", "dirty": True}, environment=environment)
        tracking.update_run(second, code={"revision": "abd", "dirty": True}, environment=environment)
        assert tracking.compare([first, second]) == Comparison(
            run_ids=(first, second),
            equal={
                "state": "Running",
                "params.lr": "0.1",
                "metrics.loss": 0.25,
                "tags.team": "a",
                "properties.notes": {"a": [1]},
                "datasets.training": ["mnist@d1"],
                "code.dirty": True,
                "environment.image": "python:3.11",
                "environment.resources.cpu": 2,
                "environment.resources.memory": "1Gi",
            },
            different={
                "params.layers": ("3", "4"),
                "metrics.state": ("good", None),
                "metrics.time": (None, 3.0),
                "tags.kind": ("x", "y"),
                "properties.seen": (None, True),
                "datasets.validation": (["mnist@d1"], ["mnist@d2"]),
                "code.revision": ("abc", "abd"),
            },
        )

    def test_how_many_runs_are_compared(self, tracking: Tracking) -> None:
        """From two to 100, in the order asked for."""
        with tracking.transaction():
            runs = [a_run(tracking, log=Log(parameters={"number": str(number)})) for number in range(101)]
        found = tracking.compare(runs[:0:-1])
        assert found.run_ids == tuple(runs[:0:-1])
        assert found.different == {"params.number": tuple(map(str, range(100, 0, -1)))}
        for some in ([], runs[:1], runs):
            with pytest.raises(InvalidInput, match="2 to 100"):
                tracking.compare(some)

    def test_runs_that_are_not_there_are_not_compared(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Nor those of another namespace."""
        run = a_run(tracking)
        for stranger in ("0" * 32, a_run(trackings.tracking("team-b"))):
            with pytest.raises(NotFound, match=stranger):
                tracking.compare([run, stranger])
