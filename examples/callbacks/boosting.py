"""Trains a boosted model with the values of its trial; by hand with LightGBM's own."""

from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import katib
from katib.client.callbacks.lightgbm import KatibCallback

trial = katib.current_trial()
data, labels = load_breast_cancer(return_X_y=True)
fitted, judged, fitted_labels, judged_labels = train_test_split(data, labels, random_state=0)

model = LGBMClassifier(n_estimators=40, n_jobs=1, verbose=-1, **(trial.parameters if trial else {}))
model.fit(
    fitted,
    fitted_labels,
    eval_X=judged,
    eval_y=judged_labels,
    callbacks=[KatibCallback({"valid_0-binary_logloss": "loss"})],
)
print(f"accuracy={model.score(judged, judged_labels):.4f}")
