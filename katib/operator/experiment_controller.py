"""Brings experiments on: takes in what became of their trials, plans, and writes what the plan says.

One experiment is looked at by one worker at a time. A look that is cut short anywhere is done again by the next one, or by the next
operator: trials have names that follow from the experiment's uid and their index, so making one twice makes one.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.api.experiment import ExperimentStatus
from katib.api.trial import TrialState
from katib.engine import creation
from katib.engine.conditions import current, with_condition
from katib.engine.ledger import Ledger
from katib.engine.naming import trial_index
from katib.engine.plan import CreateTrials, RequestSuggestions, Snapshot, StartTrial, StopTrial, plan
from katib.engine.policy import KUBERNETES
from katib.engine.resume import resumed
from katib.engine.status import over
from katib.errors import InvalidInput, KatibError, NotFound
from katib.operator import kinds
from katib.operator.admitted import ApiConfigMaps, admitted, refusal, with_status
from katib.operator.conversation import Conversation
from katib.operator.experiment_status import NAME_LISTS, experiment_status, says_the_same
from katib.operator.experiment_trials import ExperimentTrials
from katib.operator.search_state import SearchState
from katib.operator.stopping_early import early_stopping_of
from katib.operator.suggestion_objects import suggestion_object, suggestion_status
from katib.operator.trial_objects import annotations_of, status_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from katib.api.experiment import Experiment
    from katib.engine.plan import Plan
    from katib.engine.trial import TrialRecord
    from katib.operator.parts import Parts

__all__ = ["ExperimentController"]

_LOGGER: Final = logging.getLogger(__name__)
_COUNTERS_EVERY: Final = 2.0
"""Seconds between two writes of a status in which only counters changed."""
_PATIENCE: Final = 5.0
"""What waits for less than this is nothing people want to read about."""
_CONFIG_MAP_PAUSE: Final = 10.0
"""Seconds after which an experiment that was refused is looked at again where its template is in a ConfigMap, which nobody watches."""
_AT_A_TIME: Final = 8
"""Trials that are made at a time."""
_DELETING: Final = 600.0
"""Seconds for the trials of one experiment: the server deletes one after the other, and ends such a request itself after a minute."""


class ExperimentController:
    """Looks at experiments.

    Args:
        parts: Everything it works with.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._config_maps = ApiConfigMaps(parts.client)
        self._trials = ExperimentTrials(parts)
        self._makers = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="make-trials")
        self._askers = ThreadPoolExecutor(32, thread_name_prefix="suggestions")

    def close(self) -> None:
        """Let the threads end."""
        self._makers.shutdown(wait=False, cancel_futures=True)
        self._askers.shutdown(wait=False, cancel_futures=True)

    def reconcile(self, key: tuple[str, str]) -> float | None:
        """Look at one experiment, and return in how many seconds to look again; None when only a change calls for it.

        Raises:
            KatibError: The API server could not be asked or told something; looking again is right.
        """
        namespace, name = key
        resource = self._parts.experiments.get(namespace, name)
        if resource is None or resource["metadata"].get("deletionTimestamp"):
            self._parts.states.take_changed(key)
            return None
        try:
            state = self._state(resource)
        except InvalidInput as error:
            self._refuse(resource, error)
            template = (resource.get("spec") or {}).get("trialTemplate") or {}
            return _CONFIG_MAP_PAUSE if template.get("configMap") else None
        # Not before: what is taken has to be taken in, and finding out about the experiment may fail.
        return self._look(key, resource, state, self._parts.states.take_changed(key))

    def gone(self, resource: Mapping[str, Any]) -> None:
        """Take away what belonged to an experiment that was deleted: quicker than the cluster's garbage collector."""
        metadata = resource["metadata"]
        state = self._parts.states.drop(metadata["uid"])
        self._parts.suggestions.gone(metadata["uid"])
        if state is not None:
            state.close()
        selector = f"{kinds.EXPERIMENT_UID_LABEL}={metadata['uid']}"
        self._parts.recorder.deleted(metadata["namespace"], metadata["uid"])
        self._parts.client.delete_collection(
            kinds.TRIALS, metadata["namespace"], label_selector=selector, timeout=_DELETING
        )

    # -- what is known ------------------------------------------------------------------------------------------------

    def _state(self, resource: Mapping[str, Any]) -> SearchState:
        """Return what is known of an experiment, made anew where it is not known or its spec changed.

        Raises:
            InvalidInput: It cannot run.
        """
        metadata = resource["metadata"]
        state = self._parts.states.get(metadata["uid"])
        if state is not None and state.experiment.metadata.generation == metadata.get("generation"):
            return state
        served = self._parts.suggestions.algorithms()
        experiment = _accepted(
            with_status(
                admitted(resource, self._config_maps, served=served, webhook=self._parts.settings.pod_webhook),
                resource.get("status"),
            )
        )
        if state is not None and _same_search(state.experiment, experiment):
            status = state.experiment.status
            state.experiment = experiment.model_copy(update={"status": status})
            state.conversation.begin_again()
            return state
        if state is not None:
            state.close()
        state = self._new_state(experiment, resource)
        self._parts.states.put(metadata["uid"], state)
        # They may have been looked at in vain before: their jobs may have ended already.
        for record in state.ledger.active():
            self._parts.trial_queue.add((metadata["namespace"], record.name))
        return state

    def _new_state(self, experiment: Experiment, resource: Mapping[str, Any]) -> SearchState:
        metadata = resource["metadata"]
        key = (metadata["namespace"], metadata["name"])
        conversation = Conversation(
            self._parts.suggestions.service_of(experiment),
            threads=self._askers,
            wake=lambda: self._parts.experiment_queue.add(key),
            deadline=self._parts.settings.suggestion_deadline,
        )
        suggestion = self._parts.suggestion_objects.get(*key)
        said = (suggestion or {}).get("status") or {}
        conversation.settings = tuple((item["name"], item["value"]) for item in said.get("algorithmSettings") or ())
        state = SearchState(
            experiment=experiment,
            ledger=Ledger(experiment),
            conversation=conversation,
            issued=max(
                int(said.get("suggestionCount") or 0) if _is_owned(suggestion, metadata["uid"]) else 0,
                _named(experiment),
            ),
        )
        state.stopping = early_stopping_of(
            experiment, self._parts.store, wake=lambda: self._parts.experiment_queue.add(key)
        )
        state.record(self._trials.records(experiment))
        self._parts.recorder.experiment(experiment)
        self._parts.recorder.trials(experiment, list(state.ledger))
        return state

    def _take_in(self, state: SearchState, changed: Iterable[str]) -> None:
        """Bring what is known up to date with the trials that changed.

        Raises:
            KatibError: One that a look before had begun to make could not be completed; all are to be taken in anew.
        """
        experiment, ledger = state.experiment, state.ledger
        for name in sorted(changed):  # before anything is counted anew
            self._trials.put_marks_back(experiment, name, ledger.trial(name) if name in ledger else None)
        records = []
        for name in sorted(changed):
            trial = self._trials.find(experiment, name)
            if trial is not None:
                records += self._trials.recorded(experiment, trial)
            elif name in state.ledger:
                self._rebuild(state, name)
        state.record(records)

    def _rebuild(self, state: SearchState, gone: str) -> None:
        """Forget a trial that somebody deleted; its index is not given again."""
        self._parts.events.record(
            self._parts.reference(state.experiment),
            "TrialDeleted",
            f"Trial {gone} was deleted by somebody; another one is run in its place",
            kind="Warning",
        )
        ledger = Ledger(state.experiment)
        for record in self._trials.records(state.experiment):
            ledger.record(record)
        state.ledger = ledger
        state.conversation.forget(gone)

    # -- a look -------------------------------------------------------------------------------------------------------

    def _look(
        self, key: tuple[str, str], resource: Mapping[str, Any], state: SearchState, changed: set[str]
    ) -> float | None:
        try:
            self._take_in(state, changed)
        except KatibError:
            for name in changed:
                self._parts.states.changed(key, name)
            raise
        stop = (resource["metadata"].get("annotations") or {}).get(kinds.STOP) == "true"
        self._go_on(state, stop=stop)
        answer = state.conversation.take()
        if answer is not None and not over(state.experiment.status):
            # Asked for when there was more to spend, perhaps.
            points = answer.points[: _left(state)]
            pairs = [(point.assignments, point.labels) for point in points]
            records = creation.trial_records(state.experiment, state.next_index, pairs, _now())
            named = [
                replace(record, name=point.name) if point.name else record
                for record, point in zip(records, points, strict=True)
            ]
            self._make(state, named)
        self._heed(state)
        decided = self._decide(state, stop=stop)
        while self._record(state, decided):
            decided = self._decide(state, stop=stop)
        # Before anything is written for people: what starts next does not wait for that.
        self._allow(key[0], state, decided)
        asked = [action for action in decided.actions if isinstance(action, RequestSuggestions)]
        for action in asked:
            state.conversation.request(state.experiment, action.count, state.next_index)
        if not asked:
            state.conversation.rest()
        if _stands(state):
            state.unwritten = False
        else:
            self._write(key, resource, state, decided)
        if decided.finished and not state.unwritten:
            self._parts.suggestions.over(state.experiment)
            self._parts.states.drop(state.experiment.metadata.uid or "")  # made anew if its user wants more of it
            state.close()
            return None
        return self._next_look(state, decided)

    def _go_on(self, state: SearchState, *, stop: bool) -> None:
        """Resume an experiment whose user takes the stop back, or gives a finished one more budget."""
        experiment = state.experiment
        condition = current(experiment.status.conditions) if experiment.status else None
        if condition is None or not over(experiment.status):
            return
        spec = experiment.spec
        # Than there were: of a finished one trials may be deleted, and it is none the less finished for that.
        there = max(state.ledger.completed, experiment.status.trials or 0) if experiment.status else 0
        more = spec.max_trial_count is None or spec.max_trial_count > there
        finished = (
            condition.reason == "ExperimentMaxTrialsReached"
            and spec.max_trial_count is not None
            and spec.resume_policy in ("LongRunning", "FromVolume")
        )
        if (condition.type == "Stopped" and not stop) or (finished and more):
            status, again = resumed(experiment, state.ledger, _now())
            self._set_status(state, status)
            state.conversation.begin_again()
            for record in again:
                self._run_again(state, record)

    def _run_again(self, state: SearchState, record: TrialRecord) -> None:
        """Let a trial that was ended with its experiment run anew, as its next attempt."""
        patch = {"metadata": {"annotations": {kinds.STOPPING: None, **annotations_of(record)}}}
        written = self._parts.client.merge_patch(kinds.TRIALS, record.name, patch, state.experiment.metadata.namespace)
        self._parts.trials.put(written)
        self._parts.write_trial_status(state.experiment, record, status_of(record, state.experiment))
        self._parts.recorder.trials(state.experiment, [record])
        state.record([record])

    def _allow(self, namespace: str, state: SearchState, decided: Plan) -> None:
        """Let the trials start that the plan names, and no other: what was allowed before a limit was lowered may not have begun."""
        starts = [action.name for action in decided.actions if isinstance(action, StartTrial)]
        created = [record.name for record in state.ledger.active() if record.state is TrialState.CREATED]
        begun = [name for name in created if self._parts.starts.has_begun((namespace, name))]
        others = [name for name in starts if name not in begun]
        named = [*begun, *others[: max(len(starts) - len(begun), 0)]]
        for name in created:
            if name not in named:
                self._parts.starts.used((namespace, name))
        for name in named:
            self._parts.starts.allow(namespace, name)

    def _decide(self, state: SearchState, *, stop: bool) -> Plan:
        return plan(
            Snapshot(
                experiment=state.experiment,
                ledger=state.ledger,
                suggestions=state.conversation.state,
                now=_now(),
                stop_requested=stop,
                policy=KUBERNETES,
            )
        )

    def _record(self, state: SearchState, decided: Plan) -> bool:
        """Make durable what the plan decides about trials; returns whether that changes what is known, and so the plan."""
        changed = False
        for action in decided.actions:
            if isinstance(action, CreateTrials):
                again = [record for record in action.records if record.name in state.ledger]
                for record in again:
                    self._run_again(state, record)
                self._make(state, [record for record in action.records if record.name not in state.ledger])
                changed = True
            elif isinstance(action, StopTrial):
                changed = self._order_stop(state, action) or changed
        return changed

    def _order_stop(self, state: SearchState, action: StopTrial) -> bool:
        """Write the order to end a trial on it; who looks at trials carries it out. Returns whether that is news."""
        record = state.ledger.trial(action.name)
        if record.stopping is not None:  # one that has not started is named again until it has ended
            self._parts.trial_queue.add((state.experiment.metadata.namespace or "", action.name))
            return False
        marked = replace(record, stopping=action.final, reason=action.reason, message=action.message)
        patch = {"metadata": {"annotations": annotations_of(marked)}}
        written = self._parts.client.merge_patch(kinds.TRIALS, action.name, patch, state.experiment.metadata.namespace)
        self._parts.trials.put(written)
        state.record([marked])
        self._parts.trial_queue.add((state.experiment.metadata.namespace or "", action.name))
        return True

    def _heed(self, state: SearchState) -> None:
        """Stop the trials that the early stopper condemned, as far as they are what it saw."""
        if state.stopping is None or over(state.experiment.status):
            return
        for action in state.stopping.orders(state.ledger):
            self._order_stop(state, action)

    # -- writing ------------------------------------------------------------------------------------------------------

    def _make(self, state: SearchState, records: list[TrialRecord]) -> None:
        """Make the Trials of new records; all of them are there afterwards, or the look is done again.

        Raises:
            KatibError: Some could not be made. Those that could are known.
        """
        if state.stopping is not None:
            records = [replace(record, rules=state.stopping.rules) for record in records]
        making = [self._makers.submit(self._trials.make, state.experiment, record) for record in records]
        made: list[TrialRecord] = []
        failure: KatibError | None = None
        for one in making:
            try:
                made.append(one.result())
            except KatibError as error:
                failure = failure or error
        state.record(made)
        self._parts.recorder.trials(state.experiment, made)
        for record in made:
            self._parts.metrics.trial_created(state.experiment.metadata.namespace or "")
            if record.state.is_active:
                self._parts.trial_queue.add((state.experiment.metadata.namespace or "", record.name))
        if failure is not None:
            raise failure

    def _write(self, key: tuple[str, str], resource: Mapping[str, Any], state: SearchState, decided: Plan) -> None:
        """Write the status of the experiment and its Suggestion, as far as they changed and it is time."""
        before, after = state.experiment.status, decided.status
        turned = before is None or before.conditions != after.conditions
        self._tell_transitions(state, before, after)
        if turned or before != after:
            self._set_status(state, after)
        waiting = self._waiting(state, decided)
        state.unwritten = state.unwritten or before != after or waiting != state.written_wait
        now = time.monotonic()
        if state.unwritten and (turned or waiting != state.written_wait or now >= state.write_after):
            state.write_after = now + _COUNTERS_EVERY
            self._write_suggestion(key, state)
            document = experiment_status(after, state.experiment.spec, state.ledger, waiting=waiting)
            known = resource.get("status") or {}
            is_there = document == state.written_status if state.written_status else says_the_same(document, known)
            if not is_there:
                # Read at once: when it is over its state goes, and what the watch has not brought yet would begin it again.
                written = self._parts.write_status(kinds.EXPERIMENTS, key, document, uid=state.experiment.metadata.uid)
                self._parts.experiments.put(written)
            state.written_status, state.written_wait, state.unwritten = document, waiting, False
            self._parts.recorder.experiment(state.experiment)

    def _write_suggestion(self, key: tuple[str, str], state: SearchState) -> None:
        wanted = {
            **suggestion_object(state.experiment, requests=state.next_index),
            "status": suggestion_status(
                state.experiment, state.ledger, issued=state.next_index, conversation=state.conversation, now=_now()
            ),
        }
        if state.written_suggestion is None:
            state.written_suggestion = self._known_suggestion(key, state, wanted)
        if wanted == state.written_suggestion:
            return
        status = wanted.pop("status")
        old = state.written_suggestion or {}
        if old.get("spec") != wanted["spec"] or old.get("metadata") != wanted["metadata"]:
            self._parts.client.apply(kinds.SUGGESTIONS, wanted, field_manager=kinds.FIELD_MANAGER)
        try:
            written = self._parts.write_status(kinds.SUGGESTIONS, key, status)
        except NotFound:  # somebody deleted it, and that is not known here yet
            state.written_suggestion = None
            raise
        self._parts.suggestion_objects.put(written)
        state.written_suggestion = {**wanted, "status": status}

    def _known_suggestion(
        self, key: tuple[str, str], state: SearchState, wanted: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Return what an operator before this one has written of a Suggestion, as far as this one would write it."""
        known = self._parts.suggestion_objects.get(*key)
        if known is None or not _is_owned(known, state.experiment.metadata.uid or ""):
            return None
        labels = known["metadata"].get("labels") or {}
        metadata = {
            **wanted["metadata"],
            "labels": {name: labels.get(name) for name in wanted["metadata"]["labels"]},
        }
        found = {**wanted, "metadata": metadata, "spec": known.get("spec"), "status": known.get("status") or {}}
        failed = [each for each in found["status"].get("conditions") or () if each.get("type") == "Failed"]
        if failed and over(state.experiment.status):  # the error that its experiment ended by is known to nobody else
            found["status"] = wanted["status"]
        return found

    def _set_status(self, state: SearchState, status: ExperimentStatus) -> None:
        state.experiment = state.experiment.model_copy(update={"status": status})

    def _tell_transitions(self, state: SearchState, before: ExperimentStatus | None, after: ExperimentStatus) -> None:
        was = current(before.conditions) if before else None
        now = current(after.conditions)
        if now is None or (was is not None and (was.type, was.reason) == (now.type, now.reason)):
            return
        kind = "Warning" if now.type == "Failed" else "Normal"
        reference = self._parts.reference(state.experiment)
        self._parts.events.record(reference, now.reason or now.type, now.message or "", kind=kind)
        self._parts.metrics.experiment_is(state.experiment.metadata.namespace or "", now.type)

    def _waiting(self, state: SearchState, decided: Plan) -> str:
        """Return what the experiment waits for, once it has done so for a while; and tell it once."""
        trouble = state.conversation.trouble
        if not trouble and state.experiment.spec.algorithm and state.conversation.state.waiting and decided.waiting:
            trouble = decided.waiting
        reason = "WaitingForSuggestions" if trouble else "WaitingForStore"
        trouble = trouble or self._parts.recorder.trouble
        if not trouble:
            state.wait_since, state.wait_told = time.monotonic(), ""
            return ""
        if time.monotonic() - state.wait_since < _PATIENCE:
            return ""
        if state.wait_told != trouble:
            state.wait_told = trouble
            reference = self._parts.reference(state.experiment)
            self._parts.events.record(reference, reason, trouble, kind="Warning")
        return trouble

    def _next_look(self, state: SearchState, decided: Plan) -> float | None:
        waits = []
        if decided.wake_at is not None:
            waits.append(max((decided.wake_at - _now()).total_seconds(), 0.01))
        if state.conversation.retry_in is not None:
            waits.append(state.conversation.retry_in)
        if state.unwritten:
            waits.append(max(state.write_after - time.monotonic(), 0.01))
        if not decided.finished:
            if decided.waiting or state.conversation.trouble or self._parts.recorder.trouble:
                waits.append(_PATIENCE)
            if state.stopping is not None:
                waits.append(state.stopping.poll_seconds)
        return min(waits) if waits else None

    def _refuse(self, resource: Mapping[str, Any], error: InvalidInput) -> None:
        """Say on the experiment why it cannot run; a change of its spec is looked at anew."""
        metadata = resource["metadata"]
        status = with_status_of(resource)
        said = refusal(error)
        known = current(status.conditions)
        if known is not None and known.type == "Failed" and known.message == said:
            return
        if over(status) and known is not None and known.reason != "InvalidExperiment":
            return  # what it has found is true, also when its template is gone by now
        conditions = list(status.conditions) or with_condition(
            [], "Created", "ExperimentCreated", "Experiment is created", _now()
        )
        kept = [condition for condition in conditions if condition.type != "Failed"]
        conditions = with_condition(kept, "Failed", "InvalidExperiment", said, _now())
        document = status.model_copy(update={"conditions": conditions}).to_document()
        key = (metadata["namespace"], metadata["name"])
        self._parts.experiments.put(self._parts.write_status(kinds.EXPERIMENTS, key, document, uid=metadata["uid"]))
        self._parts.events.record(dict(resource), "InvalidExperiment", said, kind="Warning")
        self._parts.metrics.experiment_is(metadata["namespace"], "Failed")


def with_status_of(resource: Mapping[str, Any]) -> ExperimentStatus:
    """Return the status of a resource, an empty one where it has none."""
    try:
        return ExperimentStatus.model_validate(resource.get("status") or {})
    except ValueError:
        return ExperimentStatus()


def _same_search(old: Experiment, new: Experiment) -> bool:
    """Whether only what may be edited differs: budgets, and nothing that trials and algorithm depend on."""
    free = {
        "max_trial_count": None,
        "parallel_trial_count": None,
        "max_failed_trial_count": None,
        "max_runtime": None,
        "trial_timeout": None,
        "resume_policy": None,
    }
    return old.spec.model_copy(update=free) == new.spec.model_copy(update=free)


def _accepted(experiment: Experiment) -> Experiment:
    """Return an experiment that can run without the condition that it could not, from before its user mended it."""
    status = experiment.status
    condition = current(status.conditions) if status else None
    if status is None or condition is None or condition.reason != "InvalidExperiment":
        return experiment
    kept = [each for each in status.conditions if each.reason != "InvalidExperiment"]
    return experiment.model_copy(update={"status": status.model_copy(update={"conditions": kept})})


def _stands(state: SearchState) -> bool:
    """Whether an experiment is over and trials of it were deleted since: what its status says of all of them stays."""
    status = state.experiment.status
    if status is None or not over(status) or status.trials_running or status.trials_pending:
        return False
    return state.ledger.total < (status.trials or 0)


def _left(state: SearchState) -> int | None:
    """Return how many trials may still be made; None for any number."""
    most = state.experiment.spec.max_trial_count
    return None if most is None else max(most - state.ledger.total, 0)


def _named(experiment: Experiment) -> int:
    """Return how many indices were given away by the names in an experiment's status, also where these trials were deleted since."""
    status = experiment.status
    names = [name for field in NAME_LISTS for name in (getattr(status, field) or ())] if status else []
    metadata = experiment.metadata
    found = (trial_index(metadata.name, metadata.uid or "", name) for name in names)
    return max((index + 1 for index in found if index is not None), default=0)


def _is_owned(suggestion: Mapping[str, Any] | None, uid: str) -> bool:
    owners = (suggestion or {}).get("metadata", {}).get("ownerReferences") or ()
    return any(owner.get("uid") == uid for owner in owners)


def _now() -> datetime:
    return datetime.now(UTC)
