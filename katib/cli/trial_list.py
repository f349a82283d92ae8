"""Prints trials of one experiment as a table."""

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

__all__ = ["latest_reports", "print_trials"]


def latest_reports(store: Store, uid: str, record: TrialRecord) -> dict[str, str]:
    """Return what a running trial reported last; nothing for one that has ended, whose observation says it."""
    if not record.state.is_active or record.started is None:
        return {}
    return {name: summary.latest for name, summary in store.summaries(uid, record.name).items()}


def print_trials(store: Store, experiment: Experiment, records: Sequence[TrialRecord], *, wide: bool) -> None:
    """Print a table, or say that there is nothing."""
    if not records:
        note(f"no trials in experiment {experiment.metadata.name}")
        return
    table, at, uid = TrialTable(experiment, wide=wide), now(), experiment.metadata.uid or ""
    rows = [table.row(record, at, latest=latest_reports(store, uid, record)) for record in records]
    say_table(table.heading, rows)
