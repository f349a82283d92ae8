"""Whether a template and the experiment around it fit together (facts 2.8, items 10 to 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.algorithm import registry
from katib.api.kubernetes_text import label_problems, variable_problems
from katib.api.similar import did_you_mean
from katib.errors import InvalidInput, Problem
from katib.template.condition import condition_problem
from katib.template.job_fields import container_names, job_problems
from katib.template.placeholder import PLACEHOLDER, is_meta, meta_value, placeholders, walk
from katib.template.render import render
from katib.template.trial_kind import pod_templates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from katib.api.experiment import Experiment, TrialTemplate
    from katib.space.parameter import Parameter

__all__ = ["problems"]

_TEMPLATE: Final = "spec.trialTemplate"
_SPEC: Final = f"{_TEMPLATE}.trialSpec"


def problems(experiment: Experiment, template: Mapping[str, Any], *, with_a_point: bool = True) -> list[Problem]:
    """Return what is wrong with a loaded template of a defaulted experiment.

    Args:
        experiment: With its defaults.
        template: As loaded.
        with_a_point: Also render it for a point of the space, which has to be valid for that.
    """
    stated = experiment.spec.trial_template
    if stated is None:
        return [Problem(_TEMPLATE, "is required")]
    found = [
        *_condition_problems(stated, template),
        *_parameter_problems(experiment, stated, template),
        *_metadata_problems(template),
    ]
    if found or not with_a_point:
        return found + list(_unrendered_problems(stated, template))
    return list(_render_problems(experiment, stated, template))


def _condition_problems(stated: TrialTemplate, template: Mapping[str, Any]) -> Iterator[Problem]:
    if not stated.primary_container_name:
        yield Problem(f"{_TEMPLATE}.primaryContainerName", "is required")
    for field, query in (
        ("successCondition", stated.success_condition),
        ("failureCondition", stated.failure_condition),
    ):
        if not query:
            yield Problem(f"{_TEMPLATE}.{field}", f"is required for a template of kind {template.get('kind')!r}")
        elif problem := condition_problem(query):
            yield Problem(f"{_TEMPLATE}.{field}", problem, query)


def _parameter_problems(
    experiment: Experiment, stated: TrialTemplate, template: Mapping[str, Any]
) -> Iterator[Problem]:
    if stated.trial_parameters is None:
        yield Problem(f"{_TEMPLATE}.trialParameters", "is required")
        return
    used = placeholders(template)
    known = {parameter.name for parameter in experiment.spec.parameters or []} or {*registry.assigned_texts(experiment)}
    names: set[str] = set()
    references: set[str] = set()
    for index, parameter in enumerate(stated.trial_parameters):
        path = f"{_TEMPLATE}.trialParameters[{index}]"
        name, reference = parameter.name, parameter.reference
        if not name or "{" in name or "}" in name:
            yield Problem(f"{path}.name", "must not be empty nor have braces", name)
        elif name in names:
            yield Problem(f"{path}.name", "is there twice", name)
        elif name not in used:
            yield Problem(
                f"{path}.name",
                f"is not used: the template has no ${{trialParameters.{name}}}",
                name,
                did_you_mean(name, used),
            )
        if not reference:
            yield Problem(f"{path}.reference", "must not be empty")
        elif reference in references:
            yield Problem(f"{path}.reference", "is referred to twice", reference)
        elif is_meta(reference):
            try:
                meta_value(reference, name="trial", namespace="default", template=template)
            except InvalidInput as error:
                yield Problem(f"{path}.reference", error.problems[0].message)
        elif known and reference not in known:
            what = (
                "parameters"
                if experiment.spec.parameters
                else f"texts of a network, which are {', '.join(sorted(known))}"
            )
            yield Problem(f"{path}.reference", f"is none of the {what}", reference, did_you_mean(reference, known))
        names.add(name)
        references.add(reference)
    for name, path in used.items():
        if name not in names:
            yield Problem(
                f"{_SPEC}.{path}",
                f"${{trialParameters.{name}}} is none of trialParameters",
                hint=did_you_mean(name, names),
            )
    for parameter_name in sorted(known - references):
        yield Problem(
            f"{_TEMPLATE}.trialParameters",
            f"no trial parameter refers to {parameter_name!r}, so its value would be lost",
        )


def _metadata_problems(template: Mapping[str, Any]) -> Iterator[Problem]:
    metadata = template.get("metadata")
    for field in ("name", "namespace"):
        if isinstance(metadata, dict) and metadata.get(field):
            yield Problem(f"{_SPEC}.metadata.{field}", "must be left out: every trial has its own")
    for field in ("apiVersion", "kind"):
        if not isinstance(template.get(field), str) or not template.get(field):
            yield Problem(f"{_SPEC}.{field}", "is required")
    for path, text in walk(dict(template)):
        if "${trialParameters" in PLACEHOLDER.sub("", text):
            yield Problem(f"{_SPEC}.{path}", "has a placeholder that is not closed, nested, or has no name", text)


def _render_problems(experiment: Experiment, stated: TrialTemplate, template: Mapping[str, Any]) -> Iterator[Problem]:
    """Render the template as trials would, with all parameters and with only those that every trial has; look at the jobs."""
    parameters = registry.space_of(experiment).parameters
    every = [(parameter.name, _some_value(parameter)) for parameter in parameters]
    always = [pair for pair, parameter in zip(every, parameters, strict=True) if parameter.activation is None]
    if not parameters:  # a network, and an algorithm that cannot be asked what its points are
        references = [parameter.reference for parameter in stated.trial_parameters or []]
        every = always = [(reference, "0") for reference in references if not is_meta(reference)]
    for assignments in [every] if len(every) == len(always) else [every, always]:
        try:
            job = render(experiment, "trial", assignments, template=template)
        except InvalidInput as error:
            yield from error.problems
            continue
        yield from _job_problems(stated, job, template)


def _some_value(parameter: Parameter) -> str:
    return "0" if parameter.kind == "text" else parameter.format(parameter.from_unit(0.5))


def _unrendered_problems(stated: TrialTemplate, template: Mapping[str, Any]) -> Iterator[Problem]:
    """Look at a template that cannot be rendered yet, and at nothing in it that a trial's values may change."""
    for problem in _job_problems(stated, template, template):
        if not PLACEHOLDER.search(str(problem.value)):
            yield problem


