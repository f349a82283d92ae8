"""The custom resources of the API server that the operator reads and writes, and the labels and annotations it puts on them."""

from __future__ import annotations

from typing import Final

from katib.kube.resource import Resource

__all__ = [
    "ATTEMPT",
    "COMPONENT_LABEL",
    "EXPERIMENTS",
    "EXPERIMENT_LABEL",
    "EXPERIMENT_UID_LABEL",
    "FIELD_MANAGER",
    "IMPORTED",
    "INDEX",
    "RECENT_REQUESTS",
    "REQUEST_ID",
    "RUN_BY_CALLERS",
    "STOP",
    "STOPPING",
    "SUGGESTIONS",
    "TRIALS",
    "TRIAL_LABEL",
]

EXPERIMENTS: Final = Resource("kubeflow.org", "v1beta1", "experiments", "Experiment")
TRIALS: Final = Resource("kubeflow.org", "v1beta1", "trials", "Trial")
SUGGESTIONS: Final = Resource("kubeflow.org", "v1beta1", "suggestions", "Suggestion")

FIELD_MANAGER: Final = "katib-operator"
COMPONENT_LABEL: Final = "katib.kubeflow.org/component"
EXPERIMENT_LABEL: Final = "katib.kubeflow.org/experiment"
TRIAL_LABEL: Final = "katib.kubeflow.org/trial"
EXPERIMENT_UID_LABEL: Final = "katib.kubeflow.org/experiment-uid"
"""Tells the trials of two experiments apart that had one name after each other."""
INDEX: Final = "katib.kubeflow.org/trial-index"
ATTEMPT: Final = "katib.kubeflow.org/trial-attempt"
IMPORTED: Final = "katib.kubeflow.org/trial-imported"
STOPPING: Final = "katib.kubeflow.org/stopping"
"""On a Trial: the order to end it, as JSON."""
STOP: Final = "katib.kubeflow.org/stop"
"""On an Experiment: its user wants it to end now (``"true"``); taken away, it goes on."""
REQUEST_ID: Final = "katib.kubeflow.org/request-id"
"""On an Experiment: digests of the request that made it, so that the same one again finds it, and another one does not."""
RECENT_REQUESTS: Final = "katib.kubeflow.org/recent-requests"
"""On an Experiment: digests of the last requests that changed it, each of which is not carried out again."""
RUN_BY_CALLERS: Final = "katib.kubeflow.org/run-by-callers"
"""On an Experiment that was created without a template: ``"true"``. Its trials are Leases, for callers to hold."""
