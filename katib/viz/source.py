"""Where the plots get their trials: a client, a place with experiments, an experiment with its trials, or a study of Optuna's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from katib.api.experiment import Experiment
from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.viz.results import Aim, Dimension, Result, Results

if TYPE_CHECKING:
    from datetime import datetime

    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from katib.api.trial import Trial
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Experiments
    from katib.store.protocol import Observed

__all__ = ["Client", "results_of"]

_DEFAULT_NAMESPACE: Final = "default"
_MOST_REPORTS: Final = 100_000
"""Of one metric of one trial."""


class Client(Protocol):
    """What has experiments and knows a namespace (``KatibClient``)."""

    @property
    def namespace(self) -> str:
        """Where it looks when nothing is said."""

    @property
    def experiments(self) -> Experiments:
        """Where its experiments are."""


if TYPE_CHECKING:
    Series: TypeAlias = Mapping[str, Sequence[Observed]] | Callable[[str, str], Sequence[Observed]]
    Source: TypeAlias = (
        Results
        | Client
        | Experiments
        | Study
        | tuple[Experiment, Iterable[TrialRecord | Trial]]
        | tuple[Experiment, Iterable[TrialRecord | Trial], Series]
    )


def results_of(source: Any, name: str | None = None, namespace: str | None = None) -> Results:
    """Return the results of an experiment.

    Args:
        source: What has them: see ``katib.viz``.
        name: The experiment, where ``source`` has several.
        namespace: Its namespace, likewise.

    Raises:
        InvalidInput: That is nothing with trials, or it has several experiments and none is named.
        NotFound: There is no experiment of the name.
    """
    if isinstance(source, Results):
        return source
    if isinstance(source, tuple) and len(source) in {2, 3} and isinstance(source[0], Experiment):
        return Results.of(*source)
    optuna = sys.modules.get("optuna")
    if optuna is not None and isinstance(source, optuna.Study):
        return _of_study(source)
    experiments = getattr(source, "experiments", source)
    if not all(hasattr(experiments, method) for method in ("get", "trials", "observations")):
        raise InvalidInput(
            f"{type(source).__name__} has no trials to draw: give a KatibClient and a name, an Experiment with its trials "
            "as a pair, or a study of Optuna's"
        )
    if not name:
        raise InvalidInput("name the experiment to draw: the second argument")
    return _of_experiments(experiments, namespace or getattr(source, "namespace", None) or _DEFAULT_NAMESPACE, name)


def _of_experiments(experiments: Experiments, namespace: str, name: str) -> Results:
    def reports(trial: str, metric: str) -> Sequence[Observed]:
        return experiments.observations(namespace, name, trial, metric=metric, limit=_MOST_REPORTS)

    return Results.of(experiments.get(namespace, name), experiments.trials(namespace, name), reports)


def _of_study(study: Study) -> Results:
    """Return the results of a study of Optuna's."""
    from optuna.distributions import CategoricalDistribution
    from optuna.study import StudyDirection
    from optuna.trial import TrialState as OptunaState

    from katib.store.optuna.trials import optuna_state

    ours = {optuna_state(state): state for state in reversed(TrialState)}
    trials = study.get_trials(deepcopy=False)
    named = study.metric_names or (
        ["value"] if len(study.directions) == 1 else [f"value_{place}" for place in range(len(study.directions))]
    )
    aims = tuple(
        Aim(metric, direction is not StudyDirection.MAXIMIZE)
        for metric, direction in zip(named, study.directions, strict=True)
    )
    spread: dict[str, Any] = {}
    for trial in trials:
        for parameter, distribution in trial.distributions.items():
            spread.setdefault(parameter, distribution)
    words = {parameter for parameter, one in spread.items() if isinstance(one, CategoricalDistribution)}
    results = tuple(
        Result(
            index=trial.number,
            name=f"trial {trial.number}",
            state=ours[trial.state],
            parameters={
                parameter: str(value) if parameter in words else float(value)
                for parameter, value in trial.params.items()
            },
            values=_values(trial, named, pruned=trial.state is OptunaState.PRUNED),
            created=_aware(trial.datetime_start),
            started=_aware(trial.datetime_start),
            finished=_aware(trial.datetime_complete),
        )
        for trial in trials
    )
    dimensions = tuple(
        Dimension(
            parameter,
            numeric=parameter not in words,
            log=bool(getattr(one, "log", False)),
            choices=tuple(
                dict.fromkeys(
                    [
                        *map(str, one.choices),
                        *(str(trial.params[parameter]) for trial in trials if parameter in trial.params),
                    ]
                )
            )
            if isinstance(one, CategoricalDistribution)
            else (),
        )
        for parameter, one in spread.items()
    )
    on_the_way = {f"trial {trial.number}": sorted(trial.intermediate_values.items()) for trial in trials}
    return Results(
        name=study.study_name,
        aims=aims,
        metrics=tuple(named),
        dimensions=dimensions,
        trials=results,
        curve=lambda trial, metric: (
            [(float(step), value) for step, value in on_the_way[trial]] if metric == named[0] else []
        ),
    )


def _values(trial: FrozenTrial, named: Sequence[str], *, pruned: bool) -> dict[str, float]:
    """Return the values of a trial: of a pruned one the last that it reported."""
    if trial.values is not None:
        return dict(zip(named, trial.values, strict=True))
    if pruned and trial.last_step is not None:
        return {named[0]: trial.intermediate_values[trial.last_step]}
    return {}


def _aware(at: datetime | None) -> datetime | None:
    """Return a time of Optuna's, which is one of this machine's clock, with its zone."""
    return None if at is None else at.astimezone(UTC)
