"""How long one suggestion takes after 10 to 3,000 trials on ten mixed parameters, in this process; optuna beside it.

Fresh: a new instance is given the whole history. Warm: the same instance is asked again after one more trial has ended. The history
has no labels, as when Katib's controller asks. Figures are medians; only ratios within one run mean anything.
"""

from __future__ import annotations

import gc
import time
import warnings
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import mixed_space
from rivals import distributions_of, told_of

from katib.algorithm import registry
from katib.algorithm.checked import suggest
from katib.api.trial import TrialState
from katib.space.space import Space

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.algorithm.history import History, PastTrial

SIZES: Final = (10, 100, 1_000, 3_000)
ALGORITHMS: Final = (
    "random",
    "grid",
    "sobol",
    "hyperband",
    "asha",
    "cmaes",
    "tpe",
    "multivariate-tpe",
    "nsga2",
    "bayesianoptimization",
)
WARM: Final = 5
FRESH: Final = 3
_PROMISES: Final = {"hyperband": "<= 20", "asha": "<= 20"}
"""At 1,000 trials, in ms."""
_LIMIT: Final = 1_000
"""What a fresh instance may take at 1,000 trials, in ms."""


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _next(history: History, trial: PastTrial) -> None:
    """Record one more trial, which has ended."""
    index = history.next_index
    history.record(replace(trial, index=index, name=f"mixed-{index}", started=mixed_space.STARTED + 10.0 * index))


def ours(name: str, size: int) -> tuple[float, float]:
    """Return seconds of a fresh instance and of a warm one."""
    experiment = mixed_space.experiment_spec(name)
    registry.create(experiment, 1)  # imports are not counted
    past = mixed_space.history(size, 1, experiment)
    more = list(mixed_space.history(size + WARM, 1, experiment))[size:]
    suggest(registry.create(experiment, 0), mixed_space.history(12, 1, experiment), 1)  # nor are the numeric libraries'
    fresh = [_seconds(lambda: suggest(registry.create(experiment, 1), past, 1)) for _ in range(FRESH)]
    algorithm = registry.create(experiment, 1)
    suggest(algorithm, past, 1)
    warm = []
    for trial in more:
        _next(past, trial)
        warm.append(_seconds(lambda: suggest(algorithm, past, 1)))
    return median(fresh), median(warm)


def optunas(size: int, *, multivariate: bool) -> tuple[float, float]:
    """Return the same of optuna's TPE: a new study that is given all trials and asked, and one that is told of one more."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = Space.from_spec(mixed_space.experiment_spec("random").spec)
    distributions = distributions_of(space)

    def complete(trial: PastTrial) -> Any:
        values = told_of(space, trial.point)
        return optuna.trial.create_trial(params=values, distributions=distributions, value=(trial.values or (0.0,))[0])

    past = [complete(trial) for trial in mixed_space.history(size + WARM, 1)]

    def study() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = optuna.samplers.TPESampler(seed=1, multivariate=multivariate, constant_liar=True)
        made = optuna.create_study(sampler=sampler)
        made.add_trials(past[:size])
        return made

    fresh = [_seconds(lambda: study().ask(distributions)) for _ in range(FRESH)]
    one = study()
    warm = []
    for trial in past[size:]:
        one.add_trial(trial)
        warm.append(_seconds(lambda: one.ask(distributions)))
    return median(fresh), median(warm)


def _labelled(name: str, size: int) -> float:
    """Return seconds of a warm call when all trials have the labels they were issued with, as in local mode."""
    from katib.algorithm.history import History, PastTrial

    experiment = mixed_space.experiment_spec(name)
    algorithm, history, times = registry.create(experiment, 1), History(), []
    values = list(mixed_space.history(size, 2, experiment))
    for trial in values:
        began = time.perf_counter()
        (point,) = suggest(algorithm, history, 1)
        times.append(time.perf_counter() - began)
        history.record(
            PastTrial(trial.index, trial.name, point, TrialState.SUCCEEDED, trial.values, trial.started, point.labels)
        )
    return median(times[-WARM:])


def measure() -> list[tuple[str, float, str, str]]:
    """Print every size; rows are what was promised of 1,000 trials, and ratios to optuna."""
    print("one suggestion, ms, fresh / warm, after " + ", ".join(f"{size:,}" for size in SIZES) + " trials")
    figures: dict[str, dict[int, tuple[float, float]]] = {}
    peers = {"optuna TPE": False, "optuna TPE, multivariate": True}
    for name in (*ALGORITHMS, *peers):
        figures[name] = {}
        for size in SIZES:
            gc.collect()
            figures[name][size] = optunas(size, multivariate=peers[name]) if name in peers else ours(name, size)
        cells = "".join(f"{fresh * 1e3:12.2f} / {warm * 1e3:8.2f}" for fresh, warm in figures[name].values())
        print(f"{name:<26}{cells}", flush=True)
    print()
    rows: list[tuple[str, float, str, str]] = []
    for name in ALGORITHMS:
        fresh, warm = figures[name][1_000]
        rows.append((f"{name}, 1,000 trials, fresh instance", fresh * 1e3, "ms", _PROMISES.get(name, f"<= {_LIMIT}")))
        rows.append((f"{name}, 1,000 trials, warm instance", warm * 1e3, "ms", _PROMISES.get(name, "")))
    rows += [
        (f"{name}, 1,000 labelled trials, warm instance", _labelled(name, 1_000) * 1e3, "ms", _PROMISES[name])
        for name in _PROMISES
    ]
    for mine, theirs in (("tpe", "optuna TPE"), ("multivariate-tpe", "optuna TPE, multivariate")):
        for place, how in enumerate(("fresh", "warm")):
            ratio = figures[mine][1_000][place] / figures[theirs][1_000][place]
            rows.append((f"{mine}, 1,000 trials, {how}, share of {theirs}", ratio, "", "<= .5"))
    return rows
