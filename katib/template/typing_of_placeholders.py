"""Which placeholders become numbers: those that stand alone and unquoted in the YAML, where the field is not one for text.

YAML loses the quotes when it is read, so they are noted: ``note_unquoted`` puts the paths into an annotation of the template, which
survives every store and API (ADR 0002). Fields that Kubernetes wants as text stay text whatever the quotes, as people rarely quote
``args: [--lr, ${trialParameters.lr}]``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from katib.api.document import PlainText
from katib.template.placeholder import PLACEHOLDER

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
_NUMBER: Final = re.compile(r"[-+]?(\d+|\d*\.\d+|\d+\.)([eE][-+]?\d+)?")


def note_unquoted(template: dict[str, Any]) -> dict[str, Any]:
    """Return a freshly read template with the paths of its unquoted placeholders noted; unchanged when there are none."""
    paths = sorted(path for path in _plain_placeholders(template, "") if not _TEXT_FIELD.search(path))
    if not paths:
        return template
    metadata = dict(template.get("metadata") or {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), UNQUOTED: json.dumps(paths)}
    return {**template, "metadata": metadata}


def _plain_placeholders(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _plain_placeholders(child, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _plain_placeholders(child, f"{path}[{index}]")
    elif isinstance(value, PlainText) and PLACEHOLDER.fullmatch(value):
        yield path


def unquoted_paths(template: Mapping[str, Any]) -> frozenset[str]:
    """Return the noted paths; an annotation that someone broke notes nothing."""
    noted = ((template.get("metadata") or {}).get("annotations") or {}).get(UNQUOTED)
    try:
        paths = json.loads(noted) if isinstance(noted, str) else []
    except ValueError:
        return frozenset()
    return frozenset(path for path in paths if isinstance(path, str)) if isinstance(paths, list) else frozenset()


def as_yaml_would(text: str) -> float | int | bool | str:
    """Return the value as YAML types it when it stands unquoted: numbers and booleans, else the text."""
    if text in ("true", "false"):
        return text == "true"
    if not _NUMBER.fullmatch(text):
        return text
    try:
        return int(text)
    except ValueError:
        return float(text)
