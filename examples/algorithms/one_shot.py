"""DARTS in small: a mixture of operations for each layer, its weights learned by gradient descent, the strongest kept at the end.

As in the paper there are two sets of examples: one for the weights of the operations, one for the choice between them.
"""

import argparse
import json

import numpy as np

OPERATIONS = {
    "convolution_3x3": lambda values: np.convolve(values, np.ones(3) / 3, "same"),
    "convolution_5x5": lambda values: np.convolve(values, np.ones(5) / 5, "same"),
    "max_pooling_3x3": lambda values: np.maximum(np.maximum(np.roll(values, 1), np.roll(values, -1)), values),
    "skip_connection": lambda values: values,
}


def read(text: str) -> object:
    """Return what a text of the service says: JSON with single quotes."""
    return json.loads(text.replace("'", '"'))


def mixed(signal: np.ndarray, alphas: np.ndarray, space: list[str]) -> np.ndarray:
    """Return what all layers make of a signal, each a mixture of all operations."""
    for alpha in alphas:
        shares = np.exp(alpha - alpha.max())
        shares /= shares.sum()
        signal = sum(share * OPERATIONS[name](signal) for share, name in zip(shares, space, strict=True))
    return signal


def loss(alphas: np.ndarray, examples: list[tuple[np.ndarray, np.ndarray]], space: list[str]) -> float:
    """Return how far off the mixture is."""
    return float(np.mean([np.mean((mixed(given, alphas, space) - wanted) ** 2) for given, wanted in examples]))


def search(space: list[str], layers: int, settings: dict) -> None:
    """Print the strongest operation of each layer after every epoch; the last line is the result."""
    rng = np.random.default_rng(0)
    signals = [rng.normal(size=64) for _ in range(4)]
    examples = [(signal, OPERATIONS["convolution_3x3"](signal)) for signal in signals]
    alphas = rng.normal(0, 0.01, (layers, len(space)))
    for epoch in range(int(settings["num_epochs"])):
        slope = np.zeros_like(alphas)
        for place in np.ndindex(alphas.shape):
            aside = np.zeros_like(alphas)
            aside[place] = 1e-4
            above, below = (loss(alphas + sign * aside, examples, space) for sign in (1, -1))
            slope[place] = (above - below) / 2e-4
        alphas -= float(settings["alpha_lr"]) * slope / (np.abs(slope).max() + 1e-12)
        chosen = [space[number] for number in alphas.argmax(axis=1)]
        print(f"epoch={epoch} loss={loss(alphas, examples, space):.6f}")
        print(f"Best-Genotype=Genotype(normal={chosen})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--algorithm-settings", type=read)
    parser.add_argument("--search-space", type=read)
    parser.add_argument("--num-layers", type=int)
    arguments = parser.parse_args()
    search(arguments.search_space, arguments.num_layers, arguments.algorithm_settings)
