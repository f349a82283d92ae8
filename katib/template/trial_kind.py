"""Where the pods of a job are described, and which of them is the one whose metrics count.

The kinds themselves are data of ``katib.api.trial_kind``, where defaults need them; they are named here too, beside what is done with
a job of them. A kind that is not shipped is searched for what looks like a pod template.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from katib.api.trial_kind import TrialKind, trial_kind, trial_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "PodTemplate",
    "TrialKind",
    "is_suspended",
    "pod_templates",
    "stays_when_finished",
    "trial_kind",
    "trial_kinds",
]

_ANY: Final = "*"

_Place = tuple[str | int, ...]
"""A path in parts: keys of mappings, and places in lists as numbers."""


@dataclass(slots=True)
class PodTemplate:
    """One pod template of a job.

    Attributes:
        path: Where it is, for messages: ``spec.replicatedJobs[0].template.spec.template``.
        template: The part of the job itself; a change of it is a change of the job.
        primary: Whether it makes the primary pod, from which metrics are collected.
    """

    path: str
    template: dict[str, Any]
    primary: bool


def pod_templates(job: dict[str, Any], primary_pod_labels: Mapping[str, str] | None = None) -> list[PodTemplate]:
    """Return the pod templates of a job, in the order of the job.

    The primary ones are those with ``primary_pod_labels``, as far as a template (or what its kind's controller adds) decides that. Where
    no label is decided before the pods are there, or none is asked for but the kind's own, the kind knows. Of a kind that is not shipped
    every pod is a primary one then, as in Katib.

    Args:
        job: Rendered or not.
        primary_pod_labels: The experiment's ``primaryPodLabels``; None where it has none, empty for every pod.
    """
    kind = trial_kind(job.get("apiVersion"), job.get("kind"))
    places = list(_shipped_places(job, kind)) if kind else [(place, {}) for place in _places_like_templates(job, ())]
    found = [(place, labels, template) for place, labels in places if (template := _at(job, place)) is not None]
    everywhere = [place for place, _, _ in found]
    if primary_pod_labels is None or (kind and primary_pod_labels and primary_pod_labels == kind.primary_pod_labels):
        primary = _primary_of_kind(kind, everywhere)
    else:
        known = [{**labels, **_labels(template)} for _, labels, template in found]
        decided = {name for labels in known for name in labels} & set(primary_pod_labels)
        if decided or not primary_pod_labels:
            wanted = [all(labels.get(name) == primary_pod_labels[name] for name in decided) for labels in known]
            primary = list(compress(everywhere, wanted))
        else:
            primary = _primary_of_kind(kind, everywhere)
    return [PodTemplate(_path(place), template, place in primary) for place, _, template in found]


def is_suspended(job: Mapping[str, Any]) -> bool:
    """Return whether a job is told to wait: where its kind says that, or for an unknown one where most kinds do."""
    kind = trial_kind(job.get("apiVersion"), job.get("kind"))
    if kind is None:
        return _field(job, "spec.suspend") is True
    return kind.suspend is not None and _field(job, kind.suspend) == kind.suspend_value


def stays_when_finished(job: Mapping[str, Any]) -> None:
    """Take away, in place, what would have a job delete itself once it has ended, perhaps before anybody has read how."""
    for path in ("spec", "spec.runPolicy"):
        part = _field(job, path)
        if isinstance(part, dict):
            part.pop("ttlSecondsAfterFinished", None)
    if job.get("kind") == "Workflow" and isinstance(job.get("spec"), dict):
        job["spec"].pop("ttlStrategy", None)


def _field(job: Mapping[str, Any], path: str) -> Any:
    found: Any = job
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _primary_of_kind(kind: TrialKind | None, places: Sequence[_Place]) -> list[_Place]:
    """Return the places of the first primary path that a job has; all places where the kind names none."""
    if kind is None or not kind.primary_pod_templates:
        return list(places)
    for path in kind.primary_pod_templates:
        primary = [place for place in places if _is_at(path.split("."), place)]
        if primary:
            return primary
    return []


def _is_at(path: Sequence[str], place: _Place) -> bool:
    """Whether a place is one that a path means; controllers take ``master`` for ``Master``."""
    return len(path) == len(place) and all(
        wanted in (_ANY, step) or wanted.lower() == str(step).lower() for wanted, step in zip(path, place, strict=True)
    )


def _shipped_places(job: dict[str, Any], kind: TrialKind) -> Iterator[tuple[_Place, dict[str, str]]]:
    """Yield the places of a kind's pod templates with the labels that its controller gives."""
    for path in kind.pod_templates:
        stated = kind.template_labels.get(path, {})
        for place, name in _places(job, path.split("."), (), ""):
            yield place, {label: name if value == _ANY else value for label, value in stated.items()}


def _places(value: Any, path: Sequence[str], place: _Place, name: str) -> Iterator[tuple[_Place, str]]:
    """Yield what a path means in a value, each with the name of the item that the last ``*`` stood for."""
    if not path:
        yield place, name
    elif path[0] != _ANY:
        if isinstance(value, dict) and path[0] in value:
            yield from _places(value[path[0]], path[1:], (*place, path[0]), name)
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _places(child, path[1:], (*place, key), str(key).lower())
    elif isinstance(value, list):
        for index, child in enumerate(value):
            named = str(child.get("name", "")) if isinstance(child, dict) else ""
            yield from _places(child, path[1:], (*place, index), named)


def _places_like_templates(value: Any, place: _Place) -> Iterator[_Place]:
    """Yield the places of everything that has ``spec.containers``, outermost first."""
    if place and isinstance(value, dict) and _has_containers(value):
        yield place
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _places_like_templates(child, (*place, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _places_like_templates(child, (*place, index))


def _has_containers(template: dict[str, Any]) -> bool:
    spec = template.get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    return isinstance(containers, list) and bool(containers) and all(isinstance(item, dict) for item in containers)


def _at(job: dict[str, Any], place: _Place) -> dict[str, Any] | None:
    """Return the template at a place; None where the job has something else there."""
    found: Any = job
    for step in place:
        found = found[step]
    return found if isinstance(found, dict) and _has_containers(found) else None


def _labels(template: dict[str, Any]) -> dict[str, str]:
    metadata = template.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}


def _path(place: _Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
