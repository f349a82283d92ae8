"""What both controllers work with: the caches, the queues, the store, and the few writes that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from katib.errors import Conflict
from katib.operator import kinds

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.api.experiment import Experiment
    from katib.api.trial import Trial
    from katib.engine.trial import TrialRecord
    from katib.kube.client import Client
    from katib.kube.event_recorder import EventRecorder
    from katib.kube.reflector import Reflector
    from katib.kube.resource import Resource
    from katib.kube.work_queue import WorkQueue
    from katib.operator.checkpoint_claims import CheckpointClaims
    from katib.operator.gone_pods import GonePods
    from katib.operator.job_watches import JobWatches
    from katib.operator.operator_metrics import OperatorMetrics
    from katib.operator.recorder import Recorder
    from katib.operator.search_state import SearchStates
    from katib.operator.settings import OperatorSettings
    from katib.operator.starts import Starts
    from katib.operator.store_access import StoreAccess
    from katib.operator.suggestion_services import SuggestionServices
    from katib.template.collection import CollectorSettings

__all__ = ["Key", "Parts"]

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class Parts:
    """Everything an operator consists of, beside its controllers."""

    settings: OperatorSettings
    client: Client
    experiments: Reflector
    trials: Reflector
    suggestion_objects: Reflector
    pods: Reflector
    gone_pods: GonePods
    jobs: JobWatches
    experiment_queue: WorkQueue[Key]
    trial_queue: WorkQueue[Key]
    states: SearchStates
    starts: Starts
    store: StoreAccess
    recorder: Recorder
    suggestions: SuggestionServices
    events: EventRecorder
    metrics: OperatorMetrics
    collector_settings: Callable[[Trial], CollectorSettings]
    """Of a trial."""
    checkpoint_claims: CheckpointClaims

    def write_status(
        self, resource: Resource, key: Key, status: dict[str, Any], *, uid: str | None = None
    ) -> dict[str, Any]:
        """Replace the status of an object by server-side apply: what others write elsewhere stays.

        Args:
            resource: What it is.
            key: Which.
            status: The new one.
            uid: Of the object it is true of; from one that has its name by now it is taken away again.

        Raises:
            Conflict: Another one has its name by now.
        """
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"namespace": key[0], "name": key[1]},
            "status": status,
        }
        written = self.client.apply(resource, body, field_manager=kinds.FIELD_MANAGER, subresource="status")
        if uid is not None and written["metadata"]["uid"] != uid:
            # An API server heeds no uid where a status is written; what is applied no more goes, as nobody else has it.
            empty = {**body, "status": {"conditions": []}}
            self.client.apply(resource, empty, field_manager=kinds.FIELD_MANAGER, subresource="status")
            raise Conflict(f"{resource.kind} {key[1]} was deleted, and another one has its name")
        return written

    def write_trial_status(self, experiment: Experiment, record: TrialRecord, status: dict[str, Any]) -> None:
        """Replace the status of a trial, and read what was written at once."""
        key = (experiment.metadata.namespace or "", record.name)
        self.trials.put(self.write_status(kinds.TRIALS, key, status))

    def pods_of(self, namespace: str, trial: str) -> list[dict[str, Any]]:
        """Return the pods of a trial."""
        return self.pods.indexed("trial", f"{namespace}/{trial}")

    def reference(self, experiment: Experiment) -> dict[str, Any]:
        """Return what an event about an experiment refers to."""
        metadata = experiment.metadata
        return {
            "apiVersion": experiment.api_version,
            "kind": experiment.kind,
            "metadata": {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid},
        }
