"""A training that goes on from where its parent stopped: a score that grows fast with a good learning rate, and a rate that ages.

The best rate falls as the score grows, as it does in real training, so no fixed rate is good throughout. It is the toy problem of
population based training: what counts is that the checkpoint is taken over and left behind.
"""

import json
import os
import sys
from pathlib import Path

STEPS = 10


def best_rate(score: float) -> float:
    """Return the learning rate that helps most at a score."""
    return 0.02 / (1 + 4 * score)


def train(rate: float, folder: Path) -> None:
    """Print the score after each step, and leave it for the next trial."""
    checkpoint = folder / "checkpoint.json"
    state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"step": 0, "score": 0.0}
    for _ in range(STEPS):
        distance = abs(rate / best_rate(state["score"]) - 1)
        state = {"step": state["step"] + 1, "score": state["score"] + 0.01 * max(1 - distance, 0)}
        print(f"step={state['step']} score={state['score']:.6f}")
    new = checkpoint.with_suffix(".new")
    new.write_text(json.dumps(state))
    new.replace(checkpoint)  # a checkpoint is whole or the old one


if __name__ == "__main__":
    train(float(sys.argv[1]), Path(os.environ.get("KATIB_TRIAL_DIR") or sys.argv[2]))
