"""One sweep for three places: processes of this machine, a ``katib up`` server, a cluster. Only ``--backend`` differs.

python sweep.py
python sweep.py --backend grpc --address localhost:6790
python sweep.py --backend kubernetes
"""

from __future__ import annotations

import argparse

import katib


def train(lr: float, layers: int, activation: str) -> dict[str, float]:
    """Stand in for a training: a loss with one valley, and how good that is."""
    import math

    loss = (math.log10(lr) + 2) ** 2 + 0.1 * abs(layers - 3) + (0.0 if activation == "relu" else 0.2)
    return {"loss": loss, "accuracy": math.exp(-loss)}


def main() -> None:
    """Run the sweep where the command line says."""
    options = argparse.ArgumentParser(description="Tune the arguments of a function.")
    options.add_argument("--backend", choices=["local", "grpc", "kubernetes"], default="local")
    options.add_argument("--address", help="of the server, for grpc; else KATIB_SERVER")
    options.add_argument("--trials", type=int, default=12)
    options.add_argument("--image", default="python:3.11-slim", help="of a cluster's trials")
    chosen = options.parse_args()

    with katib.KatibClient(backend=chosen.backend, address=chosen.address) as client:
        result = katib.tune(
            train,
            {
                "lr": katib.search.double(1e-5, 1e-1, log=True),
                "layers": katib.search.int(1, 6),
                "activation": katib.search.categorical(["relu", "tanh"]),
            },
            client=client,
            objective_metric_name="loss",
            objective_type="minimize",
            additional_metric_names=["accuracy"],
            max_trial_count=chosen.trials,
            parallel_trial_count=4,
            base_image=chosen.image,
            seed=1,
        )
    print(f"best loss {result.best_value:.4f} with {result.best_parameters}")


if __name__ == "__main__":
    main()
