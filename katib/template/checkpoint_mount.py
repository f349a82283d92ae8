"""The folder in which a trial finds its parent's checkpoint and leaves its own, in the pod: for algorithms that hand checkpoints on.

All trials of an experiment share a volume, and each of them is shown its own folder of it, at the path that Katib's setting
``suggestion_trial_dir`` names. The folder is made, as a copy of the parent's, by a container of the same pod that ends before the
trainer begins: no server has to have the volume.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.algorithm.lineage import TRIAL_FOLDER
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import Experiment

__all__ = ["CHECKPOINT_CONTAINER", "CheckpointMount", "checkpoint_path", "mount_checkpoints"]

CHECKPOINT_CONTAINER: Final = "katib-checkpoint"
"""The name of the container that makes the folder, where no container of the template has it."""
_VOLUME: Final = "suggestion-volume"
"""Katib's name of the volume."""
_ALL: Final = "/checkpoints"
_VARIABLE: Final = "KATIB_TRIAL_DIR"
_OWN_TO_THE_POD: Final = ("emptyDir", "configMap", "secret", "downwardAPI", "projected", "ephemeral")


@dataclass(frozen=True, slots=True)
class CheckpointMount:
    """Where the checkpoints of an experiment are.

    Attributes:
        path: At which a trial finds its own.
        experiment: Whose folder of the volume has those of all its trials.
        claim: Of the volume, where the template mounts none at the path.
        parent: The trial whose checkpoint this one begins with; empty for none.
    """

    path: str
    experiment: str
    claim: str
    parent: str = ""


def checkpoint_path(experiment: Experiment) -> str:
    """Return the path at which trials of an experiment find their checkpoints; empty where they hand none on."""
    algorithm = experiment.spec.algorithm
    for setting in (algorithm.algorithm_settings if algorithm else None) or ():
        if setting.name == TRIAL_FOLDER:
            return posixpath.normpath(setting.value)
    return ""


def mount_checkpoints(
    pod_spec: dict[str, Any], trainer: dict[str, Any], place: str, mount: CheckpointMount, trial: str
) -> dict[str, Any]:
    """Show a trainer its folder, in place, and return what the container that makes it wants beside an image and an account.

    Args:
        pod_spec: Of the pod.
        trainer: Its primary container.
        place: The path of that, for messages.
        mount: Where the checkpoints are.
        trial: The trial's name.

    Raises:
        InvalidInput: What the template mounts there cannot be shared by trials.
    """
    path = posixpath.normpath(mount.path)
    mounts = trainer.get("volumeMounts") or []
    found = next((each for each in mounts if posixpath.normpath(str(each.get("mountPath") or "/")) == path), None)
    if found is None:
        volumes = pod_spec.get("volumes") or []
        name = _free(_VOLUME, {str(volume.get("name")) for volume in volumes})
        pod_spec["volumes"] = [*volumes, {"name": name, "persistentVolumeClaim": {"claimName": mount.claim}}]
        found = {"name": name, "mountPath": mount.path}
        trainer["volumeMounts"] = [*mounts, found]
    else:
        _check(pod_spec, found, f"{place}.volumeMounts")
    shared = posixpath.join(found.get("subPath") or "", mount.experiment)
    found["subPath"] = posixpath.join(shared, trial)
    if not any(variable.get("name") == _VARIABLE for variable in trainer.get("env") or ()):
        trainer["env"] = [*(trainer.get("env") or []), {"name": _VARIABLE, "value": mount.path.replace("$", "$$")}]
    of_trainer = (trainer.get("securityContext") or {}).get("runAsUser")
    of_pod = (pod_spec.get("securityContext") or {}).get("runAsUser")
    known = bool(of_trainer if of_trainer is not None else of_pod)
    names = {str(each.get("name")) for group in ("initContainers", "containers") for each in pod_spec.get(group) or ()}
    return {
        "name": _free(CHECKPOINT_CONTAINER, names),
        "command": [
            *("python", "-m", "katib.runners.checkpoint_folder"),
            *(() if known else ("--open",)),
            *(_ALL, trial),
            *([mount.parent] if mount.parent else []),
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": found["name"], "mountPath": _ALL, "subPath": shared}],
    }


def _check(pod_spec: Mapping[str, Any], mount: Mapping[str, Any], where: str) -> None:
    """Refuse a mount of the template that no checkpoint would outlive, or that cannot be divided."""
    volume: Mapping[str, Any] = next(
        (each for each in pod_spec.get("volumes") or () if each.get("name") == mount.get("name")), {}
    )
    own = next((kind for kind in _OWN_TO_THE_POD if kind in volume), None)
    if own is not None:
        message = (
            f"has {'an' if own[0] in 'aeiou' else 'a'} {own} where trials hand on their checkpoints, and that ends with its pod; mount a "
            "persistentVolumeClaim there, or nothing, and the experiment gets a claim of its own"
        )
        raise InvalidInput([Problem(where, message, mount.get("mountPath"))])
    if "subPathExpr" in mount or mount.get("readOnly"):
        what = "a subPathExpr" if "subPathExpr" in mount else "readOnly"
        message = f"has a volume with {what} where trials hand on their checkpoints: each trial is given a folder of it"
        raise InvalidInput([Problem(where, message, mount.get("mountPath"))])


def _free(name: str, taken: set[str]) -> str:
    return next(each for each in (name, *(f"{name}-{number}" for number in range(2, 1_000))) if each not in taken)
