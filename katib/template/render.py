"""The job of one trial: its template with every placeholder replaced, on the parsed tree.

A value is put where its placeholder stands and looked at no further: quotes, newlines, ``$(…)`` or another placeholder inside it stay
characters of one scalar. Parameters that are not active leave nothing behind (ADR 0003): an argument, environment variable or
mapping entry made of them is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem
from katib.template.placeholder import PLACEHOLDER, is_meta, meta_value
from katib.template.typing_of_placeholders import UNQUOTED, as_yaml_would, unquoted_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.api.experiment import Experiment

__all__ = ["render"]

_PATH: Final = "spec.trialTemplate.trialSpec"
_EXPERIMENT_LABEL: Final = "katib.kubeflow.org/experiment"
_TRIAL_LABEL: Final = "katib.kubeflow.org/trial"


class _Absent:
    """What a scalar of inactive parameters becomes; nothing of it is left in the job."""


_ABSENT: Final = _Absent()


def render(
    experiment: Experiment,
    trial_name: str,
    assignments: Sequence[tuple[str, str]],
    *,
    template: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the job document of a trial, with name, namespace and labels set.

    Args:
        experiment: Defaulted and valid.
        trial_name: Becomes the job's name.
        assignments: Parameter names and printed values; inactive parameters absent.
        template: The loaded ``trialSpec``.

    Raises:
        InvalidInput: A placeholder stands for nothing, or cannot be left out where its parameter is inactive.
    """
    namespace = experiment.metadata.namespace or "default"
    values = _values(experiment, trial_name, namespace, dict(assignments), template)
    rendered = _Renderer(values, unquoted_paths(template)).render(dict(template), "")
    if not isinstance(rendered, dict):
        raise InvalidInput([Problem(_PATH, "must be a mapping of fields")])
    metadata = dict(rendered.get("metadata") or {})
    annotations = {key: text for key, text in (metadata.get("annotations") or {}).items() if key != UNQUOTED}
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    labels = {
        **(experiment.metadata.labels or {}),
        **(metadata.get("labels") or {}),
        _EXPERIMENT_LABEL: experiment.metadata.name,
        _TRIAL_LABEL: trial_name,
    }
    rendered["metadata"] = {**metadata, "name": trial_name, "namespace": namespace, "labels": labels}
    return rendered


def _values(
    experiment: Experiment, trial_name: str, namespace: str, assigned: Mapping[str, str], template: Mapping[str, Any]
) -> dict[str, str | _Absent]:
    """Return what each template parameter stands for in this trial."""
    spec = experiment.spec
    known = {parameter.name for parameter in spec.parameters or []}
    values: dict[str, str | _Absent] = {}
    for parameter in (spec.trial_template.trial_parameters or []) if spec.trial_template else []:
        reference = parameter.reference
        if is_meta(reference):
            values[parameter.name] = meta_value(reference, name=trial_name, namespace=namespace, template=template)
        elif reference in assigned:
            values[parameter.name] = assigned[reference]
        elif reference in known:
            values[parameter.name] = _ABSENT
    return values


class _Renderer:
    def __init__(self, values: Mapping[str, str | _Absent], unquoted: frozenset[str]) -> None:
        self._values = values
        self._unquoted = unquoted

    def render(self, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return self._mapping(value, path)
        if isinstance(value, list):
            return self._list(value, path)
        if isinstance(value, str):
            return self._text(value, path)
        return value

    def _mapping(self, value: dict[str, Any], path: str) -> Any:
        rendered = {}
        for key, child in value.items():
            here = f"{path}.{key}" if path else str(key)
            new_key = self._text(str(key), here)
            new_child = self.render(child, here)
            if new_child is not _ABSENT and new_key is not _ABSENT:
                rendered[str(new_key)] = new_child
        return rendered

    def _list(self, items: list[Any], path: str) -> list[Any]:
        rendered = []
        for index, item in enumerate(items):
            value = self.render(item, f"{path}[{index}]")
            # {name: X, value: ${inactive}} is an environment variable (or a parameter of some kind) without a value.
            lost_value = isinstance(item, dict) and "name" in item and "value" in item and "value" not in value
            if value is not _ABSENT and not lost_value:
                rendered.append(value)
        return rendered

    def _text(self, text: str, path: str) -> Any:
        matches = list(PLACEHOLDER.finditer(text))
        if not matches:
            return str(text)
        for match in matches:
            if match[1] not in self._values:
                raise InvalidInput(
                    [
                        Problem(
                            f"{_PATH}.{path}",
                            f"the placeholder {match[0]} stands for none of trialParameters",
                            str(text),
                        )
                    ]
                )
        if any(self._values[match[1]] is _ABSENT for match in matches):
            return _ABSENT
        if len(matches) == 1 and matches[0][0] == text and path in self._unquoted:
            return as_yaml_would(str(self._values[matches[0][1]]))
        return PLACEHOLDER.sub(lambda match: str(self._values[match[1]]), text)
