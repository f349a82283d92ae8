"""``katib best``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.cli.options import ExperimentName, Output, OutputOption

if TYPE_CHECKING:
    from katib.api.experiment import OptimalTrial
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(settings: Settings, name: ExperimentName, output: OutputOption = Output.TABLE) -> None:
    """Show the best trial of an experiment.

    With several objectives: every trial that no other beats in all of them.
    """
    from katib.api.experiment import ExperimentStatus
    from katib.cli.lookup import experiment_named
    from katib.cli.printing import say
    from katib.cli.resource_output import print_resources
    from katib.cli.resources import trial_resources
    from katib.cli.trial_list import print_trials
    from katib.errors import NotFound

    with settings.open_store() as store:
        experiment = experiment_named(store, settings.namespace, name)
        status = experiment.status or ExperimentStatus()
        several = bool(experiment.spec.objectives)
        found: list[OptimalTrial] = [best for best in [status.current_optimal_trial] if best and best.best_trial_name]
        if several:
            found = list(status.pareto_optimal_trials or [])
        if not found:
            raise NotFound(f"experiment {experiment.metadata.name!r} has no best trial yet: none has a usable result")
        uid = experiment.metadata.uid or ""
        records = [store.trial(uid, best.best_trial_name) for best in found]
        if output not in {Output.TABLE, Output.WIDE}:
            print_resources(trial_resources(store, experiment, records), output, single=not several)
        elif several:
            print_trials(store, experiment, records, wide=output is Output.WIDE)
        else:
            from katib.cli.measures import Measures
            from katib.cli.run_summary import best_lines

            say("\n".join(best_lines(found[0], Measures(experiment.spec))))
