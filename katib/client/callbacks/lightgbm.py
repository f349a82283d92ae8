"""For LightGBM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightgbm.callback import EarlyStopException

from katib.client.callbacks.progress import Chosen, Progress

if TYPE_CHECKING:
    from lightgbm.callback import CallbackEnv

__all__ = ["KatibCallback"]


class KatibCallback:
    """Report each evaluation of LightGBM's, and end the training when its trial is to end.

    Metrics are called as LightGBM prints them, with a dash: ``valid_0-binary_logloss``. Its iteration is the step.

    Example::

        LGBMClassifier().fit(X, y, eval_X=X_val, eval_y=y_val, callbacks=[KatibCallback({"valid_0-binary_logloss": "loss"})])

    Args:
        metrics: Which are reported, perhaps by other names; all by default.
    """

    order = 25
    """Behind those that print and record, before LightGBM's own that stop early."""
    before_iteration = False

    def __init__(self, metrics: Chosen = None) -> None:
        self._progress = Progress(metrics)

    def __call__(self, env: CallbackEnv) -> None:
        """Report one iteration, and end the training if it is to end."""
        results = env.evaluation_result_list or []
        self._progress.report({f"{data}-{name}": value for data, name, value, *_ in results}, env.iteration)
        if self._progress.should_stop():
            raise EarlyStopException(env.iteration, results)
