"""The job of one trial: its template with every placeholder replaced, on the parsed tree.

A value is put where its placeholder stands and looked at no further: quotes, newlines, ``$(…)`` or another placeholder inside it stay
characters of one scalar. Parameters that are not active leave nothing behind (ADR 0003): an argument with its option, an environment
variable or a mapping entry made of them is dropped; where that is not possible, as in the middle of a shell command, it is refused.
"""

from __future__ import annotations

import re
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
_EXPANDED: Final = re.compile(r"(^|\.)((command|args)\[\d+\]|env\[\d+\]\.value)$")
"""Where Kubernetes replaces ``$(NAME)`` by a variable and ``$$`` by a dollar."""
_REFERENCE: Final = re.compile(r"\$\$|\$\([^()\s]+\)")
"""What it would replace in a value; the dollars are doubled then, so that the program sees the value as it is."""
_WORDS_OF_A_COMMAND: Final = re.compile(r"(^|\.)(command|args)$")
_OPTION: Final = re.compile(r"--?[A-Za-z][-\w.]*")


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
            new_key = self._replaced(str(key), here)
            new_child = self.render(child, here)
            if isinstance(new_key, _Absent) or new_child is _ABSENT:
                continue
            if new_key in rendered:
                raise _refused(here, f"makes {new_key!r} a key that is there already", str(key))
            rendered[new_key] = new_child
        return rendered

    def _list(self, items: list[Any], path: str) -> list[Any]:
        rendered: list[Any] = []
        for index, item in enumerate(items):
            value = self.render(item, f"{path}[{index}]")
            if value is _ABSENT:
                before = items[index - 1] if index else ""
                if _WORDS_OF_A_COMMAND.search(path) and _is_value_of(before, item):
                    rendered.pop()
            elif not _lost_a_half(item, value):
                rendered.append(value)
        return rendered

    def _text(self, text: str, path: str) -> Any:
        replaced = self._replaced(text, path)
        if path in self._unquoted and isinstance(replaced, str) and PLACEHOLDER.fullmatch(text):
            return as_yaml_would(replaced)
        return replaced

    def _replaced(self, text: str, path: str) -> str | _Absent:
        names = [match[1] for match in PLACEHOLDER.finditer(text)]
        for name in names:
            if name not in self._values:
                message = f"the placeholder ${{trialParameters.{name}}} stands for none of trialParameters"
                raise _refused(path, message, text)
        inactive = [name for name in names if self._values[name] is _ABSENT]
        if not inactive:
            return PLACEHOLDER.sub(lambda match: self._value(match[1], path), text)
        if re.search(r"\s", PLACEHOLDER.sub("", text)):
            message = (
                f"{inactive[0]!r} has no value in every trial and cannot be left out of a longer text: "
                "give it an argument or an environment variable of its own"
            )
            raise _refused(path, message, text)
        return _ABSENT

    def _value(self, name: str, path: str) -> str:
        value = str(self._values[name])
        return value.replace("$", "$$") if _EXPANDED.search(path) and _REFERENCE.search(value) else value


def _is_value_of(option: Any, item: Any) -> bool:
    """Whether two words of a command are an option and its value: ``--lr``, ``${trialParameters.lr}``."""
    return isinstance(option, str) and _OPTION.fullmatch(option) is not None and not str(item).startswith("-")


def _lost_a_half(item: Any, value: Any) -> bool:
    """Whether ``{name: X, value: ${inactive}}``, an environment variable or the like, is left with one of the two."""
    both = {"name", "value"}
    return isinstance(item, dict) and both <= item.keys() and not both <= value.keys()


def _refused(path: str, message: str, text: str) -> InvalidInput:
    return InvalidInput([Problem(f"{_PATH}.{path}", message, str(text))])
