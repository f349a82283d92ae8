"""The Trials of an experiment: made, found again, and followed though others edit them.

A Trial is followed by its marks: its owner, its labels and the annotation with its index. Whoever takes them away does not take the
trial away: its name says whose it is and which one, and the marks are put back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from katib.api.trial import TrialState
from katib.engine import creation
from katib.engine.naming import trial_index
from katib.errors import Conflict, InvalidInput
from katib.operator import kinds
from katib.operator.trial_objects import (
    experiment_uid,
    lost_marks,
    owning_experiment,
    record_of,
    status_of,
    trial_object,
)
from katib.template.render import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.operator.parts import Parts

__all__ = ["ExperimentTrials"]


class ExperimentTrials:
    """Makes and reads the Trials of experiments; any number of threads may use it.

    Args:
        parts: What the operator works with.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def make(self, experiment: Experiment, record: TrialRecord) -> TrialRecord:
        """Make the Trial of a new record, and return its record, which has ended where no job can be made for it.

        Raises:
            Conflict: Its name belongs to something else.
            KatibError: The API server could not be told.
        """
        record, job = _rendered(experiment, record)
        body = trial_object(record, experiment, job)
        try:
            written = self._parts.client.create(kinds.TRIALS, body, field_manager=kinds.FIELD_MANAGER)
        except Conflict:
            written = self._parts.client.get(kinds.TRIALS, record.name, experiment.metadata.namespace)
            if not _is_of(written, experiment, None):
                raise Conflict(
                    f"Trial {record.name} is there already and belongs to something else; delete it to let the experiment go on"
                ) from None
            # It was made by a look that was cut short: what is there counts, and not what was suggested this time.
            self._parts.trials.put(written)
            return self._completed(experiment, record_of(self._marked(experiment, written, record)) or record)
        self._parts.trials.put(written)
        if not record.state.is_active:
            self._parts.write_trial_status(experiment, record, status_of(record, experiment))
        return record

    def records(self, experiment: Experiment) -> list[TrialRecord]:
        """Return the records of all Trials of an experiment in their order, their marks put back.

        Raises:
            KatibError: The API server could not be told something.
        """
        namespace = experiment.metadata.namespace
        trials = self._parts.trials.indexed("experiment-uid", experiment.metadata.uid or "")
        trials += [
            trial
            for trial in self._parts.trials.indexed("experiment-uid", "")
            if trial["metadata"]["namespace"] == namespace and _is_of(trial, experiment, None)
        ]
        found = (record_of(self._marked(experiment, trial, _by_name(trial, experiment))) for trial in trials)
        records = sorted((record for record in found if record is not None), key=lambda record: record.index)
        return [self._completed(experiment, record) for record in records]

    def find(self, experiment: Experiment, name: str) -> dict[str, Any] | None:
        """Return a Trial, as far as it is known and says that it is the experiment's."""
        trial = self._parts.trials.get(experiment.metadata.namespace, name)
        return trial if trial is not None and experiment_uid(trial) == experiment.metadata.uid else None

    def recorded(self, experiment: Experiment, trial: Mapping[str, Any]) -> list[TrialRecord]:
        """Return the record of a Trial of an experiment; none for one that this operator did not make.

        Raises:
            KatibError: The API server could not be told something.
        """
        record = record_of(trial)
        return [] if record is None else [self._completed(experiment, record)]

    def put_marks_back(self, experiment: Experiment, name: str, known: TrialRecord | None) -> None:
        """Put back the marks of a Trial that somebody has taken, if it is the experiment's.

        Args:
            experiment: The experiment.
            name: Of the Trial.
            known: What is known of it already.

        Raises:
            KatibError: The API server could not be told.
        """
        trial = self._parts.trials.get(experiment.metadata.namespace, name)
        if trial is not None and _is_of(trial, experiment, known):
            self._marked(experiment, trial, known or _by_name(trial, experiment))

    def _marked(self, experiment: Experiment, trial: dict[str, Any], record: TrialRecord | None) -> dict[str, Any]:
        """Return a Trial with its marks: put back, once for each time that somebody takes them."""
        if record is None or trial["metadata"].get("deletionTimestamp"):
            return trial
        given = (experiment.spec.initial_trials or [])[record.index : record.index + 1]
        is_imported = any(each.metrics is not None for each in given)
        patch = lost_marks(trial, experiment, replace(record, imported=is_imported))
        if patch is None:
            return trial
        namespace, name = trial["metadata"]["namespace"], trial["metadata"]["name"]
        written = self._parts.client.merge_patch(
            kinds.TRIALS, name, patch, namespace, field_manager=kinds.FIELD_MANAGER
        )
        self._parts.trials.put(written)
        self._parts.trial_queue.add((namespace, name))
        return written

    def _completed(self, experiment: Experiment, record: TrialRecord) -> TrialRecord:
        """Return the record of a trial; one that was to have ended when it was made, and was not told so, ends now."""
        trial = self._parts.trials.get(experiment.metadata.namespace, record.name) or {}
        if record.state is not TrialState.CREATED or (trial.get("spec") or {}).get("runSpec"):
            return record
        if record.imported:
            [record] = creation.initial_records(experiment, [record.index], record.created)
        else:
            record, _ = _rendered(experiment, record)
        if not record.state.is_active:
            self._parts.write_trial_status(experiment, record, status_of(record, experiment))
        return record


def _rendered(experiment: Experiment, record: TrialRecord) -> tuple[TrialRecord, dict[str, Any] | None]:
    """Return a new trial with its job; one whose job cannot be made of the template has failed."""
    template = experiment.spec.trial_template
    if not record.state.is_active or template is None:
        return record, None
    try:
        return record, render(experiment, record.name, record.assignments, template=template.trial_spec or {})
    except InvalidInput as error:
        failed = replace(
            record, state=TrialState.FAILED, finished=_now(), reason="TrialRenderFailed", message=str(error)
        )
        return failed, None


def _is_of(trial: Mapping[str, Any], experiment: Experiment, known: TrialRecord | None) -> bool:
    """Whether a Trial is of an experiment though somebody may have taken its marks."""
    if owning_experiment(trial) is None and known is not None:
        return True
    uid = experiment_uid(trial)
    return uid == experiment.metadata.uid if uid else _index_in(trial, experiment) is not None


def _index_in(trial: Mapping[str, Any], experiment: Experiment) -> int | None:
    """Return the index that a Trial's name says; None for one that others have made under such a name, without a point."""
    if not (trial.get("spec") or {}).get("parameterAssignments"):
        return None
    metadata = experiment.metadata
    return trial_index(metadata.name, metadata.uid or "", trial["metadata"]["name"])


def _by_name(trial: Mapping[str, Any], experiment: Experiment) -> TrialRecord | None:
    """Return the record of a Trial of an experiment, with the index that its name says where it says one."""
    index = _index_in(trial, experiment)
    if index is None:
        return record_of(trial)
    annotations = {**(trial["metadata"].get("annotations") or {}), kinds.INDEX: str(index)}
    return record_of({**trial, "metadata": {**trial["metadata"], "annotations": annotations}})


def _now() -> datetime:
    return datetime.now(UTC)
