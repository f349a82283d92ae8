"""A Gaussian process on the unit cube: the model scikit-optimize calls GP, fitted by a gradient that stays cheap.

Matern 5/2 with a length scale for each parameter, an amplitude and Gaussian noise (Rasmussen and Williams, 2006; Snoek, Larochelle and
Adams, 2012). It is no algorithm and knows no trials: rows of numbers and their values go in, means and deviations come out.

Why not scikit-optimize's own: its fit builds an array of rows x rows x columns for each step and its prediction sums over three
indices without BLAS, which makes 11 seconds a call at 300 trials. Here both are matrix products. Its length scales have no prior,
so that ten points in twenty dimensions fit any of them; here they have a weak one (Hvarfner, Hellsten and Nardi, 2024).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["GaussianProcess"]

_ROOT5: Final = 5**0.5
_JITTER: Final = 1e-9
_AMPLITUDE: Final = (0.05, 50.0)
_LENGTH: Final = (0.02, 50.0)
_NOISE: Final = (1e-7, 2.0)


class GaussianProcess:
    """Regression with mean 0; values should be standardised.

    Args:
        groups: For each column the number of its parameter; the columns of one parameter share a length scale.

    Attributes:
        rows: What it knows the values at.
    """

    def __init__(self, groups: Array) -> None:
        import numpy as np

        self._groups = groups
        scales = int(groups.max()) + 1 if len(groups) else 0
        # Logarithms of amplitude, length scales and noise. With more parameters points are farther apart, and each matters less.
        self._prior = np.array([0.0, *[np.log(0.4) + 0.5 * np.log(max(scales, 1))] * scales, np.log(1e-3)])
        self._deviation = np.array([1.0, *[1.0] * scales, 2.5])
        self._bounds = [tuple(np.log(bound)) for bound in (_AMPLITUDE, *[_LENGTH] * scales, _NOISE)]
        self._theta = self._prior
        self.rows: Any = None
        self._values: Any = None

    def fit(self, rows: Array, values: Array, *, steps: int) -> None:
        """Find the hyperparameters of greatest posterior probability; at most ``steps`` steps from each of two starts."""
        import numpy as np
        from scipy.optimize import minimize

        wavy = self._prior.copy()
        wavy[1:-1] -= 1.0
        wavy[-1] = np.log(0.1)
        found = [
            minimize(
                self._loss,
                start,
                args=(rows, values),
                jac=True,
                method="L-BFGS-B",
                bounds=self._bounds,
                options={"maxiter": steps},
            )
            for start in (self._prior, wavy)
        ]
        self._theta = min(found, key=lambda result: float(result.fun)).x

    def condition(self, rows: Array, values: Array) -> None:
        """Put these in the place of what the process knew; the hyperparameters stay."""
        import numpy as np
        from scipy.linalg import cho_solve, cholesky

        amplitude, self._scale, noise = self._taken(self._theta)
        self.rows, self._values, self._amplitude = rows, values, amplitude
        kernel = amplitude * _matern(rows / self._scale, rows / self._scale)[0]
        kernel[np.diag_indices_from(kernel)] += noise + _JITTER
        self._factor = cholesky(kernel, lower=True, check_finite=False)
        self._weights = cho_solve((self._factor, True), values, check_finite=False)

    def add(self, rows: Array, values: Array) -> None:
        """Know some rows more."""
        import numpy as np

        self.condition(np.vstack([self.rows, rows]), np.append(self._values, values))

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation at each row, without the noise."""
        import numpy as np
        from scipy.linalg import solve_triangular

        kernel = self._amplitude * _matern(rows / self._scale, self.rows / self._scale)[0]
        known = solve_triangular(self._factor, kernel.T, lower=True, check_finite=False)
        variance = self._amplitude - np.einsum("ij,ij->j", known, known)
        return kernel @ self._weights, np.sqrt(np.maximum(variance, 1e-12))

    def gradient(self, row: Array) -> tuple[float, float, Array, Array]:
        """Return mean and deviation at one row, and the gradient of each."""
        import numpy as np
        from scipy.linalg import cho_solve

        scaled = (row - self.rows) / self._scale
        distance = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
        decay = np.exp(-_ROOT5 * distance)
        kernel = self._amplitude * (1 + _ROOT5 * distance + 5 / 3 * distance**2) * decay
        slope = -self._amplitude * 5 / 3 * ((1 + _ROOT5 * distance) * decay)[:, None] * scaled / self._scale
        solved = cho_solve((self._factor, True), kernel, check_finite=False)
        deviation = float(np.sqrt(max(self._amplitude - float(kernel @ solved), 1e-12)))
        return float(kernel @ self._weights), deviation, self._weights @ slope, -(solved @ slope) / deviation

    def _taken(self, theta: Array) -> tuple[float, Array, float]:
        """Take amplitude, the length scale of each column and noise apart."""
        import numpy as np

        natural = np.exp(theta)
        return float(natural[0]), natural[1:-1][self._groups], float(natural[-1])

    def _loss(self, theta: Array, rows: Array, values: Array) -> tuple[float, Array]:
        """Return the negative logarithm of the posterior density and its gradient."""
        import numpy as np
        from scipy.linalg import LinAlgError, cho_solve, cholesky

        amplitude, scale, noise = self._taken(theta)
        scaled = rows / scale
        correlation, slope = _matern(scaled, scaled)
        kernel = amplitude * correlation
        kernel[np.diag_indices_from(kernel)] += noise + _JITTER
        try:
            factor = cholesky(kernel, lower=True, check_finite=False)
        except LinAlgError:  # hardly ever: two equal rows and rounding
            return 1e25, np.zeros_like(theta)
        weights = cho_solve((factor, True), values, check_finite=False)
        away = (theta - self._prior) / self._deviation
        loss = 0.5 * values @ weights + np.log(np.diag(factor)).sum() + 0.5 * away @ away
        inner = np.outer(weights, weights) - cho_solve((factor, True), np.eye(len(rows)), check_finite=False)
        # Sums of inner x slope x (difference of two rows in one column) ** 2, for all columns at once.
        product = inner * slope * amplitude
        columns = product.sum(axis=1) @ scaled**2 - np.einsum("ij,ij->j", scaled, product @ scaled)
        lengths = np.bincount(self._groups, columns, minlength=len(theta) - 2)
        gain = np.array([0.5 * amplitude * (inner * correlation).sum(), *lengths, 0.5 * noise * np.trace(inner)])
        return float(loss), away / self._deviation - gain


def _matern(left: Array, right: Array) -> tuple[Array, Array]:
    """Return the correlations of scaled rows, and their slopes by the logarithm of a length scale, before the differences."""
    import numpy as np

    square = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    distance = np.sqrt(np.maximum(square, 0.0))
    decay = np.exp(-_ROOT5 * distance)
    return (1 + _ROOT5 * distance + 5 / 3 * distance**2) * decay, 5 / 3 * (1 + _ROOT5 * distance) * decay
