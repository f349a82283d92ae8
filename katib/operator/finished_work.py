"""Whether a Job's work is done though the Job does not say so yet: its one pod's containers have all ended well.

Between the end of a container and the Job's condition Kubernetes looks twice, a second apart, at the node, and once more at the pod
(measured: 2 to 3 s for a trial of one pod). Nothing that happens in that time can make a failure of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.api.trial_kind import TrialKind

__all__ = ["is_done"]


def is_done(
    job: Mapping[str, Any],
    pods: Sequence[Mapping[str, Any]],
    *,
    kind: TrialKind | None,
    success_condition: str,
) -> bool:
    """Return whether a job is a Job of one pod whose containers have ended with exit code 0, its sidecars too.

    Args:
        job: As it is now.
        pods: Of the trial.
        kind: What is known of the job's kind.
        success_condition: Of the experiment; one of its user's own is not judged here.
    """
    if kind is None or kind.kind != "Job" or kind.group != "batch" or success_condition != kind.success_condition:
        return False
    spec = job.get("spec") or {}
    if spec.get("managedBy") not in (None, "kubernetes.io/job-controller") or spec.get("suspend"):
        return False
    if spec.get("completions") not in (None, 1) or spec.get("parallelism") not in (None, 1):
        return False
    uid = job["metadata"].get("uid")
    own = [
        pod for pod in pods if any(owner.get("uid") == uid for owner in pod["metadata"].get("ownerReferences") or ())
    ]
    if len(own) != 1 or own[0]["metadata"].get("deletionTimestamp"):
        return False
    described = ((spec.get("template") or {}).get("spec")) or {}
    status = own[0].get("status") or {}
    return _ended_well(status.get("containerStatuses"), described.get("containers"), exactly=True) and _ended_well(
        status.get("initContainerStatuses"), described.get("initContainers"), exactly=False
    )


def _ended_well(statuses: Any, described: Any, *, exactly: bool) -> bool:
    """Return whether containers have ended with 0; beside those described there may be others', such as a mesh's, if not ``exactly``."""
    ended = [((status.get("state") or {}).get("terminated") or {}).get("exitCode") for status in statuses or ()]
    count = len(described or ())
    return all(code == 0 for code in ended) and (len(ended) == count if exactly else len(ended) >= count)
