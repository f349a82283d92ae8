"""Adds reports of any number of trials to their series and folds them into the summaries. Functions run in the caller's transaction."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from katib.store.sql.keys import metric_keys
from katib.store.sql.row_inserts import RowInsert
from katib.store.sql.schema import observations
from katib.store.sql.summary_rows import read_folds, write_folds
from katib.store.sql.text import storable
from katib.store.sql.values import micros, pack, stored_step
from katib.store.summary import Fold, reported_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from katib.store.protocol import Reported

__all__ = ["Row", "append_rows", "as_rows"]

_INSERT = RowInsert(observations)


class Row(NamedTuple):
    """One report as the database holds it.

    Attributes:
        metric: The key of the metric.
        text: As reported.
        time: Microseconds since 1970.
        step: Of training.
    """

    metric: int
    text: str
    time: int | None
    step: int | None = None


def as_rows(connection: Connection, groups: Iterable[Sequence[Reported]]) -> list[list[Row]]:
    """Return groups of reports as rows, giving keys to metrics seen for the first time."""
    given = [[(storable(sample.name), sample) for sample in group] for group in groups]
    keys = metric_keys(connection, {name for group in given for name, _ in group})
    return [
        [
            Row(
                keys[name],
                storable(sample.text),
                None if sample.time is None else micros(sample.time),
                stored_step(sample.step),
            )
            for name, sample in group
        ]
        for group in given
    ]


def append_rows(
    connection: Connection, batches: Mapping[int, tuple[int, Sequence[Row]]], *, new: Collection[int] = ()
) -> None:
    """Append rows to the series of trials.

    Args:
        batches: By the trial's key, the number of its first row and the rows.
        new: The trials without a row of ``collectors``: nothing was reported of them before.
    """
    told_before = {(trial, row.metric) for trial, (_, rows) in batches.items() if trial not in new for row in rows}
    folds = read_folds(connection, told_before) if told_before else {}
    first_sequences: dict[tuple[int, int], int] = {}
    inserted: list[dict[str, Any]] = []
    for trial, (first_sequence, rows) in batches.items():
        for sequence, (metric, text, time, step) in enumerate(rows, first_sequence):
            number = reported_number(text)
            fold = folds.get((trial, metric))
            if fold is None:
                fold = folds[trial, metric] = Fold()
                first_sequences[trial, metric] = sequence
            fold.add(text, number, time, step)
            value, kind = pack(number)
            inserted.append(
                {
                    "trial_id": trial,
                    "metric_id": metric,
                    "sequence": sequence,
                    "value": value,
                    "kind": kind,
                    "text": None if _says_all(number, text) else text,
                    "time": time,
                    "step": step,
                }
            )
    if inserted:
        _INSERT.execute(connection, inserted)
        write_folds(connection, folds, first_sequences)


def _says_all(number: float | None, text: str) -> bool:
    """Whether the stored number gives the text back (SQLite stores -0.0 as 0.0, MySQL has no subnormal numbers)."""
    if number is None or repr(number) != text:
        return False
    return math.copysign(1, number) > 0 if number == 0 else abs(number) >= sys.float_info.min
