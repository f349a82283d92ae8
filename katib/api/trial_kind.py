"""What is known of the kinds of jobs that trials can be: data of ``trial_templates``, one folder a kind, and nothing else.

A kind that is not shipped is as good as one that is, once the experiment says how its end is recognised. What is here saves people
from saying it, and tells where the pods of a job are described, so that the collector can be put into them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from katib.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

__all__ = ["TrialKind", "trial_kind", "trial_kinds"]

_PACKAGE: Final = "trial_templates"
_PROFILE: Final = "profile.yaml"


@dataclass(frozen=True, slots=True)
class TrialKind:
    """One kind of job.

    Attributes:
        api_version: The version that is documented; a kind is known by its group and name in every version.
        kind: Its name.
        plural: Its name in addresses of the API.
        pod_templates: Paths of its pod templates; ``*`` stands for every key of a mapping and every item of a list.
        primary_pod_templates: Which of them makes the primary pod: the first path that a job has. More exact than labels.
        template_labels: By path of ``pod_templates``, labels that the kind's controller gives to those pods. The value ``*`` is the
            key (in lower case) or the ``name`` of the item that ``*`` in the path stands for.
        primary_pod_labels: What Katib fills in for ``primaryPodLabels``; empty where it fills in nothing.
        success_condition: GJSON; matches once the job has succeeded.
        failure_condition: GJSON; matches once it has failed.
        running_condition: GJSON; matches while something of it runs. None: a job that is there counts as running.
        suspend: Path of the field that suspends it; None where it cannot be suspended.
        suspend_value: What that field is set to.
        pods_by: ``template``: its pods are described in the job, and what rendering puts there is in the pod. ``controller``: they
            are made of something else, and only a webhook could change them.
    """

    api_version: str
    kind: str
    plural: str
    success_condition: str
    failure_condition: str
    pod_templates: tuple[str, ...] = ()
    primary_pod_templates: tuple[str, ...] = ()
    template_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    primary_pod_labels: Mapping[str, str] = field(default_factory=dict)
    running_condition: str | None = None
    suspend: str | None = None
    suspend_value: Any = True
    pods_by: Literal["template", "controller"] = "template"

    @property
    def group(self) -> str:
        """The API group: ``batch`` of ``batch/v1``."""
        return _group(self.api_version)


def trial_kind(api_version: object, kind: object) -> TrialKind | None:
    """Return what is known of a kind, in any version of its group; None where its conditions have to be in the experiment.

    Args:
        api_version: As in the job; anything else than text is no kind.
        kind: As in the job.
    """
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return None
    # The folder is looked up, never made of what a user wrote.
    found = _read(kind.lower()) if kind.lower() in _folders() else None
    return found if found is not None and (found.group, found.kind) == (_group(api_version), kind) else None


def trial_kinds() -> tuple[TrialKind, ...]:
    """Return every kind that is shipped, in alphabetical order."""
    return tuple(_read(name) for name in sorted(_folders()))


def _group(api_version: str) -> str:
    group, slash, _ = api_version.rpartition("/")
    return group if slash else ""


@cache
def _folders() -> Mapping[str, Traversable]:
    from importlib.resources import files

    try:
        package = files(_PACKAGE)
    except ModuleNotFoundError as error:
        raise Unsupported(f"this installation of katib is not whole: its part {_PACKAGE} is missing") from error
    return {entry.name: entry for entry in package.iterdir() if entry.joinpath(_PROFILE).is_file()}


@cache
def _read(name: str) -> TrialKind:
    from katib.api.document import load

    (document,) = load(_folders()[name].joinpath(_PROFILE).read_bytes(), source=f"{name}/{_PROFILE}")
    return _kind_of(document.content)


def _kind_of(profile: Mapping[str, Any]) -> TrialKind:
    templates = profile.get("podTemplates", [])
    suspend = profile.get("suspend", {})
    return TrialKind(
        api_version=profile["apiVersion"],
        kind=profile["kind"],
        plural=profile["plural"],
        success_condition=profile["successCondition"],
        failure_condition=profile["failureCondition"],
        pod_templates=tuple(template["path"] for template in templates),
        primary_pod_templates=tuple(profile.get("primaryPodTemplates", ())),
        template_labels={template["path"]: template["labels"] for template in templates if "labels" in template},
        primary_pod_labels=profile.get("primaryPodLabels", {}),
        running_condition=profile.get("runningCondition"),
        suspend=suspend.get("path"),
        suspend_value=suspend.get("value", True),
        pods_by=profile.get("podsBy", "template"),
    )
