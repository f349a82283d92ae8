"""Trials of one experiment as rows of a table, with what running ones reported so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.cli.age import now
from katib.cli.printing import note, say_table
from katib.cli.trial_table import TrialTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import Store

__all__ = ["latest_reports", "print_trials", "trial_rows"]


def latest_reports(store: Store, uid: str, record: TrialRecord) -> dict[str, str]:
    """Return what a running trial reported last; nothing for one that has ended, whose observation says it."""
    if not record.state.is_active or record.started is None:
        return {}
    return {name: summary.latest for name, summary in store.summaries(uid, record.name).items()}


def trial_rows(
    store: Store, experiment: Experiment, records: Sequence[TrialRecord], table: TrialTable
) -> list[list[str]]:
    """Return the cells of each trial."""
    at, uid = now(), experiment.metadata.uid or ""
    return [table.row(record, at, latest=latest_reports(store, uid, record)) for record in records]


def print_trials(store: Store, experiment: Experiment, records: Sequence[TrialRecord], *, wide: bool) -> None:
    """Print a table, or say that there is nothing."""
    if not records:
        note(f"no trials in experiment {experiment.metadata.name}")
        return
    table = TrialTable(experiment, wide=wide)
    say_table(table.heading, trial_rows(store, experiment, records, table))
