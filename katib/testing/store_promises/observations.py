"""Observations: appended exactly once, kept as reported, and summarised by Katib's rules."""

from __future__ import annotations

import itertools
import math
import random
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import pytest

from katib.errors import Conflict, NotFound
from katib.store.protocol import Observed, Summary, TrialReport
from katib.testing.store_promises.base import Place, Promises
from katib.testing.store_promises.specimens import AWKWARD, EPOCH, Report, recorded, reports

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.store.protocol import Store

__all__ = ["ObservationPromises"]

NAME = "search-0000"

NUMBERS = {
    "0.1": 0.1,
    "0.10": 0.1,
    "1": 1.0,
    "1.0": 1.0,
    "-0.0": -0.0,
    "0.0": 0.0,
    "+5": 5.0,
    "1e-300": 1e-300,
    "1e-320": 1e-320,
    "5e-324": 5e-324,
    "1.7976931348623157e+308": 1.7976931348623157e308,
    "9223372036854775808": 2.0**63,
    "1e400": math.inf,
    "inf": math.inf,
    "-Infinity": -math.inf,
    "12345678901234567890": 12345678901234567890.0,
}
"""Reports that are numbers, and which."""

WORDS = ["unavailable", "", "genotype=[('a', 1)]", "0x10", "1,5", "1_000", AWKWARD, "x" * 100_000]


