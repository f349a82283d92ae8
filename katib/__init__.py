"""Hyperparameter tuning: Katib v1beta1 experiments on one machine or on Kubernetes.

What people write in notebooks and training scripts is here by its short name; everything else is imported from the package that owns it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from katib import viz
    from katib.client import search
    from katib.client.current_trial import CurrentTrial, current_trial
    from katib.client.katib_client import KatibClient
    from katib.client.models import (
        V1beta1AlgorithmSetting,
        V1beta1AlgorithmSpec,
        V1beta1CollectorSpec,
        V1beta1ConfigMapSource,
        V1beta1EarlyStoppingRule,
        V1beta1EarlyStoppingSetting,
        V1beta1EarlyStoppingSpec,
        V1beta1Experiment,
        V1beta1ExperimentCondition,
        V1beta1ExperimentList,
        V1beta1ExperimentSpec,
        V1beta1ExperimentStatus,
        V1beta1FeasibleSpace,
        V1beta1FileSystemPath,
        V1beta1FilterSpec,
        V1beta1GraphConfig,
        V1beta1Metric,
        V1beta1MetricsCollectorSpec,
        V1beta1MetricStrategy,
        V1beta1NasConfig,
        V1beta1ObjectiveSpec,
        V1beta1Observation,
        V1beta1Operation,
        V1beta1OptimalTrial,
        V1beta1ParameterAssignment,
        V1beta1ParameterSpec,
        V1beta1SourceSpec,
        V1beta1Suggestion,
        V1beta1SuggestionCondition,
        V1beta1SuggestionList,
        V1beta1SuggestionSpec,
        V1beta1SuggestionStatus,
        V1beta1Trial,
        V1beta1TrialAssignment,
        V1beta1TrialCondition,
        V1beta1TrialList,
        V1beta1TrialParameterSpec,
        V1beta1TrialSource,
        V1beta1TrialSpec,
        V1beta1TrialStatus,
        V1beta1TrialTemplate,
    )
    from katib.client.reporting import report_metrics, reporting
    from katib.client.search_cv import KatibSearchCV
    from katib.client.sweep import TuneResult, tune
    from katib.client.trainer_parameters import (
        HuggingFaceDatasetParams,
        HuggingFaceModelParams,
        HuggingFaceTrainerParams,
        S3DatasetParams,
    )
    from katib.client.trial_jobs import (
        BASE_IMAGE_PYTORCH,
        BASE_IMAGE_TENSORFLOW,
        BASE_IMAGE_TENSORFLOW_GPU,
        TrainerResources,
    )

__all__ = [
    "BASE_IMAGE_PYTORCH",
    "BASE_IMAGE_TENSORFLOW",
    "BASE_IMAGE_TENSORFLOW_GPU",
    "CurrentTrial",
    "HuggingFaceDatasetParams",
    "HuggingFaceModelParams",
    "HuggingFaceTrainerParams",
    "KatibClient",
    "KatibSearchCV",
    "S3DatasetParams",
    "TrainerResources",
    "TuneResult",
    "V1beta1AlgorithmSetting",
    "V1beta1AlgorithmSpec",
    "V1beta1CollectorSpec",
    "V1beta1ConfigMapSource",
    "V1beta1EarlyStoppingRule",
    "V1beta1EarlyStoppingSetting",
    "V1beta1EarlyStoppingSpec",
    "V1beta1Experiment",
    "V1beta1ExperimentCondition",
    "V1beta1ExperimentList",
    "V1beta1ExperimentSpec",
    "V1beta1ExperimentStatus",
    "V1beta1FeasibleSpace",
    "V1beta1FileSystemPath",
    "V1beta1FilterSpec",
    "V1beta1GraphConfig",
    "V1beta1Metric",
    "V1beta1MetricStrategy",
    "V1beta1MetricsCollectorSpec",
    "V1beta1NasConfig",
    "V1beta1ObjectiveSpec",
    "V1beta1Observation",
    "V1beta1Operation",
    "V1beta1OptimalTrial",
    "V1beta1ParameterAssignment",
    "V1beta1ParameterSpec",
    "V1beta1SourceSpec",
    "V1beta1Suggestion",
    "V1beta1SuggestionCondition",
    "V1beta1SuggestionList",
    "V1beta1SuggestionSpec",
    "V1beta1SuggestionStatus",
    "V1beta1Trial",
    "V1beta1TrialAssignment",
    "V1beta1TrialCondition",
    "V1beta1TrialList",
    "V1beta1TrialParameterSpec",
    "V1beta1TrialSource",
    "V1beta1TrialSpec",
    "V1beta1TrialStatus",
    "V1beta1TrialTemplate",
    "current_trial",
    "models",
    "report_metrics",
    "reporting",
    "search",
    "tune",
    "viz",
]

_WHERE: Final = {
    "CurrentTrial": "katib.client.current_trial",
    "KatibSearchCV": "katib.client.search_cv",
    "current_trial": "katib.client.current_trial",
    "report_metrics": "katib.client.reporting",
    "reporting": "katib.client.reporting",
    "KatibClient": "katib.client.katib_client",
    "TrainerResources": "katib.client.trial_jobs",
    "BASE_IMAGE_PYTORCH": "katib.client.trial_jobs",
    "BASE_IMAGE_TENSORFLOW": "katib.client.trial_jobs",
    "BASE_IMAGE_TENSORFLOW_GPU": "katib.client.trial_jobs",
    **dict.fromkeys(
        ("HuggingFaceDatasetParams", "HuggingFaceModelParams", "HuggingFaceTrainerParams", "S3DatasetParams"),
        "katib.client.trainer_parameters",
    ),
    "TuneResult": "katib.client.sweep",
    "tune": "katib.client.sweep",
    # Katib's models, by their names in its client.
    **dict.fromkeys((name for name in __all__ if name.startswith("V1beta1")), "katib.client.models"),
}
"""The module that each name is from."""
_MODULES: Final = {"models": "katib.client.models", "search": "katib.client.search", "viz": "katib.viz"}


def __getattr__(name: str) -> object:
    # Lazy, so that `import katib` costs a training script nothing until it reports.
    import importlib

    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
