"""A network of the architecture it is given, fitted to a curve: its hidden layers are random, only the last one is learned.

That takes milliseconds, and still tells good architectures from bad ones: some activations suit the curve, and layers that are fed by
earlier ones see more of it.
"""

import argparse
import json

import numpy as np

ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda values: np.maximum(values, 0.0),
    "sine": np.sin,
}


def read(text: str) -> object:
    """Return what a text of the controller says: JSON with single quotes."""
    return json.loads(text.replace("'", '"'))


def train(architecture: list[list[int]], network: dict) -> None:
    """Print how much of the curve's variation the network explains."""
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 400)[:, None]
    wanted = np.sin(9 * x) * np.exp(-x) + 0.3 * x
    outputs: list[np.ndarray] = []
    given = x
    for operation, *skips in architecture:
        parameters = network["embedding"][str(operation)]["opt_params"]
        width, activation = int(parameters["units"]), ACTIVATIONS[parameters["activation"]]
        fed = [given, *(output for output, skip in zip(outputs, skips, strict=True) if skip)]
        joined = np.concatenate(fed, axis=1)
        weights = rng.normal(0, 3 / np.sqrt(joined.shape[1]), (joined.shape[1], width))
        given = activation(joined @ weights + rng.uniform(-1, 1, width))
        outputs.append(given)
    features, answers = np.concatenate([given, np.ones_like(x)], axis=1), wanted
    learned, held_out = slice(0, None, 2), slice(1, None, 2)
    ridge = features[learned].T @ features[learned] + 1e-3 * np.eye(features.shape[1])
    solved = np.linalg.solve(ridge, features[learned].T @ answers[learned])
    errors = features[held_out] @ solved - answers[held_out]
    print(f"explained={1 - float(np.mean(errors**2) / np.var(answers[held_out])):.6f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--architecture", type=read)
    parser.add_argument("--nn_config", type=read)
    arguments = parser.parse_args()
    train(arguments.architecture, arguments.nn_config)