class ObservationPromises(Promises):
    """What ``append_observations``, ``collector_state``, ``series`` and ``summaries`` do."""

    @pytest.fixture
    def uid(self, store: Store) -> str:
        """Record an experiment with one trial."""
        return recorded(store, trials=1)

    def test_reports_of_several_trials_are_appended_as_those_of_one(self, store: Store) -> None:
        """With their summaries and the places of their collectors; nothing of them is there if one of them does not follow."""
        uid = recorded(store, trials=3)
        names = [record.name for record in store.trials(uid)]
        store.append_observations(uid, names[0], reports(3), first_sequence=0, checkpoint={"at": 3})
        store.append_reports(
            uid,
            [
                TrialReport(names[0], reports(5)[1:], 1),
                TrialReport(names[1], reports(2), 0, {"at": 2}),
            ],
        )
        for name, count, place in ((names[0], 5, {"at": 3}), (names[1], 2, {"at": 2})):
            assert [seen.text for seen in store.series(uid, name)] == [report.text for report in reports(count)]
            assert store.collector_state(uid, name) == (place, count)
        assert store.summaries_of(uid, names) == {name: store.summaries(uid, name) for name in names}
        assert store.summaries_of(uid, names)[names[2]] == {}
        with pytest.raises(Conflict, match="some are missing between"):
            store.append_reports(uid, [TrialReport(names[2], reports(1), 0), TrialReport(names[1], reports(1), 9)])
        assert store.series(uid, names[2]) == []
        with pytest.raises(NotFound):
            store.append_reports(uid, [TrialReport("nobody", reports(1), 0)])
        with pytest.raises(NotFound):
            store.summaries_of(uid, ["nobody"])

    def test_cleared_observations_are_gone_and_numbered_from_the_beginning(self, store: Store) -> None:
        """Those of the trial only; clearing what is not there is fine."""
        uid = recorded(store, trials=2)
        other = store.trials(uid)[1].name
        for name in (NAME, other):
            store.append_observations(
                uid, name, [Report("m", "1"), Report("n", "2")], first_sequence=0, checkpoint={"at": 9}
            )
        for _ in range(2):
            store.clear_observations(uid, NAME)
            assert store.series(uid, NAME) == []
            assert store.summaries(uid, NAME) == {}
            assert store.collector_state(uid, NAME) == (None, 0)
        assert len(store.series(uid, other)) == 2
        assert store.collector_state(uid, other) == ({"at": 9}, 2)
        store.append_observations(uid, NAME, [Report("m", "3")], first_sequence=0)
        assert store.summaries(uid, NAME)["m"].first == "3"
        with pytest.raises(NotFound):
            store.clear_observations(uid, "no-such-trial")

    @pytest.mark.parametrize("text", list(NUMBERS))
    def test_a_number_comes_back_as_reported(self, store: Store, uid: str, text: str) -> None:
        """Text and value, the sign of zero and the infinities included."""
        store.append_observations(uid, NAME, [Report("m", text)], first_sequence=0)
        (found,) = store.series(uid, NAME)
        assert found.text == text
        assert found.value is not None
        assert found.value == NUMBERS[text]
        assert math.copysign(1, found.value) == math.copysign(1, NUMBERS[text])

    def test_every_double_comes_back_exactly(self, store: Store, uid: str) -> None:
        """Of any size, with all its digits."""
        seeded = random.Random(5)
        numbers = [seeded.uniform(-1, 1) * 10.0 ** seeded.randint(-307, 307) for _ in range(500)]
        store.append_observations(uid, NAME, [Report("m", repr(number)) for number in numbers], first_sequence=0)
        found = store.series(uid, NAME)
        assert [item.value for item in found] == numbers
        assert [item.text for item in found] == [repr(number) for number in numbers]
        summary = store.summaries(uid, NAME)["m"]
        assert (summary.min, summary.max) == (repr(min(numbers)), repr(max(numbers)))

    @pytest.mark.parametrize("text", ["nan", "NaN", "-nan"])
    def test_nan_is_nan(self, store: Store, uid: str, text: str) -> None:
        """Neither null nor a word."""
        store.append_observations(uid, NAME, [Report("m", text)], first_sequence=0)
        (found,) = store.series(uid, NAME)
        assert found.text == text
        assert found.value is not None
        assert math.isnan(found.value)

    @pytest.mark.parametrize("text", WORDS, ids=list(range(len(WORDS))))
    def test_a_word_comes_back_as_reported(self, store: Store, uid: str, text: str) -> None:
        """It has no value, and is the latest report all the same."""
        store.append_observations(uid, NAME, [Report(AWKWARD, text)], first_sequence=0)
        assert store.series(uid, NAME) == [Observed(0, AWKWARD, text, None, None, None)]
        assert store.summaries(uid, NAME) == {AWKWARD: Summary(first=text, latest=text, min="", max="", count=1)}

    def test_metrics_differ_when_any_of_their_bytes_does(self, store: Store, uid: str) -> None:
        """In case, in blanks at the end, in how an accent is written, in what a database may have no place for, however long."""
        long = "m" * 10_000
        names = ["m", "M", "m ", " m", "m\t", "é", "e\u0301", "e", "ß", "ss", "", "\x00", "\x1a", "\x1a0", "\x1a\x1a"]
        names += ["🧪", "🧫", long, long + "1", long + "2"]
        samples = [Report(name, name) for name in names]
        store.append_observations(uid, NAME, samples, first_sequence=0)
        store.append_observations(uid, NAME, samples, first_sequence=len(names))
        assert list(store.summaries(uid, NAME)) == names
        assert [item.name for item in store.series(uid, NAME)] == names * 2
        for number, name in enumerate(names):
            assert [item.sequence for item in store.series(uid, NAME, name)] == [number, number + len(names)]
            assert store.summaries(uid, NAME)[name].latest == name

    def test_lone_surrogates_in_reports_come_back_escaped(self, store: Store, uid: str) -> None:
        """In names and in values, again and again; the name as given finds its series."""
        for sequence in range(2):
            store.append_observations(uid, NAME, [Report("m\udcff", "v\udcff")], first_sequence=sequence)
        found = store.series(uid, NAME, "m\udcff")
        assert [(item.name, item.text) for item in found] == 2 * [("m\\udcff", "v\\udcff")]

    def test_times_and_steps_come_back(self, store: Store, uid: str) -> None:
        """In UTC, to the microsecond; a step beyond 64 bits is no step anyone counted."""
        samples = [
            Report("m", "1", EPOCH, 0),
            Report("m", "2", EPOCH - timedelta(days=40_000, microseconds=1), -3),
            Report("m", "3", None, 2**63 - 1),
            Report("m", "4", None, 2**63),
        ]
        store.append_observations(uid, NAME, samples, first_sequence=0)
        found = store.series(uid, NAME)
        assert [item.time for item in found] == [sample.time for sample in samples]
        assert found[0].time is not None
        assert found[0].time.tzinfo is UTC
        assert [item.step for item in found] == [0, -3, 2**63 - 1, None]

    def test_repeating_a_call_is_safe(self, store: Store, uid: str) -> None:
        """Wholly and in part; summaries count a report once."""
        samples = reports(10)
        store.append_observations(uid, NAME, samples[:6], first_sequence=0)
        store.append_observations(uid, NAME, samples[:6], first_sequence=0)
        store.append_observations(uid, NAME, samples[3:8], first_sequence=3)
        store.append_observations(uid, NAME, samples[1:4], first_sequence=1)
        store.append_observations(uid, NAME, samples, first_sequence=0)
        found = store.series(uid, NAME)
        assert [item.sequence for item in found] == list(range(10))
        assert [item.text for item in found] == [sample.text for sample in samples]
        assert store.summaries(uid, NAME)["loss"].count == 10
        assert store.collector_state(uid, NAME) == (None, 10)

    def test_a_gap_is_refused(self, store: Store, uid: str) -> None:
        """Nothing of the call is kept, its checkpoint included."""
        with pytest.raises(Conflict):
            store.append_observations(uid, NAME, reports(1), first_sequence=1)
        store.append_observations(uid, NAME, reports(2), first_sequence=0, checkpoint={"at": 2})
        with pytest.raises(Conflict):
            store.append_observations(uid, NAME, reports(2), first_sequence=3, checkpoint={"at": 5})
        assert len(store.series(uid, NAME)) == 2
        assert store.collector_state(uid, NAME) == ({"at": 2}, 2)

    def test_the_checkpoint_goes_forward_only(self, store: Store, uid: str, place: Place) -> None:
        """It is the one after the last stored report; a call without one leaves it."""
        assert store.collector_state(uid, NAME) == (None, 0)
        store.append_observations(uid, NAME, [], first_sequence=0, checkpoint={"file": "λ", "at": 0})
        assert store.collector_state(uid, NAME) == ({"file": "λ", "at": 0}, 0)
        store.append_observations(uid, NAME, reports(4), first_sequence=0, checkpoint={"at": 4})
        store.append_observations(uid, NAME, reports(2), first_sequence=0, checkpoint={"at": 2})
        assert store.collector_state(uid, NAME) == ({"at": 4}, 4)
        store.append_observations(uid, NAME, reports(2), first_sequence=2, checkpoint={"at": 4, "again": True})
        store.append_observations(uid, NAME, reports(1), first_sequence=4)
        with self.opener(place) as other:
            assert other.collector_state(uid, NAME) == ({"at": 4, "again": True}, 5)

    def test_reports_of_an_unknown_trial_are_refused(self, store: Store, uid: str) -> None:
        """Reports of a stranger are not kept."""
        with pytest.raises(NotFound):
            store.append_observations(uid, "other", reports(1), first_sequence=0)
        with pytest.raises(NotFound):
            store.collector_state(uid, "other")
        with pytest.raises(NotFound):
            store.summaries(uid, "other")

    def test_series_are_in_the_order_of_reporting(self, store: Store, uid: str) -> None:
        """Of all metrics together and of each."""
        names = ["b", "a", "b", "c", "a", "b"]
        samples = [Report(name, str(number)) for number, name in enumerate(names)]
        store.append_observations(uid, NAME, samples, first_sequence=0)
        assert [(item.sequence, item.name) for item in store.series(uid, NAME)] == list(enumerate(names))
        assert [item.sequence for item in store.series(uid, NAME, "b")] == [0, 2, 5]
        assert store.series(uid, NAME, "none") == []

    @pytest.mark.parametrize("metric", [None, "a", "b"])
    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    def test_pages_of_series_join_without_gap(self, store: Store, uid: str, metric: str | None, limit: int) -> None:
        """Of one metric and of all."""
        samples = [Report("ab"[number % 3 == 1], str(number)) for number in range(11)]
        store.append_observations(uid, NAME, samples, first_sequence=0)
        seen: list[Observed] = []
        while page := store.series(uid, NAME, metric, after_sequence=seen[-1].sequence if seen else None, limit=limit):
            assert len(page) <= limit
            seen += page
        assert seen == store.series(uid, NAME, metric)
        assert len(seen) == {None: 11, "a": 7, "b": 4}[metric]

    def test_series_are_a_trials_own(self, store: Store) -> None:
        """Two trials, two experiments, one metric."""
        uid, other = recorded(store, trials=2), recorded(store, "other", trials=1)
        for owner, name, text in [(uid, NAME, "1"), (uid, "search-0001", "2"), (other, NAME, "3")]:
            store.append_observations(owner, name, [Report("m", text)], first_sequence=0)
        assert [item.text for item in store.series(uid, NAME)] == ["1"]
        assert [item.text for item in store.series(uid, "search-0001")] == ["2"]
        assert store.summaries(other, NAME)["m"].latest == "3"

    def test_many_metrics_in_one_call(self, store: Store, uid: str) -> None:
        """More than any limit on the parameters of a statement."""
        samples = [Report(f"metric/{number % 1700}", str(number)) for number in range(3400)]
        store.append_observations(uid, NAME, samples, first_sequence=0)
        assert [item.text for item in store.series(uid, NAME)] == [sample.text for sample in samples]
        summaries = store.summaries(uid, NAME)
        assert list(summaries) == [f"metric/{number}" for number in range(1700)]
        assert {summary.count for summary in summaries.values()} == {2}

    @pytest.mark.parametrize(
        ("texts", "expected"),
        [
            (["0.5", "0.20", "0.9"], Summary("0.5", "0.9", "0.20", "0.9", 3)),
            (["2", "10"], Summary("2", "10", "2", "10", 2)),
            (["nan", "1", "nan"], Summary("nan", "nan", "1", "1", 3)),
            (["nan", "unavailable"], Summary("nan", "unavailable", "", "", 2)),
            (["inf", "1", "-inf"], Summary("inf", "-inf", "-inf", "inf", 3)),
            (["1.0", "1", "1.00"], Summary("1.0", "1.00", "1.0", "1.0", 3)),
        ],
        ids=["as-reported", "as-numbers", "nan-is-no-extreme", "no-number", "infinities", "first-of-equals"],
    )
    def test_summaries(self, store: Store, uid: str, texts: list[str], expected: Summary) -> None:
        """The same in one call and in many."""
        self._append(store, uid, [Report("m", text) for text in texts], size=len(texts))
        assert store.summaries(uid, NAME) == {"m": expected}
        uid = recorded(store, "again", trials=1)
        self._append(store, uid, [Report("m", text) for text in texts], size=1)
        assert store.summaries(uid, NAME) == {"m": expected}

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
    def test_first_and_latest_go_by_time(self, store: Store, uid: str, order: tuple[int, ...]) -> None:
        """Whatever the order of arrival; a report without a time is older than any with one."""
        at = [None, EPOCH, EPOCH + timedelta(microseconds=1)]
        self._append(store, uid, [Report("m", str(number), at[number]) for number in order], size=1)
        summary = store.summaries(uid, NAME)["m"]
        assert (summary.first, summary.latest) == ("0", "2")

    def test_of_equal_times_the_order_of_reporting_decides(self, store: Store, uid: str) -> None:
        """Also of reports without any."""
        self._append(store, uid, [Report("m", text, EPOCH) for text in "123"], size=2)
        self._append(store, uid, [Report("n", text) for text in "123"], size=2, start=3)
        summaries = store.summaries(uid, NAME)
        assert (summaries["m"].first, summaries["m"].latest) == ("1", "3")
        assert (summaries["n"].first, summaries["n"].latest) == ("1", "3")

    def test_summaries_are_in_the_order_of_first_report(self, store: Store, uid: str) -> None:
        """Of calls long apart too; a trial without reports has none."""
        assert store.summaries(uid, NAME) == {}
        self._append(store, uid, [Report(name, "1") for name in "zabz"], size=1)
        assert list(store.summaries(uid, NAME)) == ["z", "a", "b"]

    @staticmethod
    def _append(store: Store, uid: str, samples: Sequence[Report], *, size: int, start: int = 0) -> None:
        for at in range(0, len(samples), size):
            store.append_observations(uid, NAME, samples[at : at + size], first_sequence=start + at)
