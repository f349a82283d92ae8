"""``katib get``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.completions import complete_experiments
from katib.cli.options import Output, OutputOption, References

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.api.base import ApiModel
    from katib.api.experiment import Experiment
    from katib.cli.lookup import Reference
    from katib.cli.settings import Settings
    from katib.cli.watched_table import WatchedTable
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
    deleted: Annotated[bool, typer.Option("--deleted", help="Experiments that katib restore brings back.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Then print each change, until Ctrl-C.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List experiments, trials or suggestions.

    katib get, katib get NAME, katib get trials, katib get trial NAME, katib get suggestion NAME
    """
    import sys

    from katib.cli.lookup import Kind, parse_reference
    from katib.errors import InvalidInput

    reference = parse_reference(references or [])
    if watch and output in {Output.JSON, Output.YAML}:
        raise InvalidInput("--watch prints tables or names: leave -o away, or --watch")
    if experiment is not None and (reference.kind is not Kind.TRIAL or reference.names):
        raise InvalidInput(f"--experiment goes with trials: katib get trials -e {experiment}")
    if deleted and (references or experiment or all_namespaces or watch or output is not Output.TABLE):
        raise InvalidInput("--deleted lists the deleted experiments of a namespace: it goes with -n only")
    namespace = None if all_namespaces else settings.namespace
    with settings.open_store() as store:
        if deleted:
            from katib.cli.deleted_table import show_deleted

            show_deleted(store, settings.namespace)
            return
        scope = _Scope(settings, store, namespace, experiment, output)
        views: dict[Kind, type[_Experiments | _Trials | _Suggestions]] = {
            Kind.EXPERIMENT: _Experiments,
            Kind.TRIAL: _Trials,
            Kind.SUGGESTION: _Suggestions,
        }
        shown = views[reference.kind](scope, reference)
        shown.show()
        while watch:
            sys.stdout.flush()
            time.sleep(_WATCH_SECONDS)
            shown.show()


class _Scope:
    """Where one command line looks, and what it prints names and documents of."""

    def __init__(
        self, settings: Settings, store: Store, namespace: str | None, experiment: str | None, output: Output
    ) -> None:
        self.home = settings.home
        self.store = store
        self.namespace = namespace
        self.named_namespace = namespace or settings.namespace
        self.experiment = experiment
        self.output = output
        self._named: set[str] = set()

    @property
    def wide(self) -> bool:
        return self.output is Output.WIDE

    @property
    def for_people(self) -> bool:
        return self.output in {Output.TABLE, Output.WIDE}

    def experiments(self, names: Iterable[str] = ()) -> list[Experiment]:
        """Return the named experiments, or all.

        Raises:
            NotFound: One of the named is in none of the namespaces.
        """
        from katib.cli.lookup import experiment_named

        store, names = self.store, list(names)
        if names and self.namespace is not None:
            return [experiment_named(store, self.namespace, name) for name in names]
        found = [item for item in store.experiments(self.namespace) if not names or item.name in names]
        for name in set(names) - {item.name for item in found}:
            experiment_named(store, self.named_namespace, name)
        return [store.experiment(item.namespace, item.name) for item in found]

    def nothing(self, what: str) -> str:
        """Return the sentence for an empty list, and where else to look."""
        where = "" if self.namespace is None else f" in namespace {self.namespace}"
        others = sorted({item.namespace for item in self.store.experiments()} - {self.namespace})
        if self.namespace is not None and others:
            return f"no {what}{where}; there are experiments in {', '.join(others)} (-A looks everywhere)"
        hint = "; katib run FILE makes one" if what == "experiments" else ""
        return f"no {what}{where}{hint}"

    def print_resources(self, resources: list[ApiModel], reference: Reference) -> None:
        """Print documents, or those names that were not printed yet."""
        from katib.cli.resource_output import name_of, print_resources

        if self.output is Output.NAME:
            resources = [item for item in resources if name_of(item) not in self._named]
            self._named.update(map(name_of, resources))
        print_resources(resources, self.output, single=len(reference.names) == 1)


