"""``katib delete``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import ExperimentNames

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.cli.settings import Settings
    from katib.store.full_store import FullStore
    from katib.store.tracking.records import SearchExperiment

__all__ = ["command"]


def command(
    settings: Settings,
    names: ExperimentNames,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove them for good, with their files; also ones that are deleted.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete experiments; they can be restored.

    With --purge, they and all their files are gone at once. That asks first on a terminal; a script is taken at its word.
    """
    from katib.cli.lookup import experiment_named
    from katib.cli.printing import note, say
    from katib.cli.user import user_name
    from katib.errors import Interrupted, NotFound
    from katib.local.submit import delete
    from katib.store.tracking.records import Node, NodeKind

    with settings.open_store() as store:
        tracking = store.tracking(settings.namespace, actor=user_name())
        experiments: list[Experiment] = []
        deleted: list[SearchExperiment] = []
        for name in dict.fromkeys(names):
            try:
                experiments.append(experiment_named(store, settings.namespace, name))
            except NotFound:
                found = _deleted(store, settings, name) if purge else None
                if found is None:
                    raise
                deleted.append(found)
        for experiment in experiments:  # before the first one is gone
            _refuse_driven(settings, experiment)
        if purge and not yes and sys.stdin.isatty():
            for line in _told(experiments, deleted):
                note(line)
            if not _confirmed():
                raise Interrupted("nothing was deleted")
        for experiment in experiments:
            name = experiment.metadata.name
            if purge:
                delete(settings.home, store, experiment)
                say(f"experiment {name} deleted for good")
                continue
            tracking.delete(Node(NodeKind.EXPERIMENT, experiment.metadata.uid or ""))
            say(f"experiment {name} deleted")
            note(_how_to_restore(name, settings.namespace))
        for search in deleted:
            store.delete_experiment(search.id)
            settings.home.remove_experiment(search.id)
            say(f"experiment {search.name} deleted for good")


def _deleted(store: FullStore, settings: Settings, name: str) -> SearchExperiment | None:
    from katib.cli.tracked import search_meant
    from katib.errors import NotFound
    from katib.store.tracking.records import Lifecycle

    try:
        return search_meant(store.tracking(settings.namespace), name, Lifecycle.DELETED)
    except NotFound:
        return None


def _refuse_driven(settings: Settings, experiment: Experiment) -> None:
    from katib.cli.run_summary import command_of
    from katib.errors import Conflict

    if settings.home.is_driven(experiment.metadata.uid or ""):
        name, namespace = experiment.metadata.name, experiment.metadata.namespace
        raise Conflict(f"experiment {name!r} is running: stop it first ({command_of('stop', name, namespace)})")


def _told(experiments: list[Experiment], deleted: list[SearchExperiment]) -> list[str]:
    from katib.cli.counted import counted

    sizes = [(item.metadata.name, item.status.trials if item.status else 0) for item in experiments]
    sizes += [(search.name, search.trials) for search in deleted]
    return [
        f"experiment {name} with {counted(trials, 'trial')} and all files of it, for good" for name, trials in sizes
    ]


def _how_to_restore(name: str, namespace: str) -> str:
    from katib.cli.run_summary import command_of

    back, gone = command_of("restore", name, namespace), command_of("delete --purge", name, namespace)
    return f"{back} brings it back; {gone} removes it for good, and so does `katib store purge`"


def _confirmed() -> bool:
    """Ask on standard error, so that the question is seen also when the answer is written to a file.

    The line is not read by readline, which may sleep through a Ctrl-C that comes as soon as the question is seen.
    """
    while True:
        try:
            sys.stderr.write("Delete? [y/N]: ")
            sys.stderr.flush()
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            line = ""
        if not line:  # Ctrl-D or Ctrl-C is no, and leaves the cursor where it is
            sys.stderr.write("\n")
        answer = line.strip().lower()
        if answer in ("", "n", "no", "y", "yes"):
            return answer.startswith("y")
