"""For XGBoost."""

from __future__ import annotations

from typing import Any

from xgboost.callback import TrainingCallback

from katib.client.callbacks.progress import Chosen, Progress

__all__ = ["KatibCallback"]


class KatibCallback(TrainingCallback):  # type: ignore[misc] # it may not be installed where types are checked
    """Report each evaluation of XGBoost's, and end the training when its trial is to end.

    Metrics are called as XGBoost prints them: ``validation_0-logloss``, ``eval-rmse``. Its iteration is the step.

    Example::

        XGBClassifier(callbacks=[KatibCallback({"validation_0-logloss": "loss"})]).fit(X, y, eval_set=[(X_val, y_val)])

    Args:
        metrics: Which are reported, perhaps by other names; all by default.
    """

    def __init__(self, metrics: Chosen = None) -> None:
        super().__init__()
        self._progress = Progress(metrics)

    def before_training(self, model: Any) -> Any:
        """Listen from the beginning."""
        self._progress.should_stop()
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, list[Any]]]) -> bool:  # noqa: ARG002 - the library calls it so
        """Report, and say whether to end."""
        values = {f"{data}-{name}": _last(log) for data, logs in evals_log.items() for name, log in logs.items()}
        self._progress.report(values, epoch)
        return self._progress.should_stop()


def _last(log: list[Any]) -> Any:
    """Return the last value; of cross-validation there is its deviation beside it."""
    return log[-1][0] if isinstance(log[-1], tuple) else log[-1]
