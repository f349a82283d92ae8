"""How a Job's work has ended though the Job does not say so yet: the containers that it describes have all ended.

Between the end of a container and the Job's condition Kubernetes looks twice, a second apart, at the node, and once more at the pod
(measured: 2 to 3 s for a trial of one pod). Nothing that happens in that time can make a failure of it. And a container that a webhook put
beside the trainer, such as a mesh's proxy, may never end by itself: then the Job never says anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.engine.outcome import JobOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.api.trial_kind import TrialKind

__all__ = ["end_of_work"]


def end_of_work(
    job: Mapping[str, Any],
    pods: Sequence[Mapping[str, Any]],
    *,
    kind: TrialKind | None,
    success_condition: str,
) -> JobOutcome | None:
    """Return how a Job of one pod has ended; None where it is to be waited for.

    It has succeeded when the containers that it describes have ended with exit code 0, its sidecars too. Failures are the Job's to
    judge, as it may try again, unless a container that it does not describe keeps the pod, and so the Job, from ever ending.

    Args:
        job: As it is now.
        pods: Of the trial.
        kind: What is known of the job's kind.
        success_condition: Of the experiment; one of its user's own is not judged here.
    """
    if kind is None or kind.kind != "Job" or kind.group != "batch" or success_condition != kind.success_condition:
        return None
    spec = job.get("spec") or {}
    if spec.get("managedBy") not in (None, "kubernetes.io/job-controller") or spec.get("suspend"):
        return None
    if spec.get("completions") not in (None, 1) or spec.get("parallelism") not in (None, 1):
        return None
    uid = job["metadata"].get("uid")
    own = [
        pod for pod in pods if any(owner.get("uid") == uid for owner in pod["metadata"].get("ownerReferences") or ())
    ]
    if len(own) != 1 or own[0]["metadata"].get("deletionTimestamp"):
        return None
    described = ((spec.get("template") or {}).get("spec")) or {}
    return _end_of_pod(own[0].get("status") or {}, described)


def _end_of_pod(status: Mapping[str, Any], described: Mapping[str, Any]) -> JobOutcome | None:
    names = [container["name"] for container in described.get("containers") or ()]
    statuses = {each["name"]: each for each in status.get("containerStatuses") or ()}
    codes = [_exit_code(statuses.get(name), "state") for name in names]
    if not codes or any(code is None for code in codes):
        return None
    others = [name for name, each in statuses.items() if name not in names and _exit_code(each, "state") is None]
    if any(codes):
        if not others or described.get("restartPolicy") != "Never":
            return None
        said = f"container {others[0]}, which its job does not describe, runs on, so that its job neither ends nor tries again"
        return JobOutcome("failed", message=said)
    sidecars = {each["name"]: each for each in status.get("initContainerStatuses") or ()}
    for container in described.get("initContainers") or ():
        ends = [_exit_code(sidecars.get(container["name"]), "state")]
        if others:  # a sidecar that ended when its work was done was started again
            ends.append(_exit_code(sidecars.get(container["name"]), "lastState"))
        if next((code for code in ends if code is not None), None) != 0:
            return None
    return JobOutcome("succeeded")


def _exit_code(status: Mapping[str, Any] | None, which: str) -> int | None:
    """Return how a container has ended, or had the last time (``lastState``); None where it has not."""
    code: int | None = (((status or {}).get(which) or {}).get("terminated") or {}).get("exitCode")
    return code
