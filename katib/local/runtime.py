"""What runs an experiment's trials on this machine, kept as an annotation, so that a resumed trial runs as the first one did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from katib.api.experiment import Experiment

__all__ = ["PROCESS", "RUNTIME", "runtime_of", "with_runtime"]

RUNTIME: Final = "katib.kubeflow.org/local-runtime"
"""The annotation's name."""
PROCESS: Final = "process"
"""The container's command as a process; the others are ``docker`` and ``podman``."""


def with_runtime(experiment: Experiment, runtime: str) -> Experiment:
    """Note the runtime; the one that everybody has need not be noted."""
    if runtime == PROCESS:
        return experiment
    annotations = {**(experiment.metadata.annotations or {}), RUNTIME: runtime}
    return experiment.model_copy(
        update={"metadata": experiment.metadata.model_copy(update={"annotations": annotations})}
    )


def runtime_of(experiment: Experiment) -> str:
    """Return the runtime that was noted."""
    return (experiment.metadata.annotations or {}).get(RUNTIME, PROCESS)
