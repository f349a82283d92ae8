"""The volume that trials of one experiment hand their checkpoints on by (Katib's setting ``suggestion_trial_dir``).

Where the trial template mounts a volume at that path, that one is used. Otherwise the experiment has a claim of Katib's name, which its
own suggestion server made, or which is made here; it goes with the experiment.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from katib.algorithm.lineage import PARENT
from katib.errors import Conflict, Denied
from katib.kube.resource import PERSISTENT_VOLUME_CLAIMS
from katib.operator import kinds
from katib.operator.composed_service import service_name
from katib.operator.trial_objects import owner_reference
from katib.template.checkpoint_mount import CheckpointMount, checkpoint_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from katib.api.experiment import Experiment
    from katib.api.trial import Trial
    from katib.kube.client import Client

__all__ = ["CheckpointClaims", "checkpoint_mount"]

_CLAIM: Final[dict[str, Any]] = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "5Gi"}}}
"""What Katib's configuration has for ``pbt``."""


def checkpoint_mount(experiment: Experiment, trial: Trial) -> CheckpointMount | None:
    """Return where a trial finds its checkpoint; None where the experiment's trials hand none on."""
    algorithm = experiment.spec.algorithm
    path = checkpoint_path(experiment)
    if not path or algorithm is None:
        return None
    return CheckpointMount(
        path=path,
        experiment=experiment.metadata.name,
        claim=service_name(experiment, algorithm.algorithm_name),
        parent=(trial.spec.labels or {}).get(PARENT, ""),
    )


class CheckpointClaims:
    """Makes the claims of experiments that need one, before the first job of each.

    Args:
        client: To the API server.
        claim_of: Returns what Katib's configuration says of an algorithm's claim, if it does.
    """

    def __init__(self, client: Client, claim_of: Callable[[str], Mapping[str, Any] | None]) -> None:
        self._client = client
        self._claim_of = claim_of
        self._lock = threading.Lock()
        self._there: set[str] = set()

    def ensure(self, experiment: Experiment, job: Mapping[str, Any]) -> None:
        """Make the claim that a job mounts, if that is the experiment's own.

        Raises:
            Denied: This operator, or the namespace's quota, does not let it be made.
        """
        algorithm, uid = experiment.spec.algorithm, experiment.metadata.uid or ""
        if not checkpoint_path(experiment) or algorithm is None:
            return
        name = service_name(experiment, algorithm.algorithm_name)
        with self._lock:
            if uid in self._there or not _claims(job, name):
                return
        metadata = {
            "name": name,
            "namespace": experiment.metadata.namespace,
            "labels": {
                kinds.EXPERIMENT_LABEL: experiment.metadata.name,
                kinds.EXPERIMENT_UID_LABEL: uid,
            },
            "ownerReferences": [owner_reference(experiment)],
        }
        body = {"metadata": metadata, "spec": dict(self._claim_of(algorithm.algorithm_name) or _CLAIM)}
        try:
            self._client.create(PERSISTENT_VOLUME_CLAIMS, body, field_manager=kinds.FIELD_MANAGER)
        except Conflict:  # its suggestion server's, or of a look before this one
            pass
        except Denied as error:
            raise Denied(
                f"the volume on which trials hand on their checkpoints cannot be made; mount one of yours at {checkpoint_path(experiment)} in the "
                f"trial template instead: {error}"
            ) from error
        with self._lock:
            self._there.add(uid)


def _claims(document: object, name: str) -> bool:
    """Whether a volume of a claim of this name stands anywhere in a document."""
    if isinstance(document, dict):
        claim = document.get("persistentVolumeClaim")
        if isinstance(claim, dict) and claim.get("claimName") == name:
            return True
        return any(_claims(each, name) for each in document.values())
    return isinstance(document, list) and any(_claims(each, name) for each in document)
