"""``KatibSearchCV`` on real estimators: what it finds, what it leaves, and what becomes of fits that fail."""

import math
import pickle
import threading
import warnings

import joblib
import numpy as np
import pytest
import sklearn
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GroupKFold, KFold, RandomizedSearchCV, ShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

import katib
from katib.errors import InvalidInput

# ruff: noqa: ARG001, ARG002, N803, S301 - estimators as scikit-learn wants them; pickles of our own


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


X, Y = make_classification(n_samples=60, n_features=5, random_state=0)
DEPTHS = {"max_depth": katib.search.int(1, 8)}


class Peak(BaseEstimator):
    """Scores best where ``x`` is 0.3, and cannot be fitted where it is one of ``broken``."""

    def __init__(self, x=0.0, broken=()):
        self.x = x
        self.broken = broken

    def fit(self, X, y=None):
        if self.x in self.broken:
            message = f"{self.x} is broken"
            raise RuntimeError(message)
        self.fitted_ = True
        return self

    def score(self, X, y=None):
        return -((self.x - 0.3) ** 2)


def searched(estimator=None, space=None, *, X=X, y=Y, fit=None, **more):
    settings = {"n_trials": 6, "cv": 3, "random_state": 0} | more
    search = katib.KatibSearchCV(estimator or DecisionTreeClassifier(random_state=0), space or DEPTHS, **settings)
    return search.fit(X, y, **(fit or {}))


def test_it_finds_the_peak_and_fits_it():
    search = searched(Peak(), {"x": katib.search.double(-1, 1)}, n_trials=40)
    assert search.best_params_["x"] == pytest.approx(0.3, abs=0.1)
    assert search.best_estimator_.x == search.best_params_["x"]
    assert search.best_estimator_.fitted_
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    assert search.cv_results_["rank_test_score"][search.best_index_] == 1


def test_same_random_state_gives_the_same_search():
    space = {"x": stats.uniform(-1, 2), "broken": [(), (5,)]}
    first, again, other = (searched(Peak(), space, random_state=seed) for seed in (3, 3, 4))
    assert first.cv_results_["params"] == again.cv_results_["params"] != other.cv_results_["params"]


@pytest.mark.parametrize("algorithm", ["bayesianoptimization", "cmaes", "grid", "random", "sobol", "tpe"])
def test_algorithms(algorithm):
    space = {"x": katib.search.double(-1, 1, step=0.1)}
    search = searched(Peak(), space, algorithm=algorithm, n_trials=8)
    assert len(search.cv_results_["params"]) == 8


def test_settings_of_the_algorithm():
    search = searched(Peak(), {"x": stats.uniform(-1, 2)}, algorithm_settings={"n_startup_trials": 2})
    assert len(search.cv_results_["params"]) == 6
    with pytest.raises(InvalidInput, match="is not a setting of algorithm 'tpe'"):
        searched(algorithm_settings={"n_startup": 2})


def test_exhausted_space_ends_the_search():
    search = searched(Peak(), {"x": [0.0, 0.3, 1.0]}, algorithm="grid", n_trials=50)
    assert sorted(search.cv_results_["param_x"]) == [0.0, 0.3, 1.0]


@pytest.mark.parametrize(
    "more", [{}, {"return_train_score": True}, {"scoring": ["accuracy", "f1"], "refit": "f1"}, {"refit": False}]
)
def test_results_are_laid_out_as_scikit_learns(more):
    ours = searched(SVC(), {"C": [1.0, 2.0], "kernel": ["rbf", "linear"]}, algorithm="grid", n_trials=4, **more)
    theirs = RandomizedSearchCV(
        SVC(), {"C": [1.0, 2.0], "kernel": ["rbf", "linear"]}, n_iter=4, cv=3, random_state=0, **more
    ).fit(X, Y)
    assert set(ours.cv_results_) == set(theirs.cv_results_)

    def rows(search):
        fixed = [key for key in search.cv_results_ if "test" in key or "train" in key]
        found = {}
        for index, params in enumerate(search.cv_results_["params"]):
            found[tuple(sorted(params.items()))] = [search.cv_results_[key][index] for key in fixed]
        return found

    assert rows(ours) == rows(theirs)
    for key, column in theirs.cv_results_.items():
        assert type(ours.cv_results_[key]) is type(column)
        assert getattr(ours.cv_results_[key], "dtype", None) == getattr(column, "dtype", None)
    public = {name for name in vars(theirs) if name.endswith("_")}
    assert {name for name in vars(ours) if name.endswith("_")} == public


