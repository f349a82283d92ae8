"""A trial record as a row, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.api.experiment import Observation
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.engine.trial import TrialRecord
from katib.store.sql.documents import dump, dump_model, load, load_model
from katib.store.sql.schema import trials
from katib.store.sql.text import storable
from katib.store.sql.values import micros, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["COLUMNS", "row_of", "trial_records"]

COLUMNS = (
    trials.c.trial_index,
    trials.c.name,
    trials.c.state,
    trials.c.assignments,
    trials.c.created,
    trials.c.started,
    trials.c.finished,
    trials.c.observation,
    trials.c.reason,
    trials.c.message,
    trials.c.imported,
    trials.c.stopping,
    trials.c.attempt,
    trials.c.labels,
    trials.c.rules,
)
"""What ``trial_records`` reads, in this order."""

_STATES = {state.value: state for state in TrialState}  # a lookup is several times faster than the enum's constructor
_NO_LABELS = "{}"


def row_of(record: TrialRecord) -> dict[str, Any]:
    """Return the columns of a record, without those that say whose it is."""
    observation = record.observation
    return {
        "trial_index": record.index,
        "name": storable(record.name),
        "state": record.state.value,
        "assignments": dump(record.assignments),
        "created": micros(record.created),
        "began": micros(record.started or record.created),
        "started": None if record.started is None else micros(record.started),
        "finished": None if record.finished is None else micros(record.finished),
        "observation": None if observation is None else dump_model(observation),
        "reason": record.reason,
        "message": record.message,
        "imported": record.imported,
        "stopping": None if record.stopping is None else record.stopping.value,
        "attempt": record.attempt,
        "labels": dump(dict(record.labels)),
        "rules": dump([rule.model_dump(by_alias=True, exclude_none=True) for rule in record.rules])
        if record.rules
        else None,
    }


def trial_records(rows: Iterable[Sequence[Any]]) -> list[TrialRecord]:
    """Return the records of rows of ``COLUMNS``."""
    return [
        TrialRecord(
            index=index,
            name=name,
            state=_STATES[state],
            assignments=tuple([(parameter, value) for parameter, value in load(assignments)]),
            created=moment(created),
            started=None if started is None else moment(started),
            finished=None if finished is None else moment(finished),
            observation=None if observation is None else load_model(Observation, observation, name),
            reason=reason,
            message=message,
            imported=imported,
            stopping=None if stopping is None else _STATES[stopping],
            attempt=attempt,
            labels={} if labels == _NO_LABELS else load(labels),
            rules=_rules(rules, name) if rules else (),
        )
        for (
            index,
            name,
            state,
            assignments,
            created,
            started,
            finished,
            observation,
            reason,
            message,
            imported,
            stopping,
            attempt,
            labels,
            rules,
        ) in rows
    ]


def _rules(text: str, of: str) -> tuple[EarlyStoppingRule, ...]:
    return tuple([load_model(EarlyStoppingRule, dump(rule), of) for rule in load(text)])
