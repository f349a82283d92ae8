"""Whether metrics can be collected from an experiment's trials at all: asked once when it is admitted, not by each trial in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.base import ObjectMeta
from katib.api.trial import Trial, TrialSpec
from katib.errors import InvalidInput
from katib.template.checkpoint_mount import CheckpointMount, checkpoint_path
from katib.template.collection import CollectorSettings, with_collector

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.errors import Problem

__all__ = ["collection_problems"]


def collection_problems(experiment: Experiment, *, webhook: bool) -> list[Problem]:
    """Return why the collector cannot be put into the pods of an experiment's trials; empty when it can.

    Args:
        experiment: Admitted, with its template inline.
        webhook: Whether one sees the pods that controllers make of something else than a pod template.
    """
    spec, template = experiment.spec, experiment.spec.trial_template
    if template is None:
        return []
    trial = Trial(
        metadata=ObjectMeta(name=experiment.metadata.name, namespace=experiment.metadata.namespace),
        spec=TrialSpec(
            objective=spec.objective,
            run_spec=template.trial_spec,
            metrics_collector=spec.metrics_collector_spec,
            primary_pod_labels=template.primary_pod_labels,
            primary_container_name=template.primary_container_name,
        ),
    )
    try:
        path = checkpoint_path(experiment)
        mount = CheckpointMount(path, experiment.metadata.name, claim="checkpoints") if path else None
        settings = CollectorSettings(image="collector", store_address="store", webhook=webhook, checkpoints=mount)
        with_collector(trial, settings)
    except InvalidInput as error:
        return list(error.problems)
    return []
