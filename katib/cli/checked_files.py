"""The experiments of all files of one command line, checked; the problems of every file are told together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from katib.cli.source_files import read_source
from katib.errors import InvalidExperiment, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.experiment import Experiment

__all__ = ["checked"]


def checked(
    files: Sequence[str], *, runtime: str, name: str | None = None, namespace: str | None = None
) -> list[tuple[str, Experiment]]:
    """Return (file, experiment) pairs that can run here. Nothing is started and nothing recorded.

    Args:
        files: Paths, ``-`` for standard input.
        runtime: What is going to run the trials.
        name: Replaces ``metadata.name``; only for a single experiment.
        namespace: Replaces ``metadata.namespace``.

    Raises:
        InvalidExperiment: With the problems of all files; with several files each says which one it is about.
    """
    from katib.local.submit import check

    if not files:
        raise InvalidExperiment("say which file; katib init writes one to start from")
    found: list[tuple[str, Experiment]] = []
    problems: list[Problem] = []
    for file in files:
        try:
            text = read_source(file)
            experiments = check(text, source=file, runtime=runtime, name=name, namespace=namespace)
        except InvalidExperiment as error:
            problems += [_placed(problem, file) if len(files) > 1 else problem for problem in error.problems]
        else:
            found += [(file, experiment) for experiment in experiments]
    if not problems:
        problems = _repeated(found)
    if problems:
        raise InvalidExperiment(problems)
    return found


def _placed(problem: Problem, file: str) -> Problem:
    return replace(problem, path=f"{file}: {problem.path}" if problem.path else file)


def _repeated(found: Sequence[tuple[str, Experiment]]) -> list[Problem]:
    """Return a problem for each experiment that has the name of an earlier one."""
    seen: dict[tuple[str | None, str], str] = {}
    problems = []
    for file, experiment in found:
        key = (experiment.metadata.namespace, experiment.metadata.name)
        if key in seen:
            problems.append(
                Problem(f"{file}: metadata.name", f"is the name of another experiment, in {seen[key]}", key[1])
            )
        seen.setdefault(key, file)
    return problems
