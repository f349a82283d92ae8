"""What a process of ``test_optuna_storage.py`` does on a study; its arguments are what, where and which study."""

import json
import os
import signal
import sys
import warnings

import optuna

from katib.store.optuna import KatibStorage


def claim(study):
    """Run what waits until nothing does, and print the numbers."""
    numbers = []
    while (trial_id := study._pop_waiting_trial_id()) is not None:
        numbers.append(study._storage.get_trial_number_from_id(trial_id))
    sys.stdout.write(json.dumps(numbers))


def tell(study):
    """Run twenty trials."""
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=20)


def die(study):
    """Be killed in the middle of a trial."""

    def objective(trial):
        trial.suggest_float("x", 0, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    study.optimize(objective, n_trials=1)


if __name__ == "__main__":
    what, place, name = sys.argv[1:]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    storage = KatibStorage(place, heartbeat_interval=1 if what == "die" else None)
    globals()[what](optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler()))
