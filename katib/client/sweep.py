"""``katib.tune``: a function is tuned in one call, and the best of it is returned."""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from katib.client.katib_client import KatibClient
from katib.client.katib_errors import katib_errors
from katib.client.search import SearchParameter
from katib.client.trial_tables import metric_value, optuna_study, trials_dataframe, typed_point
from katib.client.views.html import experiment_html
from katib.client.views.progress import progress_view
from katib.client.waiting import first_failure, has_condition
from katib.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import optuna
    import pandas as pd

    from katib.client.models import V1beta1Experiment
    from katib.engine.trial import TrialRecord

__all__ = ["TuneResult", "tune"]

_LONGEST_NAME: Final = 30


@dataclass(frozen=True, slots=True, repr=False)
class TuneResult:
    """What came of a sweep.

    Attributes:
        experiment: At its end.
        trials: By index.
        parameters: What was searched, as it was given.
    """

    experiment: V1beta1Experiment
    trials: tuple[TrialRecord, ...]
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<TuneResult of {self.name!r}: {len(self.trials)} trials>"

    def _repr_html_(self) -> str:
        return experiment_html(self.experiment, self.trials)

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.experiment.metadata.name

    @property
    def best_trial(self) -> TrialRecord:
        """The best trial.

        Raises:
            NotFound: No trial has measured the objective.
        """
        best = self.experiment.status.current_optimal_trial if self.experiment.status else None
        for record in self.trials:
            if best is not None and record.name == best.best_trial_name:
                return record
        reason = f"experiment {self.name!r} has no best trial: none has measured its objective"
        raise NotFound(reason + first_failure(self.trials))

    @property
    def best_parameters(self) -> dict[str, Any]:
        """The best values, as the function got them; see ``best_trial``."""
        assignments = self.best_trial.assignments
        typed = typed_point(self.experiment.spec, assignments)
        for name, text in assignments:
            given = self.parameters.get(name)
            if isinstance(given, SearchParameter):
                typed[name] = given.value(text)
        return typed

    @property
    def best_value(self) -> float:
        """The best value of the objective; see ``best_trial``."""
        observation, objective = self.best_trial.observation, self.experiment.spec.objective
        for metric in observation.metrics if observation else []:
            if objective is not None and metric.name == objective.objective_metric_name:
                value = metric_value(self.experiment.spec, metric)
                if isinstance(value, float):
                    return value
        raise NotFound(f"the best trial of experiment {self.name!r} has no number for its objective")

    @katib_errors()
    def trials_dataframe(self) -> pd.DataFrame:
        """Return the trials as a table of pandas', with typed values."""
        return trials_dataframe(self.experiment, self.trials)

    def to_optuna(self) -> optuna.Study:
        """Return the sweep as a study of Optuna's, for its plots and analyses."""
        return optuna_study(self.experiment, self.trials)


@katib_errors()
def tune(
    objective: Callable[..., Any],
    parameters: Mapping[str, Any],
    *,
    name: str | None = None,
    max_trial_count: int = 20,
    algorithm_name: str = "tpe",
    timeout: float | None = None,
    progress: Literal["auto", "none"] = "auto",
    client: KatibClient | None = None,
    backend: Literal["local", "grpc", "kubernetes"] | None = None,
    namespace: str | None = None,
    **settings: Any,
) -> TuneResult:
    """Tune a function and return what came of it; the call ends when the sweep does.

    Example::

        def objective(x: float) -> float:
            return (x - 2) ** 2

        result = katib.tune(objective, {"x": katib.search.double(-10, 10)}, objective_type="minimize")
        print(result.best_parameters, result.best_value)

    Args:
        objective: As for ``KatibClient.tune``.
        parameters: As there.
        name: The experiment's; by default the function's, with an ending.
        max_trial_count: How many trials there are.
        algorithm_name: What suggests the points.
        timeout: Seconds after which the sweep is stopped; what it has found by then is returned.
        progress: ``none`` shows nothing on the way.
        client: Where it runs; by default a client of its own.
        backend: Of that client.
        namespace: Of the experiment.
        settings: Whatever else ``KatibClient.tune`` takes, such as ``objective_type``, ``parallel_trial_count`` or ``seed``.

    Raises:
        InvalidInput: Something about the function or an argument; the message says what to change.
        Conflict: The sweep has failed; the message says why, with the first trial that did.
        DeadlineExceeded: Nothing has taken the experiment up within ``timeout``; the message says why.
    """
    with contextlib.ExitStack() as stack:
        used = client or stack.enter_context(KatibClient(backend=backend))
        called = name or _name_after(objective)
        used.tune(
            called,
            objective=objective,
            parameters=parameters,
            max_trial_count=max_trial_count,
            algorithm_name=algorithm_name,
            namespace=namespace,
            **settings,
        )
        view = progress_view("none" if progress == "none" else None)
        try:
            experiment = used.wait_for_experiment_condition(called, namespace, timeout=timeout, view=view)
        except TimeoutError:
            if not used.get_experiment_conditions(called, namespace):
                used.stop_experiment(called, namespace)
                raise  # it was never begun: nobody is there to stop it, and it has found nothing
            experiment = _stopped(used, called, namespace)
        except KeyboardInterrupt:
            if client is None and used.backend == "local":  # nobody else could end it
                _tell(f"stopping experiment {called}; Ctrl-C again leaves it as it is")
                _stopped(used, called, namespace)
                _tell(f"experiment {called} is stopped; `katib resume {called}` goes on with it")
            raise
        trials = used.experiments.trials(namespace or used.namespace, called)
        return TuneResult(experiment, tuple(trials), dict(parameters))


def _stopped(client: KatibClient, name: str, namespace: str | None) -> V1beta1Experiment:
    """Stop an experiment and return it at its end; it may have come to another one meanwhile."""
    client.stop_experiment(name, namespace)
    try:
        return client.wait_for_experiment_condition(name, namespace, "Stopped", None, view=progress_view("none"))
    except Conflict:
        ended = client.get_experiment(name, namespace)
        if has_condition(ended, "Succeeded"):
            return ended
        raise


def _tell(sentence: str) -> None:
    """Say something to whoever sits there."""
    print(f"katib: {sentence}", file=sys.stderr)  # noqa: T201


def _name_after(function: object) -> str:
    """Return a name for an experiment that got none: its function's, and an ending that no other has."""
    word = re.sub(r"[^a-z0-9]+", "-", str(getattr(function, "__name__", "")).lower()).strip("-")[:_LONGEST_NAME]
    word = word if word[:1].isalpha() else f"sweep-{word}"
    return f"{word.strip('-')}-{secrets.token_hex(3)}"
