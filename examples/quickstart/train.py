"""Train a small neural network on scikit-learn's handwritten digits and print its accuracy after every epoch.

Nothing in here knows that it is being tuned: parameters come in as options, metrics go out as ``name=value`` lines.
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    """Read the options, train, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--hidden-units", type=int, default=32)
    parser.add_argument("--alpha", type=float, default=1e-4, help="L2 penalty")
    parser.add_argument("--activation", choices=["relu", "tanh", "logistic"], default="relu")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()

    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(images, labels, test_size=0.3, random_state=0, stratify=labels)
    scale = make_pipeline(StandardScaler()).fit(train_x)
    train_x, test_x = scale.transform(train_x), scale.transform(test_x)

    network = MLPClassifier(
        hidden_layer_sizes=(options.hidden_units,),
        learning_rate_init=options.learning_rate,
        alpha=options.alpha,
        activation=options.activation,
        random_state=0,
    )
    warnings.simplefilter("ignore", ConvergenceWarning)
    for epoch in range(1, options.epochs + 1):
        network.partial_fit(train_x, train_y, classes=np.unique(labels))
        accuracy = network.score(test_x, test_y)
        loss = log_loss(test_y, network.predict_proba(test_x), labels=network.classes_)
        print(f"epoch {epoch}: accuracy={accuracy:.4f} loss={loss:.4f}")


if __name__ == "__main__":
    main()
