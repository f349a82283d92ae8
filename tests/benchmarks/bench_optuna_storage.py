"""What Optuna waits for in our storage, beside its own for SQL databases, in the same run on the same disk.

Samplers cost time too: ``random`` costs next to none, so it shows the storage; ``tpe`` is Optuna's default, and ``in memory`` is what it
costs without any storage. Both storages make every change durable before they return.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import optuna
from optuna.trial import create_trial

from katib.store.optuna import KatibStorage

TRIALS = 1_000
OTHERS = 100
MANY = 10_000
SAMPLERS = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}


def told(storage, sampler, trials):
    """Return trials a second of ask, two parameters and tell."""
    study = optuna.create_study(storage=storage, sampler=SAMPLERS[sampler](seed=1))
    start = time.perf_counter()
    for _ in range(trials):
        trial = study.ask()
        x = trial.suggest_float("x", -5, 5)
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        study.tell(trial, x * x + "abc".index(kind))
    return trials / (time.perf_counter() - start)


def finished(rng):
    """Return a finished trial with two parameters and a report."""
    x = rng.uniform(-5, 5)
    return create_trial(
        params={"x": x, "kind": rng.choice("abc")},
        distributions={
            "x": optuna.distributions.FloatDistribution(-5, 5),
            "kind": optuna.distributions.CategoricalDistribution(["a", "b", "c"]),
        },
        intermediate_values={1: x},
        value=x * x,
    )


def loaded(folder):
    """Return seconds of processor time to load many trials in a process that knows none, and to ask for all of them again."""
    storage = KatibStorage(folder / "many.db")
    study_id = storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "many")
    rng = random.Random(1)
    with storage._tracking.transaction():
        for _ in range(MANY):
            storage.create_new_trial(study_id, finished(rng))
    cold, warm = [], []
    for _ in range(3):
        fresh = KatibStorage(folder / "many.db")
        start = time.process_time()
        assert len(fresh.get_all_trials(study_id, deepcopy=False)) == MANY
        cold.append(time.process_time() - start)
        start = time.perf_counter()
        fresh.get_all_trials(study_id, deepcopy=False)
        warm.append(time.perf_counter() - start)
    return statistics.median(cold), statistics.median(warm)


def measure():
    """Return rows of (what, figure, unit, promise)."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows = []
    with tempfile.TemporaryDirectory() as given, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(given)
        for sampler in SAMPLERS:
            what = f"ask, 2 parameters and tell, {sampler} sampler"
            ours = KatibStorage(folder / f"{sampler}.db")
            rows.append((f"{what}, {TRIALS:,} trials", told(ours, sampler, TRIALS), "1/s", ">= 100"))
            ours.close()
            theirs = told(f"sqlite:///{folder}/{sampler}-optuna.db", sampler, OTHERS)
            rows.append((f"{what}, Optuna's RDBStorage, {OTHERS} trials", theirs, "1/s", ""))
            memory = told(optuna.storages.InMemoryStorage(), sampler, TRIALS)
            rows.append((f"{what}, in memory", memory, "1/s", ""))
        cold, warm = loaded(folder)
        rows.append((f"load {MANY:,} trials (processor time)", cold, "s", "<= 1"))
        rows.append((f"ask for {MANY:,} trials again", warm * 1e3, "ms", ""))
    return rows


if __name__ == "__main__":
    for row in measure():
        print(row)