def _job_problems(stated: TrialTemplate, job: Mapping[str, Any], template: Mapping[str, Any]) -> Iterator[Problem]:
    """Look at a job as far as its template says it: labels of the experiment are looked at there."""
    if job.get("kind") == "Job" and job.get("apiVersion") == "batch/v1":
        yield from job_problems(job, _SPEC)
        yield from _container_problems(stated, container_names(job))
    own = _labels_of(template)
    labels = {key: value for key, value in _labels_of(job).items() if key in own}
    yield from label_problems(labels, f"{_SPEC}.metadata.labels")
    for pod in pod_templates(dict(job)):
        where = f"{_SPEC}.{pod.path}"
        yield from label_problems(_labels_of(pod.template), f"{where}.metadata.labels")
        spec = pod.template.get("spec")
        for field in ("initContainers", "containers"):
            containers = spec.get(field) if isinstance(spec, dict) else None
            for number, container in enumerate(containers if isinstance(containers, list) else ()):
                variables = container.get("env") if isinstance(container, dict) else None
                for index, variable in enumerate(variables if isinstance(variables, list) else ()):
                    if isinstance(variable, dict):
                        yield from variable_problems(variable, f"{where}.spec.{field}[{number}].env[{index}]")


def _labels_of(thing: Mapping[str, Any]) -> dict[str, Any]:
    metadata = thing.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return {str(key): value for key, value in labels.items()} if isinstance(labels, dict) else {}


def _container_problems(stated: TrialTemplate, names: list[str]) -> Iterator[Problem]:
    if names and stated.primary_container_name not in names:
        yield Problem(
            f"{_TEMPLATE}.primaryContainerName",
            "is none of the template's containers",
            stated.primary_container_name,
            did_you_mean(stated.primary_container_name or "", names),
        )
