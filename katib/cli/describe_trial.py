"""``katib describe trial NAME``: what it tried, what it measured, how it ended and the last it printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.cli.age import age, duration, moment, now
from katib.cli.describe_text import condition_section, event_section, fields, section
from katib.cli.measures import Measures
from katib.cli.run_summary import command_of
from katib.cli.trial_table import state_of_trial
from katib.engine.trial_document import trial_resource

if TYPE_CHECKING:
    from datetime import datetime

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.local.home import Home
    from katib.store.protocol import Store, Summary

__all__ = ["trial_lines"]


def trial_lines(home: Home, store: Store, experiment: Experiment, record: TrialRecord) -> list[str]:
    """Return the description of a trial."""
    at, uid = now(), experiment.metadata.uid or ""
    summaries = store.summaries(uid, record.name)
    lines = fields(_facts(home, experiment, record, at))
    lines += ["", *section("Parameters", ["NAME", "VALUE"], [list(pair) for pair in record.assignments])]
    measured = _metrics(experiment, record, summaries)
    lines += (
        ["", *(section("Metrics", ["NAME", "VALUE", "MIN", "MAX", "LATEST", "REPORTS"], measured))] if measured else []
    )
    conditions = trial_resource(record, experiment).status
    lines += ["", *condition_section(conditions.conditions, at)] if conditions else []
    return [*lines, "", *event_section(store.events(uid, record.name), at)]


def _facts(home: Home, experiment: Experiment, record: TrialRecord, at: datetime) -> list[tuple[str, object]]:
    metadata, uid = experiment.metadata, experiment.metadata.uid or ""
    took = (record.finished or at) - record.started if record.started else None
    output = home.output(uid, record.name)
    return [
        ("Name", record.name),
        ("Experiment", metadata.name),
        ("Namespace", metadata.namespace),
        ("Index", record.index),
        ("Status", state_of_trial(record)),
        ("Reason", record.reason),
        ("Message", record.message),
        ("Attempt", record.attempt if record.attempt > 1 else ""),
        ("Created", f"{moment(record.created)} ({age(record.created, at)} ago)"),
        ("Started", moment(record.started)),
        ("Finished", moment(record.finished)),
        ("Time", duration(took) if took is not None else ""),
        ("Labels", " ".join(f"{key}={value}" for key, value in record.labels.items())),
        ("Output", f"{output} ({command_of('logs', record.name, metadata.namespace)})" if output.exists() else ""),
    ]


def _metrics(experiment: Experiment, record: TrialRecord, summaries: dict[str, Summary]) -> list[list[str]]:
    """Return every metric that was reported, those of the experiment first."""
    measures = Measures(experiment.spec)
    counted = measures.values(record.observation)
    names = [*dict.fromkeys([*measures.names, *summaries, *counted])]
    return [
        [
            name,
            counted.get(name) or (summaries[name].latest if name in summaries else ""),
            *(
                [summary.min, summary.max, summary.latest, str(summary.count)]
                if (summary := summaries.get(name)) is not None
                else ["", "", counted.get(name, ""), ""]
            ),
        ]
        for name in names
        if name in summaries or name in counted
    ]
