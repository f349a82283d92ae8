"""From text to an experiment that can run: read, default, check against everything, and load its template."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from katib.algorithm import early_stoppers, registry
from katib.api import document as documents
from katib.api import validate
from katib.api.base import KeyValue
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.partial import partial_experiment
from katib.errors import InvalidExperiment, InvalidInput, Problem
from katib.template import validate as template_validate
from katib.template.source import load_template

if TYPE_CHECKING:
    from collections.abc import Collection

    from katib.api.document import Document
    from katib.api.experiment import Experiment
    from katib.template.source import ConfigMapReader

__all__ = ["admit", "admit_all"]


def admit_all(
    text: str | bytes,
    *,
    config_maps: ConfigMapReader,
    source: str = "",
    name: str | None = None,
    namespace: str | None = None,
    served_elsewhere: Collection[str] = (),
    template_required: bool = True,
) -> list[Experiment]:
    """Return every experiment of a YAML or JSON text, defaulted, with its template inline.

    Args:
        text: One or more documents.
        config_maps: Where templates may be kept.
        source: What to call the text in messages.
        name: Takes the place of ``metadata.name``; only for a text with one document.
        namespace: Takes the place of ``metadata.namespace``.
        served_elsewhere: Algorithms that other suggestion servers have: known, and judged there.
        template_required: Refuse an experiment without ``spec.trialTemplate``, whose trials callers would have to run.

    Raises:
        InvalidExperiment: With every problem of every document.
    """
    admitted: list[Experiment] = []
    problems: list[Problem] = []
    read = documents.load(text, source=source)
    if name is not None and len(read) > 1:
        raise InvalidExperiment([Problem("metadata.name", f"one name cannot be given to {len(read)} experiments")])
    for document in read:
        try:
            renamed = _renamed(document, name, namespace)
            admitted.append(_admit(renamed, config_maps, served_elsewhere, template_required=template_required))
        except InvalidInput as error:
            problems += error.problems
    names = Counter((experiment.metadata.namespace or "default", experiment.metadata.name) for experiment in admitted)
    problems += [
        Problem("metadata.name", "is used by more than one experiment of this file", shared)
        for (_, shared), count in names.items()
        if count > 1
    ]
    if problems:
        raise InvalidExperiment(problems)
    return admitted


def admit(
    text: str | bytes,
    *,
    config_maps: ConfigMapReader,
    source: str = "",
    name: str | None = None,
    namespace: str | None = None,
    served_elsewhere: Collection[str] = (),
    template_required: bool = True,
) -> Experiment:
    """Return the one experiment of a text; see ``admit_all``.

    Raises:
        InvalidExperiment: As there, and when there is more than one.
    """
    experiments = admit_all(
        text,
        config_maps=config_maps,
        source=source,
        name=name,
        namespace=namespace,
        served_elsewhere=served_elsewhere,
        template_required=template_required,
    )
    if len(experiments) != 1:
        raise InvalidExperiment([Problem("", f"one experiment is wanted here, not {len(experiments)}")])
    return experiments[0]


def _renamed(document: Document, name: str | None, namespace: str | None) -> Document:
    changes = {field: text for field, text in (("name", name), ("namespace", namespace)) if text is not None}
    if not changes:
        return document
    metadata = document.content.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        return document
    return replace(document, content={**document.content, "metadata": {**(metadata or {}), **changes}})


def _admit(
    document: Document, config_maps: ConfigMapReader, served: Collection[str], *, template_required: bool
) -> Experiment:
    def checked(experiment: Experiment) -> tuple[Experiment, list[Problem]]:
        return _checked(with_defaults(experiment), config_maps, served, template_required=template_required)

    try:
        experiment, problems = checked(parse_experiment(document.content))
    except InvalidInput as error:
        problems = [*error.problems]
        part = partial_experiment(document.content, problems)
        if part is not None:
            _, others = checked(part.experiment)
            problems += [problem for problem in others if not part.explains(problem)]
    if not problems:
        return experiment
    unique: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        line = problem.line if problem.line is not None else document.line_of(problem.path)
        unique.setdefault((problem.path, problem.message), replace(problem, line=line))
    raise InvalidExperiment(sorted(unique.values(), key=lambda problem: problem.line or 0))


def _checked(
    experiment: Experiment, config_maps: ConfigMapReader, served: Collection[str], *, template_required: bool
) -> tuple[Experiment, list[Problem]]:
    """Return the experiment with its template loaded, and what is wrong with it."""
    problems: list[Problem] = validate.problems(experiment)
    space_is_sound = not any(
        problem.path.startswith(("spec.parameters", "spec.constraints", "spec.nasConfig")) for problem in problems
    )
    if space_is_sound:
        problems += _space_problems(experiment)
    name = experiment.spec.algorithm.algorithm_name if experiment.spec.algorithm else ""
    # Of one that is served elsewhere, only its own server knows what it takes.
    if name not in served and (space_is_sound or name not in registry.names()):
        problems += registry.problems(experiment)
    problems += _early_stopping_problems(experiment, with_its_problem=space_is_sound)
    stated = experiment.spec.trial_template
    if stated is None:
        if template_required:
            problems.append(Problem("spec.trialTemplate", "is required"))
    else:
        try:
            template = load_template(stated, config_maps=config_maps)
        except InvalidInput as error:
            problems += error.problems
        else:
            loaded = stated.model_copy(update={"trial_spec": template, "config_map": None})
            spec = experiment.spec.model_copy(update={"trial_template": loaded})
            # A template from a ConfigMap shows its kind only now, and with it the default conditions.
            experiment = with_defaults(experiment.model_copy(update={"spec": spec}))
            found = template_validate.problems(experiment, template, with_a_point=space_is_sound)
            problems += found if stated.config_map is None else map(_in_config_map, found)
    return experiment, problems


def _in_config_map(problem: Problem) -> Problem:
    """Say that a fault is in the template of a ConfigMap, not in this file."""
    path = "spec.trialTemplate.trialSpec"
    if not problem.path.startswith(path):
        return problem
    place = problem.path.removeprefix(path).removeprefix(".")
    message = f"its template{f', {place}' if place else ''}: {problem.message}"
    return replace(problem, path="spec.trialTemplate.configMap", message=message)


def _early_stopping_problems(experiment: Experiment, *, with_its_problem: bool) -> list[Problem]:
    """Return why trials cannot be stopped early as asked.

    Args:
        experiment: What asks for it.
        with_its_problem: The space is sound, so that the early stopper can say whether it suits the experiment.
    """
    stopping = experiment.spec.early_stopping
    if stopping is None:
        return []
    return early_stoppers.problems(experiment) if with_its_problem else early_stoppers.settings_problems(stopping)


def _space_problems(experiment: Experiment) -> list[Problem]:
    """Return which initial trials are no points of the space, and whether the space has points at all."""
    space = registry.space_of(experiment)
    problems = []
    for index, initial in enumerate(experiment.spec.initial_trials or []):
        path = f"spec.initialTrials[{index}].parameterAssignments"
        try:
            space.parse([KeyValue(name=item.name, value=item.value) for item in initial.parameter_assignments])
        except InvalidInput as error:
            problems += [replace(problem, path=path) for problem in error.problems]
    if space.constraints:
        try:
            space.sample(random.Random(0))
        except InvalidInput as error:
            problems.append(Problem("spec.constraints", error.problems[0].message))
    return problems
