"""What the pods of a trial say: why they do not run, where they run, and what the collector left behind when it ended."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from katib.template.checkpoint_mount import CHECKPOINT_CONTAINER
from katib.template.collection import COLLECTOR_CONTAINER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = [
    "collected_pod",
    "collector_report",
    "compact_pod",
    "disruption_of",
    "failure_of",
    "has_word",
    "kept_up_by",
    "place_of",
    "waiting_of",
]

_STARTING: Final = ("ContainerCreating", "PodInitializing")
_LONGEST: Final = 500
_SIGNALLED: Final = (130, 137, 143)
"""Exit codes of what was ended by INT, KILL or TERM."""


def compact_pod(pod: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a pod: not its spec, which is the job's."""
    spec = pod.get("spec") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": pod["metadata"],
        "spec": {"nodeName": spec.get("nodeName")},
        "status": pod.get("status") or {},
    }


def waiting_of(pods: Iterable[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return reason and sentence of why a pod does not run; None where all of them run or are about to."""
    for pod in pods:
        status, name = pod.get("status") or {}, pod["metadata"]["name"]
        for condition in status.get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                reason = condition.get("reason") or "Unschedulable"
                return reason, _cut(f"Pod {name} is not scheduled: {condition.get('message') or reason}")
        for container in _containers(status):
            waiting = (container.get("state") or {}).get("waiting")
            if waiting and waiting.get("reason") not in (None, *_STARTING):
                words = f": {waiting['message']}" if waiting.get("message") else ""
                said = f"Container {container['name']} of pod {name} is waiting ({waiting['reason']}){words}"
                return waiting["reason"], _cut(said)
    return None


def kept_up_by(pods: Iterable[Mapping[str, Any]], primary: str | None) -> tuple[str, str] | None:
    """Return reason and sentence of a pod whose primary container has ended and another one, or its collector, has not; None where there is none."""
    for pod in pods:
        status, name = pod.get("status") or {}, pod["metadata"]["name"]
        states = _states(status.get("containerStatuses"))
        if not primary or "terminated" not in states.get(primary, {}):
            continue
        ended = f"Container {primary} of pod {name} has ended with exit code {states[primary]['terminated'].get('exitCode')}"
        others = [each for each, state in states.items() if each != primary and "running" in state]
        if others:
            return "OtherContainerRuns", _cut(f"{ended}, and its job ends only when {', '.join(others)} does, too")
        if _is_collecting(pod):
            said = f"{ended}; what it reported is not in the store yet: `kubectl logs {name} -c {COLLECTOR_CONTAINER}` says why"
            return "WaitingForMetrics", _cut(said)
    return None


def collected_pod(pods: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the name of a pod whose collector is at work; None where there is none."""
    return next((pod["metadata"]["name"] for pod in pods if _is_collecting(pod)), None)


def failure_of(pods: Sequence[Mapping[str, Any]], primary: str | None) -> str:
    """Return what the pods of a failed trial say: exit codes, out of memory, eviction; empty where they say nothing."""
    said = []
    newest_first = sorted(pods, key=lambda each: each["metadata"].get("creationTimestamp") or "", reverse=True)
    for pod in sorted(newest_first, key=_was_told_to_end):  # with the others of its job, for the one that failed
        status, name = pod.get("status") or {}, pod["metadata"]["name"]
        if status.get("reason"):
            said.append(f"Pod {name}: {status['reason']} {status.get('message') or ''}".strip())
        for container in _containers(status):
            ended = (container.get("state") or {}).get("terminated")
            ours = container["name"].startswith(CHECKPOINT_CONTAINER)
            if ended and ended.get("exitCode") and (primary is None or ours or container["name"] == primary):
                reason = f" ({ended['reason']})" if ended.get("reason") not in (None, "Error") else ""
                whose = f" of pod {name}" if len(pods) > 1 else ""
                tail = f": {ended['message'].strip()}" if ended.get("message") else ""
                said.append(
                    f"container {container['name']}{whose} ended with exit code {ended['exitCode']}{reason}{tail}"
                )
        if said:
            break
    return _cut("; ".join(said))


def disruption_of(pods: Iterable[Mapping[str, Any]]) -> str:
    """Return why the cluster ended a pod (evicted, preempted, its node lost), as a sentence; empty where it did not."""
    for pod in pods:
        for condition in (pod.get("status") or {}).get("conditions") or ():
            if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
                reason = condition.get("reason") or "disrupted"
                words = f": {condition['message']}" if condition.get("message") else ""
                return _cut(f"pod {pod['metadata']['name']} was ended by the cluster ({reason}){words}")
    return ""


def place_of(pods: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return where a trial runs: its newest pod that is collected from, and the node of that; any pod where none is yet."""
    pods = list(pods)
    collected = [pod for pod in pods if _is_collected(pod)]
    newest = max(collected or pods, key=lambda pod: pod["metadata"].get("creationTimestamp") or "", default=None)
    if newest is None:
        return {}
    place = {"pod": newest["metadata"]["name"]}
    if node := (newest.get("spec") or {}).get("nodeName"):
        place["node"] = node
    return place


def _was_told_to_end(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's containers ended by a signal after somebody had deleted the pod."""
    metadata = pod["metadata"]
    if not metadata.get("deletionTimestamp"):
        return False
    grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    deleted = datetime.fromisoformat(metadata["deletionTimestamp"]) - grace
    ends = [
        (container.get("state") or {}).get("terminated") or {} for container in _containers(pod.get("status") or {})
    ]
    return not any(
        end.get("exitCode")
        and (
            end["exitCode"] not in _SIGNALLED
            or end.get("reason") == "OOMKilled"
            or (end.get("finishedAt") and datetime.fromisoformat(end["finishedAt"]) < deleted)
        )
        for end in ends
    )


def _is_collected(pod: Mapping[str, Any]) -> bool:
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or ()
    return any(status.get("name", "").startswith(COLLECTOR_CONTAINER) for status in statuses)


def has_word(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod has ended, or a container of it, so that there may be a reason or a report."""
    status = pod.get("status") or {}
    return status.get("phase") in ("Succeeded", "Failed") or any(
        (container.get("state") or {}).get("terminated") for container in _containers(status)
    )


def collector_report(pods: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the collector of a trial said when it ended; empty where it did not."""
    for pod in pods:
        for container in (pod.get("status") or {}).get("initContainerStatuses") or ():
            for state in (container.get("state") or {}, container.get("lastState") or {}):
                message = (state.get("terminated") or {}).get("message") or ""
                if message.startswith("{"):
                    try:
                        report = json.loads(message)
                    except (ValueError, RecursionError):
                        continue
                    if isinstance(report, dict) and "katib" in container.get("name", "") + json.dumps(report):
                        return report
    return {}


def _is_collecting(pod: Mapping[str, Any]) -> bool:
    sidecars = _states((pod.get("status") or {}).get("initContainerStatuses"))
    return "running" in sidecars.get(COLLECTOR_CONTAINER, {})


def _states(statuses: Iterable[Mapping[str, Any]] | None) -> dict[str, Mapping[str, Any]]:
    return {each["name"]: each.get("state") or {} for each in statuses or ()}


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
