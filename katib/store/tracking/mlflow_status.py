"""The states of runs in MLflow's words, which filters and MLflow's clients use."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from katib.api.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MLFLOW_STATUSES"]

MLFLOW_STATUSES: Final[Mapping[TrialState, str]] = MappingProxyType(
    {
        TrialState.CREATED: "SCHEDULED",
        TrialState.RUNNING: "RUNNING",
        TrialState.SUCCEEDED: "FINISHED",
        TrialState.EARLY_STOPPED: "FINISHED",
        TrialState.KILLED: "KILLED",
        TrialState.FAILED: "FAILED",
        TrialState.METRICS_UNAVAILABLE: "FAILED",
    }
)
