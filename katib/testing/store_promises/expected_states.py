"""Changes that are made only from the states the caller expects, so that of several who want the same one wins."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from katib.api.trial import TrialState
from katib.errors import Conflict, NotFound
from katib.store.tracking.records import ExperimentKind, Facts, Log, NewRun, NodeKind
from katib.testing.store_promises.specimens import Report
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking

__all__ = ["ExpectedStatePromises"]

_WAITING = [TrialState.CREATED]


class ExpectedStatePromises(TrackingPromises):
    """What ``update_run`` does with ``expected`` and ``log``, and ``id_of`` and ``series_of_runs``, which go with them."""

    def test_a_state_that_is_not_expected_changes_nothing(self, tracking: Tracking) -> None:
        """Neither the run nor what would be logged."""
        run = a_run(tracking, state=TrialState.RUNNING)
        before, audited = tracking.run(run), tracking.audit()
        log = Log(parameters={"x": "1"}, samples=[Report("loss", "1")], facts=Facts({"a": "b"}, {"c": 1}))
        for expected in (_WAITING, [], [TrialState.SUCCEEDED, TrialState.FAILED]):
            with pytest.raises(Conflict, match="Running"):
                tracking.update_run(run, state=TrialState.FAILED, log=log, expected=expected)
        assert tracking.run(run) == before
        assert tracking.audit() == audited

    def test_a_change_of_state_and_a_log_are_one(self, tracking: Tracking) -> None:
        """A log that is refused leaves the state as it was."""
        run = a_run(tracking, state=TrialState.CREATED, log=Log(parameters={"x": "1"}))
        with pytest.raises(Conflict):
            tracking.update_run(run, state=TrialState.RUNNING, log=Log(parameters={"x": "2"}), expected=_WAITING)
        assert tracking.run(run).state is TrialState.CREATED
        log = Log(parameters={"y": "2"}, samples=[Report("loss", "0.5")], facts=Facts(properties={"p": [1]}))
        changed = tracking.update_run(run, state=TrialState.RUNNING, log=log, expected=_WAITING)
        assert changed == tracking.run(run)
        assert changed.state is TrialState.RUNNING
        assert {parameter.name: parameter.text for parameter in changed.parameters} == {"x": "1", "y": "2"}
        assert [metric.latest for metric in changed.metrics] == ["0.5"]
        assert changed.facts.properties == {"p": [1]}

    def test_one_of_many_leaves_a_state(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Whoever comes second is told."""
        run = a_run(tracking, state=TrialState.CREATED)
        won: list[int] = []

        def claim(number: int) -> None:
            try:
                trackings.tracking("team-a").update_run(run, state=TrialState.RUNNING, expected=_WAITING)
            except Conflict:
                return
            won.append(number)

        threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert tracking.run(run).state is TrialState.RUNNING

    def test_a_change_is_seen_by_who_watches_the_experiment(self, tracking: Tracking) -> None:
        """Also one that only logs."""
        search = tracking.create_search("study", kind=ExperimentKind.OPTUNA)
        run = tracking.create_run(NewRun(experiment_id=search.id))
        changed = tracking.update_run(run.id, log=Log(samples=[Report("loss", "1")]), parts=())
        assert changed.change > run.change
        assert changed.metrics == ()

    def test_serial_numbers_lead_to_ids(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """In the namespace that has them."""
        search = tracking.create_search("study")
        first = tracking.create_run(NewRun(experiment_id=search.id))
        second = tracking.create_run(NewRun(experiment_id=search.id))
        assert first.serial < second.serial
        assert tracking.id_of(NodeKind.RUN, first.serial) == first.id
        assert tracking.id_of(NodeKind.EXPERIMENT, search.serial) == search.id
        for namespace, serial in (
            ("team-b", first.serial),
            ("team-a", second.serial + 1),
            ("team-a", 0),
            ("team-a", 2**70),
        ):
            with pytest.raises(NotFound):
                trackings.tracking(namespace).id_of(NodeKind.RUN, serial)

    def test_series_of_several_runs_come_back_together(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Each as ``series`` has it; those of another namespace are absent."""
        runs = [a_run(tracking) for _ in range(3)]
        for index, run in enumerate(runs[:2]):
            tracking.log(run, Log(samples=[Report("loss", text, step=index) for text in ("0.5", "nan", "word")]))
            tracking.log(run, Log(samples=[Report("other", "1")]))
        found = tracking.series_of_runs([*runs, "nobody"], "loss")
        assert repr(found) == repr({run: tracking.series(run, "loss") for run in runs[:2]})
        assert tracking.series_of_runs(runs, "never") == {}
        assert trackings.tracking("team-b").series_of_runs(runs, "loss") == {}