def test_several_metrics_and_a_callable_that_chooses():
    def second(results):
        assert "mean_test_f1" in results
        return 1

    search = searched(scoring={"accuracy": make_scorer(accuracy_score), "f1": "f1"}, refit=second)
    assert search.best_index_ == 1
    assert search.best_params_ == search.cv_results_["params"][1]
    assert not hasattr(search, "best_score_")
    assert search.predict(X).shape == Y.shape

    def both(estimator, X, y):
        right = float(np.mean(estimator.predict(X) == y))
        return {"right": right, "wrong": 1 - right}

    by_callable = searched(scoring=both, refit="right")
    assert by_callable.multimetric_
    assert by_callable.best_score_ == max(by_callable.cv_results_["mean_test_right"])


def test_values_may_be_estimators_and_nothing():
    pipeline = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())])
    space = [
        {"model": [DecisionTreeClassifier(random_state=0)], "model__max_depth": [1, 2, None]},
        {"scale": [None, MinMaxScaler()], "model__C": stats.loguniform(1e-2, 1e2)},
    ]
    search = searched(pipeline, space, n_trials=12)
    kinds = {frozenset(params) for params in search.cv_results_["params"]}
    assert kinds == {frozenset({"model", "model__max_depth"}), frozenset({"scale", "model__C"})}
    assert search.predict(X).shape == Y.shape


class TestFailures:
    SPACE = {"x": [0.0, 0.1, 0.2, 0.3, 0.4]}

    @pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
    @pytest.mark.parametrize("broken", [(0.0,), (0.2,), (0.4,), (0.0, 0.1), (0.3, 0.4), (0.0, 0.2, 0.4)])
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_candidate_that_cannot_be_fitted_has_its_row_and_the_search_goes_on(self, broken, jobs):
        with joblib.parallel_backend("threading", n_jobs=jobs), warnings.catch_warnings():
            warnings.simplefilter("ignore", FitFailedWarning)
            search = searched(Peak(broken=broken), self.SPACE, algorithm="grid", n_trials=5, cv=2)
        results = search.cv_results_
        assert list(results["param_x"]) == self.SPACE["x"]
        wanted = [math.nan if x in broken else -((x - 0.3) ** 2) for x in self.SPACE["x"]]
        np.testing.assert_allclose(results["mean_test_score"], wanted)
        np.testing.assert_allclose(results["split1_test_score"], wanted)
        assert search.best_params_["x"] == min(set(self.SPACE["x"]) - set(broken), key=lambda x: abs(x - 0.3))
        assert results["rank_test_score"][self.SPACE["x"].index(broken[0])] > 5 - len(broken)
        assert "_rows" not in vars(search)

    def test_it_says_so_once(self):
        with pytest.warns(Warning) as said:  # noqa: PT030 - of two kinds
            searched(Peak(broken=(0.2,)), self.SPACE, algorithm="grid", n_trials=5)
        failed, not_finite = [str(warning.message) for warning in said]
        assert "1 candidates could not be fitted" in failed
        assert "0.2 is broken" in failed
        assert "non-finite" in not_finite

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
    def test_all_of_them_failing_is_an_error(self):
        with pytest.raises(ValueError, match=r"fits failed(.|\n)*is broken"):
            searched(Peak(broken=self.SPACE["x"]), self.SPACE)

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
    def test_error_score(self):
        with pytest.raises(RuntimeError, match="is broken"):
            searched(Peak(broken=self.SPACE["x"]), self.SPACE, error_score="raise")
        search = searched(
            Peak(broken=(0.2,)), self.SPACE, algorithm="grid", n_trials=5, error_score=-9.0, return_train_score=True
        )
        assert search.cv_results_["mean_test_score"][2] == search.cv_results_["mean_train_score"][2] == -9.0

    def test_score_that_is_no_number(self):
        def score(estimator, X, y):
            return math.nan if estimator.x < 0 else estimator.x

        with pytest.warns(UserWarning, match="non-finite"):
            search = searched(Peak(), {"x": katib.search.double(-1, 1)}, scoring=score, n_trials=12)
        assert search.best_params_["x"] > 0


