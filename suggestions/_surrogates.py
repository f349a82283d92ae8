"""Models of the objective and what a point promises by them: two kinds of model with one face, and the acquisition functions.

Rows and values go in, means, deviations and promises come out; which points are looked at is not decided here.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from suggestions._gaussian_process import GaussianProcess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from suggestions._model_rows import Cube

    Array = NDArray[Any]

__all__ = ["Process", "Trees", "promise"]

_FITTED_ROWS: Final = 200
"""Trials the hyperparameters of a Gaussian process are fitted to at most."""
_STEPS: Final = 50
_CLIMB: Final = 20
_MARGIN: Final = 0.1
"""By how much PI wants to improve, in deviations of the results: with scikit-optimize's 0.01 it never leaves the first good place."""


class Process:
    """A Gaussian process that knows the results and believes its predictions of what has none yet.

    Attributes:
        rows: What it was told of.
        known: How many of them, the first ones, have results.
        best: The value to improve on.
    """

    def __init__(self, cube: Cube, rows: Array, values: Array) -> None:
        self._process = GaussianProcess(cube.groups)
        fitted = slice(None)
        if len(rows) > _FITTED_ROWS:
            # Every second or third row: results lie in the order of their trials, so that good and bad ones are among them.
            fitted = slice(None, None, -(-len(rows) // _FITTED_ROWS))
        self._process.fit(rows[fitted], values[fitted], steps=_STEPS)
        self._process.condition(rows, values)
        self.rows, self.known = rows, len(rows)
        # The least prediction and not the least result, which may be a lucky one of noisy results.
        self.best = float(self._process.predict(rows)[0].min())

    def believe(self, rows: Array) -> None:
        """Know the predictions at these rows as if they were results."""
        predicted = self._process.predict(rows)[0]
        self._process.add(rows, predicted)
        self.rows = self._process.rows
        # What is promised is promised once: the next point has to be better still.
        self.best = min(self.best, float(predicted.min()))

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and deviation."""
        return self._process.predict(rows)

    def cheapness(self, rows: Array) -> Array:
        """Return, of a process whose values are logarithms of times, the logarithm of what one over the time is expected to be."""
        mean, deviation = self._process.predict(rows)
        return -mean + 0.5 * deviation**2

    def climbed(self, name: str, start: Array, free: Array, times: Process | None = None) -> Array:
        """Return the row, of those that differ from the start in free columns only, that promises most nearby.

        Args:
            name: The acquisition function.
            start: A row.
            free: Which of its columns may change.
            times: Knows the logarithms of times, for what is promised per second.
        """
        import numpy as np
        from scipy.optimize import minimize

        def loss(part: Array) -> tuple[float, Array]:
            row = start.copy()
            row[free] = part
            mean, deviation, mean_slope, deviation_slope = self._process.gradient(row)
            worth, by_mean, by_deviation = promise(name, np.array(mean), np.array(deviation), self.best)
            slope = by_mean * mean_slope + by_deviation * deviation_slope
            if times is not None:
                mean, deviation, mean_slope, deviation_slope = times._process.gradient(row)  # noqa: SLF001 - of its own class
                worth = worth - mean + 0.5 * deviation**2
                slope = slope - mean_slope + deviation * deviation_slope
            return -float(worth), -slope[free]

        found = minimize(
            loss,
            start[free],
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, 1.0)] * int(free.sum()),
            options={"maxiter": _CLIMB},
        )
        end = start.copy()
        end[free] = np.clip(found.x, 0.0, 1.0)
        return end


class Trees:
    """One of scikit-optimize's tree models, fitted again whenever it is told of points without a result.

    Its attributes are those of ``Process``.
    """

    def __init__(self, kind: str, rows: Array, values: Array, seed: int) -> None:
        self._kind, self._seed = kind, seed
        self.rows, self._values, self.known = rows, values, len(rows)
        self._fit()
        self.best = float(values.min())

    def _fit(self) -> None:
        import numpy as np
        from skopt.utils import cook_estimator

        self._model = cook_estimator(self._kind, random_state=np.random.RandomState(self._seed))
        with warnings.catch_warnings():
            # scikit-optimize still calls scikit-learn as it was some versions ago.
            warnings.simplefilter("ignore")
            self._model.fit(self.rows, self._values)

    def believe(self, rows: Array) -> None:
        """Know a mediocre result at these rows: what trees predict themselves would not make them any surer of it."""
        import numpy as np

        self.rows, self._values = np.vstack([self.rows, rows]), np.append(self._values, np.zeros(len(rows)))
        self._fit()

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and deviation."""
        import numpy as np

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._kind == "GBRT":
                # Its own deviation needs a function that numpy 2.4 has no more.
                low, mean, high = self._model.predict(rows, return_quantiles=True).T
                deviation = (high - low) / 2
            else:
                mean, deviation = self._model.predict(rows, return_std=True)
        return mean, np.maximum(deviation, 1e-6)


def promise(name: str, mean: Array, deviation: Array, best: float) -> tuple[Array, Array, Array]:
    """Return what an acquisition function gives (large is good) and its derivatives by mean and deviation."""
    import numpy as np
    from scipy.special import erfcx, log_ndtr, ndtr

    if name == "LCB":
        kappa = 1.96  # scikit-optimize's
        return kappa * deviation - mean, -np.ones_like(mean), np.full_like(mean, kappa)
    margin = _MARGIN if name == "PI" else 0.0
    u = np.maximum((best - margin - mean) / deviation, -1e4)
    if name == "PI":
        worth = log_ndtr(u)
        rise = np.exp(-0.5 * u**2 - 0.5 * np.log(2 * np.pi) - worth)
        return worth, -rise / deviation, -rise * u / deviation
    # EI = deviation * h(u), h = density + u * ndtr(u), which far below 0 is a difference of nearly equal numbers.
    low = np.minimum(u, -1.0)
    mills = np.sqrt(np.pi / 2) * erfcx(-low / np.sqrt(2))
    rest = np.maximum(1 + low * mills, 1e-12)
    high = np.maximum(u, -1.0)
    direct = np.exp(-0.5 * high**2) / np.sqrt(2 * np.pi) + high * ndtr(high)
    log_h = np.where(u < -1, -0.5 * low**2 - 0.5 * np.log(2 * np.pi) + np.log(rest), np.log(direct))
    rise = np.where(u < -1, mills / rest, ndtr(high) / direct)
    return np.log(deviation) + log_h, -rise / deviation, (1 - rise * u) / deviation
