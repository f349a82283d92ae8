"""``katib trials``."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import ExperimentName, Output, OutputOption

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.api.trial import TrialState
    from katib.cli.settings import Settings
    from katib.engine.trial import TrialRecord

__all__ = ["command"]


class Order(enum.StrEnum):
    """How trials are sorted."""

    INDEX = "index"
    OBJECTIVE = "objective"


def command(
    settings: Settings,
    name: ExperimentName,
    state: Annotated[
        list[str] | None, typer.Option("--state", metavar="STATE", help="Only these: Succeeded, Failed, Running, ...")
    ] = None,
    sort: Annotated[
        Order,
        typer.Option(
            "--sort", metavar="BY", help="By index (the default), or objective: the best first.", show_default=False
        ),
    ] = Order.INDEX,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most N trials.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the trials of an experiment."""
    from katib.cli.lookup import experiment_named
    from katib.cli.printing import note
    from katib.cli.resource_output import print_resources
    from katib.cli.resources import trial_resources
    from katib.cli.trial_list import print_trials

    states = _states(state)
    with settings.open_store() as store:
        experiment = experiment_named(store, settings.namespace, name)
        uid = experiment.metadata.uid or ""
        if sort is Order.OBJECTIVE:
            records = _best_first(store.trials(uid, states=states), experiment)[:limit]
        else:
            records = store.trials(uid, states=states, limit=limit)
        if states and not records and output in {Output.TABLE, Output.WIDE}:
            note(f"no trial of experiment {experiment.metadata.name} is {' or '.join(dict.fromkeys(states))}")
        elif output in {Output.TABLE, Output.WIDE}:
            print_trials(store, experiment, records, wide=output is Output.WIDE)
        else:
            print_resources(trial_resources(store, experiment, records), output, single=False)


def _states(words: list[str] | None) -> list[TrialState] | None:
    from katib.api.similar import did_you_mean
    from katib.api.trial import TrialState
    from katib.errors import InvalidInput

    if not words:
        return None
    known = {state.value.lower(): state for state in TrialState}
    for word in words:
        if word.lower() not in known:
            hint = did_you_mean(word, [state.value for state in TrialState])
            raise InvalidInput(
                f"{word!r} is no state of a trial; there are {', '.join(TrialState)}" + f"; {hint}" * bool(hint)
            )
    return [known[word.lower()] for word in words]


def _best_first(records: list[TrialRecord], experiment: Experiment) -> list[TrialRecord]:
    """Return trials by their first objective; those without a number come last, by index."""
    import math

    from katib.engine.observe import objective_values

    maximize = experiment.spec.objective is not None and experiment.spec.objective.type == "maximize"

    def place(record: TrialRecord) -> tuple[bool, float]:
        values = objective_values(record.observation, experiment.spec)
        if not values or math.isnan(values[0]):
            return True, record.index
        return False, -values[0] if maximize else values[0]

    return sorted(records, key=place)
