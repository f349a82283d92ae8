"""``katib get``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.completions import complete_experiments
from katib.cli.options import Output, OutputOption, References

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from katib.api.base import ApiModel
    from katib.api.experiment import Experiment
    from katib.cli.lookup import Reference
    from katib.cli.settings import Settings
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import Store

__all__ = ["command"]

_WATCH_SECONDS = 0.5


def command(
    settings: Settings,
    references: References = None,
    experiment: Annotated[
        str | None,
        typer.Option(
            "--experiment", "-e", metavar="NAME", autocompletion=complete_experiments, help="Trials of this one only."
        ),
    ] = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Look into every namespace.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Then print each change, until Ctrl-C.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List experiments, trials or suggestions.

    katib get | katib get NAME | katib get trials | katib get trial NAME | katib get suggestion NAME
    """
    from katib.cli.lookup import Kind, parse_reference
    from katib.errors import InvalidInput

    reference = parse_reference(references or [])
    if watch and output not in {Output.TABLE, Output.WIDE, Output.NAME}:
        raise InvalidInput("--watch prints tables or names; for JSON use katib get in a loop")
    show = {Kind.EXPERIMENT: _experiments, Kind.TRIAL: _trials, Kind.SUGGESTION: _suggestions}[reference.kind]
    namespace = None if all_namespaces else settings.namespace
    with settings.open_store() as store:
        scope = _Scope(settings, store, namespace, experiment, output)
        show(scope, reference)
        if watch:
            _follow(lambda: show(scope, reference), scope)


class _Scope:
    """Where one command line looks, and what it has printed."""

    def __init__(
        self, settings: Settings, store: Store, namespace: str | None, experiment: str | None, output: Output
    ) -> None:
        self.settings = settings
        self.store = store
        self.namespace = namespace
        self.experiment = experiment
        self.output = output
        self._widths: list[int] = []
        self._shown: dict[str, list[str]] = {}

    @property
    def wide(self) -> bool:
        return self.output is Output.WIDE

    @property
    def for_people(self) -> bool:
        return self.output in {Output.TABLE, Output.WIDE}

    def experiments(self, names: Iterable[str] = ()) -> list[Experiment]:
        """Return the named experiments, or all."""
        store, namespace = self.store, self.namespace
        names = list(names)
        if names and namespace is not None:
            return [store.experiment(namespace, name) for name in names]
        found = [item for item in store.experiments(namespace) if not names or item.name in names]
        return [store.experiment(item.namespace, item.name) for item in found]

    def print_rows(self, heading: list[str], rows: list[list[str]], *, nothing: str, lasting: int) -> None:
        """Print the rows that are new or differ in their first ``lasting`` cells from when they were printed."""
        from katib.cli.printing import note, say
        from katib.cli.table import table_lines

        changed = [row for row in rows if self._shown.get(row[0]) != row[:lasting]]
        again = bool(self._shown)
        self._shown.update({row[0]: row[:lasting] for row in rows})
        if not rows and not again:
            note(nothing)
        if not changed:
            return
        for line in table_lines(() if again else heading, changed, widths=self._widths or None):
            say(line)
        if not again:
            cells = [heading, *changed]
            self._widths = [max(len(row[column]) for row in cells) for column in range(len(heading))]

    def print_resources(self, resources: list[ApiModel], reference: Reference) -> None:
        from katib.cli.resource_output import print_resources

        print_resources(resources, self.output, single=len(reference.names) == 1)


def _follow(show: Callable[[], None], scope: _Scope) -> None:
    import sys

    del scope
    while True:
        sys.stdout.flush()
        time.sleep(_WATCH_SECONDS)
        show()


def _experiments(scope: _Scope, reference: Reference) -> None:
    from katib.cli.age import now
    from katib.cli.experiment_table import HEADING, WIDE, experiment_row, state_of
    from katib.cli.resources import experiment_resource

    experiments = scope.experiments(reference.names)
    if not scope.for_people:
        if scope.output is Output.NAME:
            scope.print_resources(list(experiments), reference)
        else:
            scope.print_resources([experiment_resource(scope.store, item) for item in experiments], reference)
        return
    at, home = now(), scope.settings.home
    rows = [
        experiment_row(item, state_of(item, driven=home.is_driven(item.metadata.uid or "")), at, wide=scope.wide)
        for item in experiments
    ]
    heading = [*HEADING, *WIDE] if scope.wide else [*HEADING]
    lasting = len(HEADING) - 1  # the age changes always
    if scope.namespace is None:
        heading = ["NAMESPACE", *heading]
        rows = [[item.metadata.namespace or "", *row] for item, row in zip(experiments, rows, strict=True)]
    scope.print_rows(heading, rows, nothing=_nothing("experiments", scope), lasting=lasting)


def _nothing(what: str, scope: _Scope) -> str:
    where = "" if scope.namespace is None else f" in namespace {scope.namespace}"
    hint = "; katib run FILE makes one" if what == "experiments" else ""
    return f"no {what}{where}{hint}"


def _trials(scope: _Scope, reference: Reference) -> None:
    from katib.cli.lookup import find_trial
    from katib.cli.printing import say
    from katib.cli.resources import trial_resources
    from katib.cli.trial_list import print_trials

    store = scope.store
    found: list[tuple[Experiment, list[TrialRecord]]]
    if reference.names:
        pairs = [find_trial(store, scope.namespace or scope.settings.namespace, name) for name in reference.names]
        found = [(experiment, [record]) for experiment, record in pairs]
    else:
        names = [scope.experiment] if scope.experiment is not None else []
        found = [(item, store.trials(item.metadata.uid or "")) for item in scope.experiments(names)]
    if not scope.for_people:
        resources: list[ApiModel] = []
        for experiment, records in found:
            resources += trial_resources(store, experiment, records)
        scope.print_resources(resources, reference)
        return
    for place, (experiment, records) in enumerate(found):
        if place and not reference.names:
            say()
        print_trials(store, experiment, records, wide=scope.wide)


def _suggestions(scope: _Scope, reference: Reference) -> None:
    from katib.cli.age import age, now
    from katib.cli.resources import suggestion_resource

    found = [suggestion_resource(scope.store, item) for item in scope.experiments(reference.names)]
    if not scope.for_people:
        scope.print_resources(list(found), reference)
        return
    at = now()
    rows = [
        [
            item.metadata.name,
            item.spec.algorithm.algorithm_name,
            str(item.spec.requests),
            str(item.status.suggestion_count if item.status else 0),
            age(item.metadata.creation_timestamp, at),
        ]
        for item in found
    ]
    heading = ["NAME", "ALGORITHM", "REQUESTED", "ASSIGNED", "AGE"]
    scope.print_rows(heading, rows, nothing=_nothing("suggestions", scope), lasting=len(heading) - 1)
