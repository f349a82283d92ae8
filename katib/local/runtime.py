"""What runs an experiment's trials, kept as annotations: a resumed trial runs as the first one did, and a cluster's is left to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.store.tracking.recording import CLUSTER

if TYPE_CHECKING:
    from katib.api.experiment import Experiment

__all__ = [
    "KUBERNETES",
    "PROCESS",
    "RUNTIME",
    "WORKERS",
    "is_of_cluster",
    "is_run_by_callers",
    "of_cluster",
    "runtime_of",
    "with_runtime",
]

RUNTIME: Final = "katib.kubeflow.org/local-runtime"
"""The annotation's name."""
_DRIVER: Final = "katib.kubeflow.org/driver"
_CLUSTER: Final = "cluster"
PROCESS: Final = "process"
"""The container's command as a process; the others are ``docker`` and ``podman``."""

KUBERNETES: Final = "kubernetes"
"""A job of a cluster; not on this machine."""

WORKERS: Final = "workers"
"""Whoever asks for trials and tells how they went; the experiment has no trial template."""


def with_runtime(experiment: Experiment, runtime: str) -> Experiment:
    """Note the runtime; the one that everybody has need not be noted."""
    if runtime == PROCESS:
        return experiment
    return _annotated(experiment, RUNTIME, runtime)


def of_cluster(experiment: Experiment, cluster: str = "") -> Experiment:
    """Note, in the store's copy of an experiment, that a cluster's operator drives it, and of which cluster where that is known."""
    noted = _annotated(experiment, _DRIVER, _CLUSTER)
    return _annotated(noted, CLUSTER, cluster) if cluster else noted


def is_of_cluster(experiment: Experiment) -> bool:
    """Whether a cluster's operator drives an experiment."""
    return (experiment.metadata.annotations or {}).get(_DRIVER) == _CLUSTER


def is_run_by_callers(experiment: Experiment) -> bool:
    """Whether the trials of an experiment are given to those who ask for them (``katib up``), and not started by anybody here."""
    return runtime_of(experiment) == WORKERS


def _annotated(experiment: Experiment, name: str, text: str) -> Experiment:
    annotations = {**(experiment.metadata.annotations or {}), name: text}
    return experiment.model_copy(
        update={"metadata": experiment.metadata.model_copy(update={"annotations": annotations})}
    )


def runtime_of(experiment: Experiment) -> str:
    """Return the runtime that was noted."""
    return (experiment.metadata.annotations or {}).get(RUNTIME, PROCESS)
