"""``KatibSearchCV``: a search as scikit-learn has them, on our algorithms, in this process.

Everything but the choice of candidates is scikit-learn's own: it is a ``BaseSearchCV`` whose one hook asks an algorithm instead of a
list. No store, no processes but joblib's, nothing to set up.
"""

from __future__ import annotations

import math
import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state

from katib.algorithm import registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.base import KeyValue, ObjectMeta
from katib.api.defaults import with_defaults
from katib.api.experiment import AlgorithmSpec, Experiment, ExperimentSpec, ObjectiveSpec
from katib.api.trial import TrialState
from katib.api.validate.parameters import parameter_problems
from katib.client.search_space import SearchSpace
from katib.errors import AlgorithmError, InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from katib.algorithm.algorithm import Algorithm
    from katib.space.point import Point

__all__ = ["KatibSearchCV"]

_SCORE: Final = "score"
_ALL_FAILED: Final = "fits failed"
"""In the message of scikit-learn's error."""


class KatibSearchCV(BaseSearchCV):  # type: ignore[misc] # it ships no types
    """Search the hyperparameters of an estimator with one of our algorithms, each candidate judged by cross-validation.

    After ``fit`` it has what scikit-learn's own searches have: ``best_params_``, ``best_score_``, ``best_estimator_``, ``best_index_``,
    ``cv_results_``, and the methods of the best estimator. Candidates are compared on the same splits, also where the splitter is
    random. A candidate that cannot be fitted has ``error_score`` and the search goes on; only when none can be it ends with an error.

    Example::

        from sklearn.datasets import load_iris
        from sklearn.svm import SVC
        import katib

        space = {"C": katib.search.double(1e-3, 1e3, log=True), "kernel": ["rbf", "linear"]}
        search = katib.KatibSearchCV(SVC(), space, n_trials=20, random_state=0).fit(*load_iris(return_X_y=True))
        search.best_params_

    Args:
        estimator: What is fitted; a copy of it, with each candidate.
        param_distributions: By name a list of values, a parameter of ``katib.search`` or a frozen distribution of ``scipy.stats``; or a
            list of such dicts, of which each candidate is of one.
        n_trials: How many candidates; fewer where the space has no more.
        algorithm: What chooses them; ``katib algorithms`` lists which there are.
        algorithm_settings: Its settings by name.
        scoring: As in ``RandomizedSearchCV``. Of several metrics the one that ``refit`` names is searched for, else the first one.
        n_jobs: Fits at a time, as in joblib. As many candidates are chosen together as keep them busy.
        refit: As in ``RandomizedSearchCV``.
        cv: As in ``RandomizedSearchCV``.
        verbose: As in ``RandomizedSearchCV``.
        pre_dispatch: As in ``RandomizedSearchCV``.
        random_state: Makes the choice reproducible, for the same ``n_jobs``.
        error_score: The score of a fit that fails, or ``raise``.
        return_train_score: Whether ``cv_results_`` has those as well.

    Raises (in ``fit``):
        InvalidInput: The space, the algorithm or its settings are wrong; the message says how.
        AlgorithmError: The algorithm failed.
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_trials: int = 10,
        algorithm: str = "tpe",
        algorithm_settings: Mapping[str, object] | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable[..., int] = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: Any = None,
        error_score: float | str = np.nan,
        return_train_score: bool = False,
    ) -> None:
        self.param_distributions = param_distributions
        self.n_trials = n_trials
        self.algorithm = algorithm
        self.algorithm_settings = algorithm_settings
        self.random_state = random_state
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def fit(self, X: Any, y: Any = None, **params: Any) -> KatibSearchCV:  # noqa: N803 - scikit-learn's names
        """Search, and fit the best candidate to all of the data, unless ``refit`` says otherwise.

        Args:
            X: The data.
            y: What is to be learnt of it, if anything.
            params: For the estimator's ``fit``, the scorer and the splitter, as in ``RandomizedSearchCV``.
        """
        # A list of splits is one already, and may be read but once.
        is_splitter = self.cv is None or isinstance(self.cv, Integral) or hasattr(self.cv, "split")
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator)) if is_splitter else None
        self._splits = None if splitter is None else _SameSplits(splitter)
        self._rows = _Rows(self.error_score)
        try:
            super().fit(X, y, **params)
        finally:
            del self._splits, self._rows
        return self

    def _run_search(self, evaluate_candidates: Callable[..., dict[str, Any]]) -> None:
        """Ask and evaluate in turns."""
        space = SearchSpace(self.param_distributions)
        count = self._count()
        together = max(1, min(count, math.ceil(effective_n_jobs(self.n_jobs) / self._folds())))
        algorithm = self._algorithm(space, count, together)
        history = History()
        while len(history) < count:
            points = suggest(algorithm, history, min(together, count - len(history)))
            if not points:  # nothing runs, so there is no more to come
                break
            self._evaluate(evaluate_candidates, points, [space.candidate(point) for point in points], history)
        self._rows.finish(self)

    def _evaluate(
        self,
        evaluate_candidates: Callable[..., dict[str, Any]],
        points: Sequence[Point],
        candidates: list[dict[str, Any]],
        history: History,
    ) -> None:
        """Have some points evaluated, and note what came of them."""
        scores: Sequence[float] = [math.nan] * len(points)
        seconds: Sequence[float | None] = [None] * len(points)
        try:
            results = evaluate_candidates(candidates, cv=self._splits)
        except ValueError as error:
            # Where every fit of a call failed, scikit-learn takes it for the end of the search, as its own searches make one call.
            if _ALL_FAILED not in str(error):
                raise
            self._rows.failed(len(history), candidates, error)
        else:
            self._rows.results = results
            column = f"_test_{self._metric(results)}"
            scores = results[f"mean{column}"][-len(points) :]
            folds = sum(name.startswith("split") and name.endswith(column) for name in results)
            seconds = (results["mean_fit_time"] + results["mean_score_time"])[-len(points) :] * folds
        for point, score, duration in zip(points, scores, seconds, strict=True):
            index = history.next_index
            is_measured = math.isfinite(score)
            history.record(
                PastTrial(
                    index=index,
                    name=f"candidate-{index}",
                    point=point,
                    state=TrialState.SUCCEEDED if is_measured else TrialState.FAILED,
                    values=(float(score),) if is_measured else None,
                    labels=point.labels,
                    seconds=None if duration is None else float(duration),
                )
            )

    def _format_results(
        self, candidate_params: Sequence[dict[str, Any]], n_splits: int, out: Sequence[dict[str, Any]], *more: Any
    ) -> Any:
        """Let those that failed altogether have their rows too."""
        whole = self._rows.whole(candidate_params, n_splits, out)
        self._rows.formatted = (candidate_params, n_splits, out, *more)
        with warnings.catch_warnings():
            if not self._rows.are_all:  # of scores that are no numbers it is enough to hear once
                warnings.filterwarnings("ignore", message=".*non-finite", category=UserWarning)
            return super()._format_results(whole[0], n_splits, whole[1], *more)

    def _metric(self, results: Mapping[str, Any]) -> str:
        """Return which of the metrics is searched for."""
        found = [name.removeprefix("mean_test_") for name in results if name.startswith("mean_test_")]
        if _SCORE in found and len(found) == 1:
            return _SCORE
        return self.refit if isinstance(self.refit, str) and self.refit in found else found[0]

    def _folds(self) -> int:
        """Return how many fits a candidate takes, for how many of them keep the workers busy."""
        try:
            return len(self.cv) if self._splits is None else self._splits.get_n_splits()
        except (TypeError, ValueError):  # it takes data to say
            return 1

    def _count(self) -> int:
        if isinstance(self.n_trials, bool) or not isinstance(self.n_trials, Integral) or self.n_trials < 1:
            raise InvalidInput([Problem("n_trials", "must be a whole number of at least 1", repr(self.n_trials))])
        return int(self.n_trials)

    def _algorithm(self, space: SearchSpace, count: int, together: int) -> Algorithm:
        settings = [
            KeyValue(name=str(name), value=str(value)) for name, value in (self.algorithm_settings or {}).items()
        ]
        experiment = Experiment(
            metadata=ObjectMeta(name=type(self).__name__),
            spec=ExperimentSpec(
                parameters=space.parameters,
                objective=ObjectiveSpec(type="maximize", objective_metric_name=_SCORE),
                algorithm=AlgorithmSpec(algorithm_name=str(self.algorithm), algorithm_settings=settings),
                parallel_trial_count=together,
                max_trial_count=count,
            ),
        )
        problems = list(parameter_problems(experiment.spec))
        if problems:
            raise InvalidInput(problems)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return registry.create(with_defaults(experiment), seed)


class _SameSplits:
    """A splitter that splits once: candidates that are evaluated one after the other are compared on the same parts."""

    def __init__(self, splitter: Any) -> None:
        self._splitter = splitter
        self._splits: list[Any] | None = None

    def split(self, X: Any, y: Any = None, **more: Any) -> Iterator[Any]:  # noqa: N803 - scikit-learn's names
        if self._splits is None:
            self._splits = list(self._splitter.split(X, y, **more))
        return iter(self._splits)

    def get_n_splits(self, *arguments: Any, **more: Any) -> int:
        return int(self._splitter.get_n_splits(*arguments, **more))

    def __reduce__(self) -> tuple[type[_SameSplits], tuple[Any]]:
        # As with ``_Rows``: the splits go with each fit that wants them.
        return _SameSplits, (None,)


class _Rows:
    """Which candidates of a search failed altogether: scikit-learn has no rows for them, as it expects all candidates at once."""

    def __init__(self, error_score: Any) -> None:
        self._error_score = error_score
        self._failed: dict[int, dict[str, Any]] = {}
        self._error: ValueError | None = None
        self.results: dict[str, Any] | None = None
        self.formatted: tuple[Any, ...] | None = None
        self.are_all = False

    def __reduce__(self) -> tuple[type[_Rows], tuple[Any]]:
        # With each fit the search goes to another process, which wants none of this.
        return _Rows, (self._error_score,)

    def failed(self, first: int, candidates: Sequence[dict[str, Any]], error: ValueError) -> None:
        """Note that these failed, whose places begin with ``first``."""
        self._failed.update(enumerate(candidates, first))
        self._error = error
        details = str(error).rpartition("-----\n")[2].strip()  # without the advice for a search that is over
        warnings.warn(f"{len(candidates)} candidates could not be fitted: {details}", FitFailedWarning, stacklevel=5)

    def whole(
        self, candidates: Sequence[dict[str, Any]], n_splits: int, out: Sequence[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return candidates and the outcomes of their fits, with those that failed in their places."""
        rest = iter(range(len(candidates)))
        whole_candidates, whole_out = [], []
        for place in range(len(candidates) + len(self._failed)):
            if place in self._failed:
                whole_candidates.append(self._failed[place])
                whole_out += [self._outcome(out[split]) for split in range(n_splits)]
            else:
                number = next(rest)
                whole_candidates.append(candidates[number])
                whole_out += out[number * n_splits : (number + 1) * n_splits]
        return whole_candidates, whole_out

    def _outcome(self, other: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outcome of a fit that failed, of the shape of another one."""
        failed = dict(other)
        for name in ("test_scores", "train_scores"):
            if name in other:
                scores = other[name]
                failed[name] = (
                    dict.fromkeys(scores, self._error_score) if isinstance(scores, dict) else self._error_score
                )
        failed.update(dict.fromkeys(("fit_time", "score_time"), 0.0))
        return failed

    def finish(self, search: KatibSearchCV) -> None:
        """Bring the results up to the last candidate; raise if there are none at all."""
        if self.results is None or self.formatted is None:
            raise self._error or AlgorithmError(f"algorithm {search.algorithm!r} chose no candidate at all")
        self.are_all = True
        results = search._format_results(*self.formatted)  # noqa: SLF001 - of this module
        self.results.clear()  # the very one that scikit-learn goes on with
        self.results.update(results)
