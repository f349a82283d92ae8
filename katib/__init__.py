"""Hyperparameter tuning: Katib v1beta1 experiments on one machine or on Kubernetes.

``katib.report_metrics`` is for use inside a trial; everything else is imported from the package that owns it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from katib.metrics.reporter import report_metrics

__all__ = ["report_metrics"]


def __getattr__(name: str) -> object:
    # Lazy, so that `import katib` costs a training script nothing until it reports.
    if name == "report_metrics":
        from katib.metrics.reporter import report_metrics

        return report_metrics
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
