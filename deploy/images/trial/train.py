# ruff: noqa: INP001, T201 - a script of an image, which prints its metrics
"""Logistic regression on two noisy clouds of points, by gradient descent: a trainer that is small, real and the same every time.

python3 train.py --learning-rate 0.1 --momentum 0.9 --batch-size 64 --epochs 10
"""

import argparse
import sys
import time

import numpy as np


def clouds(seed: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points of ten dimensions and their labels; no line parts them all."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, points)
    centres = random.normal(size=(2, 10))
    return centres[labels] + random.normal(scale=1.6, size=(points, 10)), labels


def probabilities(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the probability of label one for each point."""
    return 1 / (1 + np.exp(-np.clip(points @ weights[:-1] + weights[-1], -30, 30)))


def measure(points: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return loss and accuracy."""
    guessed = np.clip(probabilities(points, weights), 1e-12, 1 - 1e-12)
    loss = -np.mean(labels * np.log(guessed) + (1 - labels) * np.log(1 - guessed))
    return float(loss), float(np.mean(np.round(guessed) == labels))


def main() -> int:
    """Train, and print the metrics of every epoch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learning-rate", "--lr", type=float, default=0.05)
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seconds-per-epoch", type=float, default=0.0, help="as if the data were larger")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fail-at-epoch", type=int, default=0, help="for tests: end with code 3 there")
    options = parser.parse_args()

    points, labels = clouds(7, 2000)  # the data are the same for every seed of the training
    train, valid = slice(0, 1500), slice(1500, None)
    random = np.random.default_rng(options.seed)
    weights, velocity = np.zeros(11), np.zeros(11)
    for epoch in range(1, options.epochs + 1):
        if epoch == options.fail_at_epoch:
            print(f"failing at epoch {epoch}, as told", file=sys.stderr)
            return 3
        order = random.permutation(1500)
        for start in range(0, 1500, options.batch_size):
            rows = order[start : start + options.batch_size]
            error = probabilities(points[train][rows], weights) - labels[train][rows]
            gradient = np.append(points[train][rows].T @ error, error.sum()) / len(rows)
            velocity = options.momentum * velocity - options.learning_rate * gradient
            weights = weights + velocity
        time.sleep(options.seconds_per_epoch)
        loss, accuracy = measure(points[valid], labels[valid], weights)
        print(f"epoch={epoch} loss={loss:.6f} accuracy={accuracy:.4f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