def test_random_splits_are_the_same_for_all_candidates():
    seen = []

    class Watching(Peak):
        def score(self, X, y=None):
            seen.append(X[:, 0].sum())
            return super().score(X, y)

    searched(Watching(), {"x": stats.uniform(-1, 2)}, cv=ShuffleSplit(2, random_state=np.random.RandomState(0)))
    assert len(seen) == 12
    assert len(set(seen)) == 2


def test_splits_may_be_a_list_that_is_read_once(capsys):
    halves = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    search = searched(Peak(), {"x": stats.uniform(-1, 2)}, cv=iter(halves), verbose=1)
    assert search.n_splits_ == 2
    assert len(search.cv_results_["split1_test_score"]) == 6
    assert "Fitting 2 folds for each of 1 candidates" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:The scoring .* does not support sample_weight")
def test_groups_and_fit_parameters_are_passed_on():
    weighed = []

    class Weighing(Peak):
        def fit(self, X, y=None, sample_weight=None):
            weighed.append(len(sample_weight))
            return super().fit(X, y)

    space = {"x": stats.uniform(-1, 2)}
    fit = {"sample_weight": np.ones(len(X)), "groups": np.arange(len(X)) % 3}
    searched(Weighing(), space, cv=GroupKFold(3), fit=fit, n_trials=2)
    assert weighed == [40] * 6 + [60]

    with sklearn.config_context(enable_metadata_routing=True):
        routed = Ridge().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        search = katib.KatibSearchCV(routed, {"alpha": [1.0, 2.0]}, n_trials=2, cv=KFold(2))
        search.fit(X, Y, sample_weight=np.ones(len(X)))
    assert search.best_params_["alpha"] in (1.0, 2.0)


def test_candidates_that_keep_all_workers_busy_are_chosen_together():
    barrier = threading.Barrier(4, timeout=60)

    class Meeting(Peak):
        def fit(self, X, y=None):
            barrier.wait()  # four fits run at a time, or none ends
            return super().fit(X, y)

    with joblib.parallel_backend("threading"):
        search = searched(Meeting(), {"x": stats.uniform(-1, 2)}, n_jobs=4, cv=2, n_trials=8, refit=False)
    assert len(search.cv_results_["params"]) == 8


def test_processes_of_joblib():
    try:
        search = searched(n_jobs=2, n_trials=4)
    finally:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)
    assert len(search.cv_results_["params"]) == 4


def test_copies_and_pickles():
    search = katib.KatibSearchCV(DecisionTreeClassifier(random_state=1), DEPTHS, n_trials=3, cv=2, random_state=0)
    with pytest.raises(NotFittedError):
        search.predict(X)
    twin = clone(search).set_params(estimator__max_features=2, n_trials=2)
    assert twin.fit(X, Y).best_estimator_.max_features == 2
    assert search.estimator.max_features is None
    loaded = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(search)).fit(X, Y)))
    assert (loaded.predict(X) == search.fit(X, Y).predict(X)).all()
    assert loaded.cv_results_["params"] == search.cv_results_["params"]
    assert "KatibSearchCV" in repr(loaded)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"n_trials": 0}, "n_trials: must be a whole number of at least 1"),
        ({"n_trials": 2.5}, "n_trials"),
        ({"n_trials": True}, "n_trials"),
        ({"algorithm": "tep"}, "did you mean 'tpe'"),
        ({"algorithm": "grid", "space": {"max_depth": stats.uniform(1, 2)}}, "grid"),
        ({"algorithm": "enas"}, "networks"),
        ({"space": {"max_depth": []}}, "must have at least one value"),
    ],
)
def test_mistakes_are_said(more, said):
    with pytest.raises(InvalidInput, match=said):
        searched(**more)


def test_name_that_the_estimator_does_not_have_is_scikit_learns_error():
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        searched(space={"depth": [1, 2]})
