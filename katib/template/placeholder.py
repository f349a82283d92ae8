"""``${trialParameters.name}`` and what it may stand for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["PLACEHOLDER", "is_meta", "meta_value", "metadata_of", "placeholders", "walk"]

PLACEHOLDER: Final = re.compile(r"\$\{trialParameters\.([^{}]*)\}")
_META: Final = re.compile(r"\$\{trialSpec\.(Name|Namespace|Kind|APIVersion|(Labels|Annotations)\[([^\]]*)\])\}")


def is_meta(reference: str) -> bool:
    """Whether a reference is to the trial itself (``${trialSpec.Name}``) and not to a parameter."""
    return reference.startswith("${trialSpec.")


def meta_value(reference: str, *, name: str, namespace: str, template: Mapping[str, Any]) -> str:
    """Return what a reference to the trial itself stands for (facts 3).

    Raises:
        InvalidInput: It is none of the allowed references, or names a label or annotation that the template has not.
    """
    match = _META.fullmatch(reference)
    if match is None:
        raise InvalidInput(
            f"{reference!r} is no reference to the trial: there are ${{trialSpec.Name}}, ${{trialSpec.Namespace}}, "
            "${trialSpec.Kind}, ${trialSpec.APIVersion}, ${trialSpec.Labels[key]} and ${trialSpec.Annotations[key]}"
        )
    if match[2]:
        field = match[2].lower()
        found = metadata_of(template, field).get(match[3])
        if found is None:
            raise InvalidInput(f"the template has no {field[:-1]} {match[3]!r}")
        return str(found)
    values = {
        "Name": name,
        "Namespace": namespace,
        "Kind": str(template.get("kind", "")),
        "APIVersion": str(template.get("apiVersion", "")),
    }
    return values[match[1]]


def metadata_of(template: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return ``labels`` or ``annotations`` of a template; empty where it has none, or something else in their place."""
    metadata = template.get("metadata")
    found = metadata.get(field) if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def walk(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of a document with its path; the keys of mappings too."""
    if isinstance(value, dict):
        for key, child in value.items():
            here = f"{path}.{key}" if path else str(key)
            yield here, str(key)
            yield from walk(child, here)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from walk(child, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path, value


def placeholders(template: Mapping[str, Any]) -> dict[str, str]:
    """Return the names used in a template, each with the path of its first use."""
    found: dict[str, str] = {}
    for path, text in walk(dict(template)):
        for match in PLACEHOLDER.finditer(text):
            found.setdefault(match[1], path)
    return found
