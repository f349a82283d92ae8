"""``katib describe``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.cli.options import Output, OutputOption, References

if TYPE_CHECKING:
    from katib.api.base import ApiModel
    from katib.cli.lookup import Kind
    from katib.cli.settings import Settings
    from katib.store.protocol import Store

__all__ = ["command"]


def command(settings: Settings, references: References = None, output: OutputOption = Output.TABLE) -> None:
    """Tell everything about an experiment or a trial.

    katib describe NAME, katib describe trial NAME. A name alone is an experiment's, or a trial's if no experiment has it.
    """
    from katib.cli.lookup import Kind, kind_of, parse_reference
    from katib.cli.printing import say
    from katib.cli.resource_output import print_resources
    from katib.errors import InvalidInput

    reference = parse_reference(references or [], needs_name=True)
    if not reference.names:
        raise InvalidInput("say what: katib describe NAME, or katib describe trial NAME")
    people = output in {Output.TABLE, Output.WIDE}
    with settings.open_store() as store:
        if people and reference.kind is not Kind.SUGGESTION:
            for place, name in enumerate(reference.names):
                lines = _lines(settings, store, kind_of(store, settings.namespace, reference, name), name)
                say("\n".join(["", *lines] if place else lines))
            return
        kinds = [kind_of(store, settings.namespace, reference, name) for name in reference.names]
        pairs = zip(kinds, reference.names, strict=True)
        resources = [_resource(settings, store, kind, name) for kind, name in pairs]
        print_resources(resources, Output.YAML if people else output, single=len(resources) == 1)


def _lines(settings: Settings, store: Store, kind: Kind, name: str) -> list[str]:
    from katib.cli.describe_experiment import experiment_lines
    from katib.cli.describe_trial import trial_lines
    from katib.cli.lookup import Kind, experiment_named, find_trial

    if kind is Kind.TRIAL:
        return trial_lines(settings.home, store, *find_trial(store, settings.namespace, name))
    return experiment_lines(settings.home, store, experiment_named(store, settings.namespace, name))


def _resource(settings: Settings, store: Store, kind: Kind, name: str) -> ApiModel:
    from katib.cli.lookup import Kind, experiment_named, find_trial
    from katib.cli.resources import experiment_resource, suggestion_resource, trial_resources

    if kind is Kind.TRIAL:
        experiment, record = find_trial(store, settings.namespace, name)
        return trial_resources(store, experiment, [record])[0]
    experiment = experiment_named(store, settings.namespace, name)
    return (suggestion_resource if kind is Kind.SUGGESTION else experiment_resource)(store, experiment)
