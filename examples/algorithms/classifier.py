"""A logistic regression by gradient descent with momentum: one line for each epoch, so what little training tells can be seen."""

import math
import random
import sys


def data(count: int = 200) -> list[tuple[tuple[float, float, float], int]]:
    """Return points around two centres, each with a 1 for the bias, and the centre they belong to."""
    rng = random.Random(0)
    classes = [rng.randrange(2) for _ in range(count)]
    return [((rng.gauss(2 * label - 1, 1), rng.gauss(1 - 2 * label, 1.5), 1.0), label) for label in classes]


def train(rate: float, momentum: float, epochs: int) -> None:
    """Print the loss after each epoch."""
    points = data()
    weights, speed = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    for _ in range(epochs):
        slope = [0.0, 0.0, 0.0]
        for values, label in points:
            score = sum(weight * value for weight, value in zip(weights, values, strict=True))
            error = 1 / (1 + math.exp(-score)) - label
            slope = [old + error * value / len(points) for old, value in zip(slope, values, strict=True)]
        speed = [momentum * old - rate * change for old, change in zip(speed, slope, strict=True)]
        weights = [weight + change for weight, change in zip(weights, speed, strict=True)]
        loss = 0.0
        for values, label in points:
            score = sum(weight * value for weight, value in zip(weights, values, strict=True))
            loss += math.log1p(math.exp(score if label == 0 else -score)) / len(points)
        print(f"loss={loss}")


if __name__ == "__main__":
    train(float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