class _Experiments:
    def __init__(self, scope: _Scope, reference: Reference) -> None:
        from katib.cli.experiment_table import HEADING, WIDE
        from katib.cli.watched_table import WatchedTable

        self._scope, self._reference = scope, reference
        self._heading = [*HEADING, *WIDE] if scope.wide else [*HEADING]
        everywhere = scope.namespace is None
        if everywhere:
            self._heading.insert(0, "NAMESPACE")
        passing = {self._heading.index("AGE")}
        self._table = WatchedTable(scope.nothing("experiments"), passing=passing, key=1 + everywhere)

    def show(self) -> None:
        from katib.cli.age import now
        from katib.cli.experiment_table import experiment_row, state_of

        scope, home = self._scope, self._scope.home
        experiments = scope.experiments(self._reference.names)
        if not scope.for_people:
            if scope.output is not Output.NAME:
                from katib.cli.resources import experiment_resource

                experiments = [experiment_resource(scope.store, item) for item in experiments]
            scope.print_resources(list(experiments), self._reference)
            return
        rows = []
        for item in experiments:
            state = state_of(item, driven=home.is_driven(item.metadata.uid or ""))
            row = experiment_row(item, state, now(), wide=scope.wide)
            rows.append([item.metadata.namespace or "", *row] if scope.namespace is None else row)
        self._table.show(self._heading, rows)


class _Trials:
    """Trials of one experiment make one table, as their parameters and metrics are its columns."""

    def __init__(self, scope: _Scope, reference: Reference) -> None:
        self._scope, self._reference = scope, reference
        self._tables: dict[str, WatchedTable] = {}

    def _found(self) -> list[tuple[Experiment, list[TrialRecord]]]:
        from katib.cli.lookup import find_trial

        scope = self._scope
        if not self._reference.names:
            names = [scope.experiment] if scope.experiment is not None else []
            return [(item, scope.store.trials(item.metadata.uid or "")) for item in scope.experiments(names)]
        found: dict[str, tuple[Experiment, list[TrialRecord]]] = {}
        for name in self._reference.names:
            experiment, record = find_trial(scope.store, scope.named_namespace, name)
            found.setdefault(experiment.metadata.uid or "", (experiment, []))[1].append(record)
        return list(found.values())

    def show(self) -> None:
        from katib.cli.printing import note, say
        from katib.cli.trial_list import trial_rows
        from katib.cli.trial_table import TrialTable
        from katib.cli.watched_table import WatchedTable

        scope, found = self._scope, self._found()
        if not scope.for_people:
            from katib.cli.resources import trial_resources

            resources: list[ApiModel] = []
            for experiment, records in found:
                resources += trial_resources(scope.store, experiment, records)
            scope.print_resources(resources, self._reference)
            return
        if not found and not self._tables:
            note(scope.nothing("trials"))
        for experiment, records in found:
            uid, table = experiment.metadata.uid or "", TrialTable(experiment, wide=scope.wide)
            if uid not in self._tables:
                if self._tables:
                    say()
                nothing = f"no trials in experiment {experiment.metadata.name}"
                self._tables[uid] = WatchedTable(nothing, passing=table.passing)
            self._tables[uid].show(table.heading, trial_rows(scope.store, experiment, records, table))


class _Suggestions:
    _HEADING = ("NAME", "ALGORITHM", "REQUESTED", "ASSIGNED", "AGE")

    def __init__(self, scope: _Scope, reference: Reference) -> None:
        from katib.cli.watched_table import WatchedTable

        self._scope, self._reference = scope, reference
        everywhere = scope.namespace is None
        self._heading = ["NAMESPACE", *self._HEADING] if everywhere else [*self._HEADING]
        passing = {len(self._heading) - 1}
        self._table = WatchedTable(scope.nothing("suggestions"), passing=passing, key=1 + everywhere)

    def show(self) -> None:
        from katib.cli.age import age, now
        from katib.cli.resources import suggestion_resource

        scope = self._scope
        found = [suggestion_resource(scope.store, item) for item in scope.experiments(self._reference.names)]
        if not scope.for_people:
            scope.print_resources(list(found), self._reference)
            return
        rows = []
        for item in found:
            counts = [str(item.spec.requests), str(item.status.suggestion_count if item.status else 0)]
            row = [item.metadata.name, item.spec.algorithm.algorithm_name, *counts]
            row.append(age(item.metadata.creation_timestamp, now()))
            rows.append([item.metadata.namespace or "", *row] if scope.namespace is None else row)
        self._table.show(self._heading, rows)
