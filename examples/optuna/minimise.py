"""Optuna with its studies in Katib's store: ``python minimise.py [katib.db]``. Start it in several shells to share the work.

Afterwards ``katib`` and everything else that reads runs knows the study; and an experiment of ``katib run`` in the same store is a
study that ``optuna.load_study`` and ``optuna.visualization`` read.
"""

import sys

import optuna

from katib.store.optuna import KatibStorage


def objective(trial: optuna.Trial) -> float:
    """Return what is to be small."""
    x = trial.suggest_float("x", -10, 10)
    shape = trial.suggest_categorical("shape", ["bowl", "valley"])
    for step in range(5):
        trial.report(x * x / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x * x + (1.0 if shape == "valley" else 0.0)


def main() -> None:
    """Run twenty trials more, and print the best so far."""
    storage = KatibStorage(sys.argv[1] if len(sys.argv) > 1 else "katib.db")
    study = optuna.create_study(study_name="minimise", storage=storage, load_if_exists=True)
    study.optimize(objective, n_trials=20)
    print(f"{len(study.trials)} trials, best {study.best_value:.3f} with {study.best_params}")
    print("beside it:", ", ".join(optuna.get_all_study_names(storage)))


if __name__ == "__main__":
    main()
