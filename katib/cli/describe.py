"""``katib describe``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.cli.options import Output, OutputOption, References

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(settings: Settings, references: References = None, output: OutputOption = Output.TABLE) -> None:
    """Tell everything about an experiment or a trial.

    katib describe NAME | katib describe trial NAME
    """
    from katib.cli.describe_experiment import experiment_lines
    from katib.cli.describe_trial import trial_lines
    from katib.cli.lookup import Kind, experiment_named, find_trial, parse_reference
    from katib.cli.printing import say
    from katib.cli.resource_output import print_resources
    from katib.cli.resources import experiment_resource, suggestion_resource, trial_resources
    from katib.errors import InvalidInput

    reference = parse_reference(references or [], needs_name=True)
    if not reference.names:
        raise InvalidInput("say what: katib describe NAME, or katib describe trial NAME")
    people = output in {Output.TABLE, Output.WIDE}
    single = len(reference.names) == 1
    with settings.open_store() as store:
        for place, name in enumerate(reference.names):
            if place and people:
                say()
            if reference.kind is Kind.TRIAL:
                experiment, record = find_trial(store, settings.namespace, name)
                if people:
                    say("\n".join(trial_lines(settings.home, store, experiment, record)))
                else:
                    print_resources(trial_resources(store, experiment, [record]), output, single=single)
                continue
            experiment = experiment_named(store, settings.namespace, name)
            if people and reference.kind is Kind.EXPERIMENT:
                say("\n".join(experiment_lines(settings.home, store, experiment)))
            elif reference.kind is Kind.EXPERIMENT:
                print_resources([experiment_resource(store, experiment)], output, single=single)
            else:
                form = Output.YAML if people else output
                print_resources([suggestion_resource(store, experiment)], form, single=single)
