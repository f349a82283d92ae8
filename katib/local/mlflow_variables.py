"""What lets a trial log to its own run with MLflow's client, without a word of ours in its program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.errors import NotFound

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.store.full_store import FullStore

__all__ = ["MlflowVariables"]


class MlflowVariables:
    """The environment variables of MLflow's client for the trials of an experiment.

    Args:
        store: Which has the trials.
        experiment: As the store gave it.
        uri: Where ``katib serve store --http-address`` serves that store; None for nowhere.
    """

    def __init__(self, store: FullStore, experiment: Experiment, uri: str | None) -> None:
        self._namespace = experiment.metadata.namespace or "default"
        self._tracking = store.tracking(self._namespace)
        self._uid = experiment.metadata.uid or ""
        self._uri = uri

    def of(self, trial: str) -> dict[str, str]:
        """Return the variables of a recorded trial; none where there is no server."""
        if not self._uri:
            return {}
        try:
            run = self._tracking.run_named(self._uid, trial, ())
        except NotFound:
            return {}
        return {"MLFLOW_TRACKING_URI": self._uri, "MLFLOW_RUN_ID": run.id, "MLFLOW_WORKSPACE": self._namespace}
