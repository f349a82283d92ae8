"""A trial runs in the folder of its experiment file, as it would in the image's working directory on a cluster.

The folder is kept as an annotation of the experiment, so that a resumed trial runs where the first one did.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from katib.runners.container import pod_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import Experiment

__all__ = ["SOURCE_FOLDER", "run_in_source_folder", "with_source_folder"]

SOURCE_FOLDER: Final = "katib.kubeflow.org/source-folder"
"""The annotation's name."""


def with_source_folder(experiment: Experiment, source: str) -> Experiment:
    """Note where the experiment's file lies; one from standard input belongs to the working folder."""
    folder = Path(source).parent if source and source != "-" else Path()
    annotations = {**(experiment.metadata.annotations or {}), SOURCE_FOLDER: str(folder.absolute())}
    return experiment.model_copy(
        update={"metadata": experiment.metadata.model_copy(update={"annotations": annotations})}
    )


def run_in_source_folder(job: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    """Return the job with every container's working directory absolute: below the source folder unless it says otherwise."""
    folder = (experiment.metadata.annotations or {}).get(SOURCE_FOLDER)
    if folder is None:
        return dict(job)
    placed = copy.deepcopy(dict(job))
    pod = pod_spec(placed)
    for container in [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]:
        container["workingDir"] = str(Path(folder) / (container.get("workingDir") or ""))
    return placed
