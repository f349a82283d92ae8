"""Prints resources for programs: JSON and YAML in kubectl's shape, or bare ``kind/name`` lines."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from katib.cli.options import Output
from katib.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.base import ApiModel

__all__ = ["print_document", "print_resources"]

_GROUP = "kubeflow.org"


def print_resources(resources: Sequence[ApiModel], output: Output, *, single: bool) -> None:
    """Print resources as JSON, YAML or names.

    Args:
        resources: Experiments, trials or suggestions.
        output: One of the forms for programs.
        single: The user named one: it is printed itself, not as a list of one.
    """
    documents = [resource.to_document() for resource in resources]
    if output is Output.NAME:
        for document in documents:
            say(f"{document['kind'].lower()}.{_GROUP}/{document['metadata']['name']}")
        return
    if single and len(documents) == 1:
        print_document(documents[0], output)
    else:
        print_document({"apiVersion": "v1", "kind": "List", "items": documents}, output)


def print_document(document: Any, output: Output) -> None:
    """Print one document as JSON or YAML."""
    if output is Output.YAML:
        import yaml

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        yaml.dump(document, sys.stdout, Dumper=dumper, sort_keys=False, allow_unicode=True, default_flow_style=False)
    else:
        json.dump(document, sys.stdout, indent=2)
        sys.stdout.write("\n")
