"""Which placeholders become numbers: those that stand alone and unquoted in the YAML, where the field is not one for text.

YAML loses the quotes when it is read, so they are noted: ``note_unquoted`` puts the paths into an annotation of the template, which
survives every store and API (ADR 0002). Fields that Kubernetes wants as text stay text whatever the quotes, as people rarely quote
``args: [--lr, ${trialParameters.lr}]``.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from katib.api.scalars import PlainText
from katib.template.placeholder import PLACEHOLDER, metadata_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["UNQUOTED", "as_yaml_would", "note_unquoted", "unquoted_paths"]

UNQUOTED: Final = "katib.kubeflow.org/unquoted-placeholders"
"""The annotation: a JSON list of paths."""

_TEXT_FIELD: Final = re.compile(
    r"(^|\.)((command|args)\[\d+\]|env\[\d+\]\.(name|value)|(labels|annotations|nodeSelector|limits|requests)\..+"
    r"|image|imagePullPolicy|workingDir|restartPolicy|serviceAccountName|schedulerName|priorityClassName|name|namespace"
    r"|kind|apiVersion|mountPath|subPath|claimName)$"
)
_NUMBER: Final = re.compile(r"[-+]?([0-9]+|[0-9]*\.[0-9]+|[0-9]+\.)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER: Final = 64
"""Characters; the text of a longer one is no number of a search space, and stays text."""


def note_unquoted(template: dict[str, Any]) -> dict[str, Any]:
    """Return a freshly read template with the paths of its unquoted placeholders noted.

    Unchanged when quotes make no difference in it, or when it is noted already: a tool that printed it chose quotes of its own.
    """
    found = [(path, text) for path, text in _lone_placeholders(template, "") if not _TEXT_FIELD.search(path)]
    if not found or UNQUOTED in metadata_of(template, "annotations"):
        return template
    paths = sorted(path for path, text in found if isinstance(text, PlainText))
    annotations = {**metadata_of(template, "annotations"), UNQUOTED: json.dumps(paths)}
    return {**template, "metadata": {**(template.get("metadata") or {}), "annotations": annotations}}


def _lone_placeholders(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _lone_placeholders(child, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _lone_placeholders(child, f"{path}[{index}]")
    elif isinstance(value, str) and PLACEHOLDER.fullmatch(value):
        yield path, value


def unquoted_paths(template: Mapping[str, Any]) -> frozenset[str]:
    """Return the noted paths; an annotation that someone broke notes nothing."""
    noted = metadata_of(template, "annotations").get(UNQUOTED)
    try:
        paths = json.loads(noted) if isinstance(noted, str) else []
    except (ValueError, RecursionError):
        return frozenset()
    return frozenset(path for path in paths if isinstance(path, str)) if isinstance(paths, list) else frozenset()


def as_yaml_would(text: str) -> float | int | bool | str:
    """Return the value as YAML types it when it stands unquoted: numbers and booleans, else the text."""
    if text in ("true", "false"):
        return text == "true"
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return text
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return text if math.isinf(number) else number
