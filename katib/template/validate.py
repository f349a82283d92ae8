"""Whether a template and the experiment around it fit together (facts 2.8, items 10 to 12)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from katib.api.similar import did_you_mean
from katib.errors import InvalidInput, Problem
from katib.space.space import Space
from katib.template.condition import condition_problem
from katib.template.job_fields import job_problems
from katib.template.placeholder import PLACEHOLDER, is_meta, meta_value, placeholders, walk
from katib.template.render import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from katib.api.experiment import Experiment, TrialTemplate

__all__ = ["problems"]

_TEMPLATE: Final = "spec.trialTemplate"
_SPEC: Final = f"{_TEMPLATE}.trialSpec"
_NAS_REFERENCES: Final = frozenset({"architecture", "nn_config", "algorithm-settings", "search-space", "num-layers"})
"""What the algorithms of neural architecture search assign (facts 3)."""


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
    if not found and with_a_point:
        found = list(_render_problems(experiment, stated, template))
    return found


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
    known = {parameter.name for parameter in experiment.spec.parameters or []} or set(_NAS_REFERENCES)
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
        elif reference not in known:
            yield Problem(f"{path}.reference", "is none of the parameters", reference, did_you_mean(reference, known))
        names.add(name)
        references.add(reference)
    for name, path in used.items():
        if name not in names:
            yield Problem(
                f"{_SPEC}.{path}",
                f"${{trialParameters.{name}}} is none of trialParameters",
                hint=did_you_mean(name, names),
            )
    for parameter_name in sorted(known - references if experiment.spec.parameters else ()):
        yield Problem(
            f"{_TEMPLATE}.trialParameters",
            f"no trial parameter refers to {parameter_name!r}, so its value would be lost",
        )


def _metadata_problems(template: Mapping[str, Any]) -> Iterator[Problem]:
    metadata = template.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        yield Problem(f"{_SPEC}.metadata", "must be a mapping of fields", metadata)
    for field in ("name", "namespace"):
        if isinstance(metadata, dict) and metadata.get(field):
            yield Problem(f"{_SPEC}.metadata.{field}", "must be left out: every trial has its own")
    for field in ("apiVersion", "kind"):
        if not isinstance(template.get(field), str) or not template.get(field):
            yield Problem(f"{_SPEC}.{field}", "is required")


def _render_problems(experiment: Experiment, stated: TrialTemplate, template: Mapping[str, Any]) -> Iterator[Problem]:
    """Render the template as a trial would, and look at the result."""
    try:
        space = Space.from_spec(experiment.spec)
        pairs = [(item.name, item.value) for item in space.sample(random.Random(0)).assignments()]
        job = render(experiment, "trial", pairs or [(name, "0") for name in _NAS_REFERENCES], template=template)
    except InvalidInput as error:
        yield from error.problems
        return
    left = [text for _, text in walk(job) if "${trialParameters" in text and not PLACEHOLDER.search(text)]
    for text in left:
        yield Problem(_SPEC, "has a placeholder that is not closed or nested", text)
    if job.get("kind") == "Job" and job.get("apiVersion") == "batch/v1":
        yield from job_problems(job, _SPEC)
        containers = job.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []) or []
        names = [container.get("name") for container in containers if isinstance(container, dict)]
        if names and stated.primary_container_name not in names:
            yield Problem(
                f"{_TEMPLATE}.primaryContainerName",
                "is none of the template's containers",
                stated.primary_container_name,
                did_you_mean(stated.primary_container_name or "", [str(name) for name in names]),
            )
