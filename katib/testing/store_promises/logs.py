"""Logs of trials by name: each report once, in the series of the trial it is about, and back as it was reported."""

from __future__ import annotations

import math
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from katib.store.observation_logs import Logged, Receipt
from katib.store.observation_logs import Report as LogReport
from katib.testing.store_promises.base import Place, Promises
from katib.testing.store_promises.specimens import AWKWARD, Report, an_experiment, recorded, reports, trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.store.observation_logs import LoggingStore

__all__ = ["LogPromises"]

KNOWN = "search-0000"
UNKNOWN = "nobodys-trial"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VALUES = [
    "unavailable",
    "NaN",
    "nan",
    "inf",
    "-inf",
    "1e-300",
    "9223372036854775808",
    "0.10",
    "-0.0",
    "1e400",
    "",
    AWKWARD,
]


def row(text: str, seconds: float | None = 0, name: str = "loss") -> Report:
    """Return a value reported so many seconds after noon."""
    return Report(name, text, None if seconds is None else NOON + timedelta(seconds=seconds))


def logged(*rows: Report) -> list[Logged]:
    """Return the rows as a log has them."""
    return [Logged(each.name, each.text, each.time) for each in rows]


class LogPromises(Promises):
    """What ``report``, ``log``, ``delete_log`` and ``check`` do."""

    @pytest.fixture
    def logs(self, place: Place) -> Iterator[LoggingStore]:
        """Open a new store with an experiment of two trials."""
        with self.opener(place) as store:
            recorded(store, trials=2)
            yield cast("LoggingStore", store)

    @pytest.mark.parametrize("name", [KNOWN, UNKNOWN])
    def test_a_log_is_what_was_reported_by_time_and_arrival(self, logs: LoggingStore, name: str) -> None:
        """Without a time is before every time; equal times stay in order, across metrics."""
        rows = [row("3", 2), row("1", None), row("2", 0), row("a", 2, "acc"), row("0", None, "acc"), row("4", 2)]
        assert logs.report([LogReport(name, rows)]) == [Receipt(6, 0)]
        logs.report([LogReport(name, [row("5", 2), row("6", None)])])
        assert logs.log(name) == logged(
            row("1", None),
            row("0", None, "acc"),
            row("6", None),
            row("2", 0),
            row("3", 2),
            row("a", 2, "acc"),
            row("4", 2),
            row("5", 2),
        )
        assert logs.log(name, "acc") == logged(row("0", None, "acc"), row("a", 2, "acc"))
        assert logs.log(name, "none") == []

    @pytest.mark.parametrize("name", [KNOWN, UNKNOWN])
    def test_a_log_between_two_times_has_both_ends(self, logs: LoggingStore, name: str) -> None:
        """A row without a time has the least one there is."""
        rows = [row("none", None), *(row(str(second), second) for second in range(5))]
        logs.report([LogReport(name, rows)])

        def texts(start: datetime | None = None, end: datetime | None = None) -> list[str]:
            return [found.text for found in logs.log(name, start=start, end=end)]

        assert texts(NOON + timedelta(seconds=1), NOON + timedelta(seconds=3)) == ["1", "2", "3"]
        assert texts(start=NOON + timedelta(seconds=3.000001)) == ["4"]
        assert texts(end=NOON) == ["none", "0"]
        assert texts(start=datetime.min.replace(tzinfo=UTC), end=datetime.min.replace(tzinfo=UTC)) == ["none"]
        assert texts(start=datetime.max.replace(tzinfo=UTC)) == []
        assert len(logs.log(name, limit=2)) == 2

    @pytest.mark.parametrize("name", [KNOWN, UNKNOWN])
    def test_values_come_back_as_the_text_they_were(self, logs: LoggingStore, name: str) -> None:
        """Numbers that no database has, words, and what breaks careless quoting."""
        logs.report([LogReport(name, [row(text, number) for number, text in enumerate(VALUES)])])
        assert [found.text for found in logs.log(name)] == VALUES
        assert logs.report([LogReport(name, [row(text, number) for number, text in enumerate(VALUES)])]) == [
            Receipt(0, len(VALUES))
        ]

    @pytest.mark.parametrize("name", [KNOWN, UNKNOWN])
    def test_a_report_that_comes_again_changes_nothing(self, logs: LoggingStore, name: str) -> None:
        """Equal rows of one report are all kept; a part of it that comes again, or together with it, adds nothing."""
        rows = [row("1"), row("1"), row("1", None), row("1", None), row("1.0"), row("1", 0, "acc"), row("1", 1)]
        whole = LogReport(name, rows)
        assert logs.report([whole, whole]) == [Receipt(7, 0), Receipt(0, 7)]
        assert logs.report([whole, LogReport(name, rows[:3]), LogReport(name, [])]) == [
            Receipt(0, 7),
            Receipt(0, 3),
            Receipt(0, 0),
        ]
        assert logs.report([LogReport(name, [*rows, row("1")])]) == [Receipt(1, 7)]
        assert Counter(found.text for found in logs.log(name)) == {"1": 7, "1.0": 1}

    def test_what_is_reported_of_a_known_trial_is_in_its_series_and_summaries(self, logs: LoggingStore) -> None:
        """With Katib's rules for the latest one."""
        uid = logs.experiments()[0].uid
        logs.report([LogReport(KNOWN, [row("3", 5), row("1", 1), row("2", 5), row("9", None)])])
        assert [(found.sequence, found.text) for found in logs.series(uid, KNOWN)] == list(enumerate("3129"))
        summary = logs.summaries(uid, KNOWN)["loss"]
        assert (summary.min, summary.max, summary.latest, summary.first, summary.count) == ("1", "9", "2", "9", 4)
        assert logs.series(uid, "search-0001") == []

    def test_a_collector_and_reports_do_not_disturb_each_other(self, logs: LoggingStore) -> None:
        """The collector's numbers are its own, whatever else is reported, and also after the log was deleted."""
        uid = logs.experiments()[0].uid
        given = reports(6)
        logs.report([LogReport(KNOWN, [row("before")])])
        assert logs.collector_state(uid, KNOWN) == (None, 0)
        logs.append_observations(uid, KNOWN, given[:2], first_sequence=0, checkpoint={"at": 2})
        logs.report([LogReport(KNOWN, [row("between")])])
        assert logs.collector_state(uid, KNOWN) == ({"at": 2}, 2)
        logs.append_observations(uid, KNOWN, given[:4], first_sequence=0, checkpoint={"at": 4})
        texts = ["before", *(each.text for each in given[:2]), "between", *(each.text for each in given[2:4])]
        assert [found.text for found in logs.series(uid, KNOWN)] == texts
        assert [found.sequence for found in logs.series(uid, KNOWN)] == list(range(6))
        logs.delete_log(KNOWN)
        assert logs.log(KNOWN) == []
        assert logs.summaries(uid, KNOWN) == {}
        assert logs.collector_state(uid, KNOWN) == ({"at": 4}, 4)
        logs.append_observations(uid, KNOWN, given[4:], first_sequence=4, checkpoint={"at": 6})
        assert [(found.sequence, found.text) for found in logs.series(uid, KNOWN, limit=5)] == [
            (0, given[4].text),
            (1, given[5].text),
        ]

    def test_a_collector_that_was_first_keeps_its_place(self, logs: LoggingStore) -> None:
        """Also when all its reports are from before the store knew others."""
        uid = logs.experiments()[0].uid
        logs.append_observations(uid, KNOWN, reports(3), first_sequence=0, checkpoint={"at": 3})
        logs.report([LogReport(KNOWN, [row("x")])])
        assert logs.collector_state(uid, KNOWN) == ({"at": 3}, 3)
        logs.delete_log(KNOWN)
        assert logs.collector_state(uid, KNOWN) == ({"at": 3}, 3)

    def test_a_trial_that_becomes_known_has_what_was_reported_before(self, logs: LoggingStore) -> None:
        """Whether its experiment records it, or another report comes."""
        uid = logs.experiments()[0].uid
        early = "search-0002"
        logs.report([LogReport(early, [row("1"), row("2", None), row("1")])])
        logs.record_trials(uid, [trial(2)])
        assert [found.text for found in logs.series(uid, early)] == ["1", "2", "1"]
        assert logs.summaries(uid, early)["loss"].count == 3
        assert logs.report([LogReport(early, [row("1"), row("3")])]) == [Receipt(1, 1)]
        assert [found.text for found in logs.log(early)] == ["2", "1", "1", "3"]
        logs.delete_experiment(uid)
        assert logs.log(early) == []

    def test_a_name_in_several_namespaces(self, logs: LoggingStore) -> None:
        """The namespace that was named, else the most recent trial, and it is told that there was a choice."""
        uids = {}
        for number, namespace in enumerate(("a", "b"), 1):
            uids[namespace] = str(logs.create_experiment(an_experiment("search", namespace)).metadata.uid)
            later = trial(0).created + timedelta(days=number)
            logs.record_trials(uids[namespace], [trial(0, created=later)])
        assert logs.report([LogReport(KNOWN, [row("in b")])]) == [Receipt(1, 0, ("b", "a", "default"))]
        assert logs.report([LogReport(KNOWN, [row("in a")], "a")]) == [Receipt(1, 0)]
        assert logs.report([LogReport(KNOWN, [row("in c")], "c")]) == [Receipt(1, 0)]
        for namespace, uid in uids.items():
            assert [found.text for found in logs.series(uid, KNOWN)] == [f"in {namespace}"]
        for namespace in "abc":
            assert [found.text for found in logs.log(KNOWN, namespace=namespace)] == [f"in {namespace}"]
        assert [found.text for found in logs.log(KNOWN)] == ["in b"]
        logs.delete_log(KNOWN, namespace="a")
        assert logs.log(KNOWN, namespace="a") == []
        assert [found.text for found in logs.log(KNOWN, namespace="c")] == ["in c"]

    def test_trials_of_nobody_in_several_namespaces(self, logs: LoggingStore) -> None:
        """A report that names no namespace may be meant for any of them, and one that does for its own."""
        logs.report([LogReport(UNKNOWN, [row("in a")], "a"), LogReport(UNKNOWN, [row("in b")], "b")])
        assert [found.text for found in logs.log(UNKNOWN, namespace="a")] == ["in a"]
        assert logs.report([LogReport(UNKNOWN, [row("somewhere")])]) == [Receipt(1, 0, ("b", "a"))]
        assert [found.text for found in logs.log(UNKNOWN, namespace="b")] == ["in b", "somewhere"]
        assert logs.log(UNKNOWN, namespace="c") == []

    def test_what_nobody_knows_is_no_fault(self, logs: LoggingStore) -> None:
        """Neither to read nor to delete."""
        assert logs.log("no-such-trial") == []
        logs.delete_log("no-such-trial")
        assert logs.report([]) == []
        logs.check()

    def test_a_deleted_log_begins_again(self, logs: LoggingStore) -> None:
        """Of a trial that nobody has."""
        logs.report([LogReport(UNKNOWN, [row("1")])])
        logs.delete_log(UNKNOWN)
        assert logs.log(UNKNOWN) == []
        assert logs.report([LogReport(UNKNOWN, [row("1")])]) == [Receipt(1, 0)]

    def test_awkward_names(self, logs: LoggingStore) -> None:
        """Lone surrogates come back escaped; names that differ in a byte are different ones."""
        names = ["a", "A", "a ", "ä", AWKWARD, "x\udcff"]
        logs.report([LogReport(name, [row(f"{number}", name=name)], "n\udcff") for number, name in enumerate(names)])
        for number, name in enumerate(names):
            (found,) = logs.log(name, name, namespace="n\udcff")
            assert (found.text, found.metric) == (str(number), name.replace("\udcff", "\\udcff"))

    def test_many_reports_in_one_change(self, logs: LoggingStore) -> None:
        """More than a statement takes parameters."""
        many = [LogReport(f"t-{number % 700}", [row(str(number), number)]) for number in range(1_400)]
        assert logs.report(many) == [Receipt(1, 0)] * 1_400
        assert logs.report(many) == [Receipt(0, 1)] * 1_400
        assert [found.text for found in logs.log("t-699")] == ["699", "1399"]

    def test_reporters_at_once(self, logs: LoggingStore, place: Place) -> None:
        """Threads and a second opening of the store; every report comes twice, in any order, and is there once."""
        uid = logs.experiments()[0].uid
        names = [KNOWN, UNKNOWN, "search-0001", "another"]
        wanted = [(name, number) for name in names for number in range(15)]
        doubled = wanted * 2
        random.Random(5).shuffle(doubled)
        with self.opener(place) as other:
            stores = (logs, cast("LoggingStore", other))

            def send(at: int) -> int:
                name, number = doubled[at]
                given = LogReport(name, [row(str(number), number), row(repr(math.sqrt(number)), number, "acc")])
                (receipt,) = stores[at % 2].report([given])
                return receipt.stored

            with ThreadPoolExecutor(8) as threads:
                stored = list(threads.map(send, range(len(doubled))))
        assert sum(stored) == 2 * len(wanted)
        for name in names:
            assert [found.text for found in logs.log(name, "loss")] == [str(number) for number in range(15)]
        assert [found.sequence for found in logs.series(uid, KNOWN)] == list(range(30))
        assert logs.summaries(uid, KNOWN)["loss"].count == 15

    def test_numbered_samples_are_stored_once_by_their_numbers(self, logs: LoggingStore) -> None:
        """What they say does not matter: equal ones are kept, and a number that is there is left alone."""
        given = [row("1", None), row("1", None), row("2")]
        assert logs.report([_numbered(given)]) == [Receipt(3, 0, following=3)]
        assert logs.report([_numbered(given)]) == [Receipt(0, 3, following=3)]
        assert logs.report([_numbered([row("9"), row("3")], first=2)]) == [Receipt(1, 1, following=4)]
        assert logs.report([_numbered([], first=50)]) == [Receipt(0, 0, following=4)]
        assert [each.text for each in logs.log(KNOWN)] == ["1", "1", "2", "3"]

    def test_samples_that_the_store_has_lost_are_not_waited_for(self, logs: LoggingStore) -> None:
        """As after a restore from a copy."""
        assert logs.report([_numbered([row("5")], first=5)]) == [Receipt(1, 0, following=6)]
        assert [each.text for each in logs.log(KNOWN)] == ["5"]

    def test_every_source_numbers_for_itself_also_in_one_change(self, logs: LoggingStore) -> None:
        """Pods of one trial, and reports of one pod that came together, each in its order, beside reports without numbers."""
        receipts = logs.report(
            [
                _numbered([row("a0", 0)], source="a"),
                _numbered([row("b0", 1), row("b1", 2)], source="b"),
                LogReport(KNOWN, [row("plain", 3)]),
                _numbered([row("again", 0), row("a1", 4)], source="a"),
            ]
        )
        assert [receipt.stored for receipt in receipts] == [1, 2, 1, 1]
        assert [receipt.following for receipt in receipts] == [2, 2, None, 2]
        assert [each.text for each in logs.log(KNOWN)] == ["a0", "b0", "b1", "plain", "a1"]

    def test_numbered_samples_of_a_trial_that_nobody_has_are_for_later(self, logs: LoggingStore) -> None:
        """Nothing of them is kept, so nobody else can take the name."""
        assert logs.report([_numbered([row("1")], trial_name=UNKNOWN)]) == [Receipt(0, 0)]
        assert logs.log(UNKNOWN) == []


def _numbered(samples: list[Report], *, trial_name: str = KNOWN, source: str = "pod", first: int = 0) -> LogReport:
    return LogReport(trial_name, samples, source=source, first_sequence=first)
