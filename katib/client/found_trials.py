"""Trials that are known by their names alone, as Katib's client knows them: which experiment they are of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from katib.errors import NotFound
from katib.experiments.protocol import ExperimentQuery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Experiments

__all__ = ["all_experiments", "found_trial"]

_PAGE: Final = 500


def all_experiments(experiments: Experiments, namespace: str, *, prefix: str = "") -> Iterator[Experiment]:
    """Yield the experiments of a namespace by name."""
    query = ExperimentQuery(name_prefix=prefix, limit=_PAGE)
    while True:
        page = experiments.find(namespace, query)
        yield from page.experiments
        if not page.after:
            return
        query = dataclasses.replace(query, after=page.after)


def found_trial(experiments: Experiments, namespace: str, trial: str) -> tuple[Experiment, TrialRecord]:
    """Return a trial and its experiment.

    Raises:
        NotFound: No experiment of the namespace has a trial of the name.
    """
    seen = set()
    prefix = trial.rpartition("-")[0]  # a trial is called after its experiment
    for candidates in (_of_name(experiments, namespace, prefix), _with_prefix(experiments, namespace, prefix)):
        for experiment in candidates:
            name = experiment.metadata.name
            if name in seen:
                continue
            seen.add(name)
            try:
                return experiment, experiments.trial(namespace, name, trial)
            except NotFound:
                continue
    raise NotFound(f"namespace {namespace!r} has no trial {trial!r}")


def _of_name(experiments: Experiments, namespace: str, name: str) -> Iterator[Experiment]:
    if name:
        try:
            yield experiments.get(namespace, name)
        except NotFound:
            return


def _with_prefix(experiments: Experiments, namespace: str, prefix: str) -> Iterator[Experiment]:
    """Yield the experiments of longer names, which the names of trials have cut; then all others."""
    if prefix:
        yield from all_experiments(experiments, namespace, prefix=prefix)
    yield from all_experiments(experiments, namespace)
