"""Prints resources for programs: JSON and YAML in kubectl's shape, or bare ``kind/name`` lines."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from katib.cli.options import Output
from katib.cli.printing import say
from katib.cli.safe_text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.base import ApiModel

__all__ = ["name_of", "print_document", "print_resources"]

_GROUP = "kubeflow.org"
_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")


def name_of(resource: ApiModel) -> str:
    """Return ``kind.group/name``, as ``-o name`` prints it."""
    kind, metadata = type(resource).__name__.lower(), getattr(resource, "metadata", None)
    return f"{kind}.{_GROUP}/{getattr(metadata, 'name', '')}"


def print_resources(resources: Sequence[ApiModel], output: Output, *, single: bool) -> None:
    """Print resources as JSON, YAML or names.

    Args:
        resources: Experiments, trials or suggestions.
        output: One of the forms for programs.
        single: The user named one: it is printed itself, not as a list of one.
    """
    if output is Output.NAME:
        for resource in resources:
            say(name_of(resource))
        return
    documents = [resource.to_document() for resource in resources]
    if single and len(documents) == 1:
        print_document(documents[0], output)
    else:
        print_document({"apiVersion": "v1", "kind": "List", "items": documents}, output)


def print_document(document: Any, output: Output) -> None:
    """Print one document as JSON or YAML; neither can hold a character that a terminal would obey."""
    if output is not Output.YAML:
        sys.stdout.write(_json(document) + "\n")
        return
    text = _yaml(document, escaped=False)
    # YAML escapes control characters by itself, but not those that turn the direction of writing.
    sys.stdout.write(text if printable(text) == text else _yaml(document, escaped=True))


def _json(document: Any) -> str:
    """Return indented JSON in ASCII; for 10,000 trials the json module takes ten times as long."""
    from pydantic_core import to_json

    text = to_json(document, indent=2, inf_nan_mode="constants").decode()
    return text if text.isascii() and "\x7f" not in text else _BEYOND_ASCII.sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    return json.dumps(found.group())[1:-1] if found.group() != "\x7f" else r"\u007f"


def _yaml(document: Any, *, escaped: bool) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=not escaped, default_flow_style=False)
    return text
