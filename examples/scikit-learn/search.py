"""A search as scikit-learn has them, on one of our algorithms: nothing to set up, nothing left behind."""

from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import katib

data, labels = load_digits(return_X_y=True)
fitted, judged, fitted_labels, judged_labels = train_test_split(data, labels, random_state=0)

search = katib.KatibSearchCV(
    make_pipeline(StandardScaler(), SVC()),
    {
        "svc__C": katib.search.double(1e-2, 1e3, log=True),
        "svc__gamma": loguniform(1e-4, 1e-1),  # scipy's distributions are understood
        "svc__kernel": ["rbf", "poly"],  # and lists
    },
    n_trials=15,
    cv=3,
    random_state=0,
)
search.fit(fitted, fitted_labels)
print(f"best {search.best_params_} with {search.best_score_:.3f}")
print(f"on data it has not seen: {search.score(judged, judged_labels):.3f}")
