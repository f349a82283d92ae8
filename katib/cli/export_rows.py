"""Trials and their metrics as flat rows, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, Protocol

from katib.api.experiment import Observation
from katib.cli.age import exact_moment
from katib.cli.measures import Measures
from katib.engine.observe import observation_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import Store

__all__ = ["Writable", "columns", "series_columns", "series_rows", "trial_rows", "write_csv", "write_json"]

Row = dict[str, Any]


class Writable(Protocol):
    """Where text can be written to."""

    def write(self, text: str, /) -> object:
        """Write text."""


def columns(experiment: Experiment) -> list[str]:
    """Return the columns of ``trial_rows``: parameters and metrics are prefixed, so that none hides another."""
    parameters = [f"parameters.{parameter.name}" for parameter in experiment.spec.parameters or []]
    metrics = [
        f"metrics.{name}{part}" for name in Measures(experiment.spec).names for part in ("", ".min", ".max", ".latest")
    ]
    return ["trial", "index", "state", "reason", "created", "started", "finished", "seconds", *parameters, *metrics]


def trial_rows(store: Store, experiment: Experiment) -> Iterator[Row]:
    """Yield one row for each trial; values are the texts that were tried and reported."""
    uid = experiment.metadata.uid or ""
    measures = Measures(experiment.spec)
    for record in store.trials(uid):
        row: Row = {
            "trial": record.name,
            "index": record.index,
            "state": str(record.state),
            "reason": record.reason,
            "created": exact_moment(record.created),
            "started": exact_moment(record.started),
            "finished": exact_moment(record.finished),
            "seconds": (record.finished - record.started).total_seconds()
            if record.started is not None and record.finished is not None
            else None,
        }
        row.update({f"parameters.{name}": value for name, value in record.assignments})
        for metric in _observation(store, experiment, record).metrics:
            row[f"metrics.{metric.name}"] = measures.value(metric)
            row[f"metrics.{metric.name}.min"] = metric.min
            row[f"metrics.{metric.name}.max"] = metric.max
            row[f"metrics.{metric.name}.latest"] = metric.latest
        yield row


def _observation(store: Store, experiment: Experiment, record: TrialRecord) -> Observation:
    """Return what a trial measured; of one that runs, what it reported so far."""
    if record.observation is not None:
        return record.observation
    if record.started is None or not record.state.is_active:
        return Observation()
    return observation_from(store.summaries(experiment.metadata.uid or "", record.name), experiment.spec)


def series_columns() -> list[str]:
    """Return the columns of ``series_rows``."""
    return ["trial", "index", "metric", "sequence", "time", "step", "value"]


def series_rows(store: Store, experiment: Experiment) -> Iterator[Row]:
    """Yield one row for each report of each metric of each trial."""
    uid = experiment.metadata.uid or ""
    for record in store.trials(uid):
        for observed in store.series(uid, record.name):
            yield {
                "trial": record.name,
                "index": record.index,
                "metric": observed.name,
                "sequence": observed.sequence,
                "time": exact_moment(observed.time),
                "step": observed.step,
                "value": observed.text,
            }


def write_csv(file: Writable, heading: list[str], rows: Iterable[Row]) -> None:
    """Write rows as CSV (RFC 4180, with line feeds)."""
    writer = csv.DictWriter(file, heading, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_json(file: Writable, heading: list[str], rows: Iterable[Row]) -> None:
    """Write rows as a JSON array of objects, one to a line; absent values are left out."""
    del heading
    separator = "["
    for row in rows:
        file.write(separator + "\n" + json.dumps({key: value for key, value in row.items() if value is not None}))
        separator = ","
    file.write("[]\n" if separator == "[" else "\n]\n")
