"""Hyperparameter tuning: Katib v1beta1 experiments on one machine or on Kubernetes.

What people write in notebooks and training scripts is here by its short name; everything else is imported from the package that owns it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from katib.client import search
    from katib.client.current_trial import CurrentTrial, current_trial
    from katib.client.reporting import report_metrics, reporting
    from katib.client.search_cv import KatibSearchCV

__all__ = [
    "CurrentTrial",
    "KatibSearchCV",
    "current_trial",
    "report_metrics",
    "reporting",
    "search",
]

_WHERE: Final = {
    "CurrentTrial": "katib.client.current_trial",
    "KatibSearchCV": "katib.client.search_cv",
    "current_trial": "katib.client.current_trial",
    "report_metrics": "katib.client.reporting",
    "reporting": "katib.client.reporting",
}
"""The module that each name is from."""
_MODULES: Final = {"search": "katib.client.search"}


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
