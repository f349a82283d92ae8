"""scikit-learn's own checks for searches, on ours: as it checks its ``RandomizedSearchCV``, and with the one exception it makes there."""

import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator
from threadpoolctl import threadpool_limits

import katib

SEARCHES = {
    "regressor": (make_pipeline(PCA(), Ridge()), {"ridge__alpha": [0.1, 1.0]}),
    "classifier": (LogisticRegression(max_iter=5), {"C": katib.search.double(0.1, 1.0, log=True)}),
}
AS_RANDOMIZED_SEARCH = {"check_supervised_y_2d": "DataConversionWarning not caught"}


def search(kind):
    estimator, space = SEARCHES[kind]
    return katib.KatibSearchCV(estimator, space, n_trials=2, cv=2, error_score="raise", random_state=0)


def checks():
    for kind in SEARCHES:
        for estimator, check in estimator_checks_generator(
            search(kind), expected_failed_checks=AS_RANDOMIZED_SEARCH, mark="skip"
        ):
            name = check.func.__name__ if hasattr(check, "func") else check.__name__
            # Arrays of other libraries are for estimators that say they take them; those libraries are not here.
            if "array_api" not in name:
                yield pytest.param(estimator, check, id=f"{kind}-{name}")


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


@pytest.mark.filterwarnings("ignore::Warning")  # the checks count those that they mean
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learns_checks(estimator, check):
    check(estimator)
