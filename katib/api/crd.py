"""The definitions of Experiment, Suggestion and Trial for an API server, made of their models: ``python -m katib.api.crd FOLDER``.

``make crds`` writes them to ``deploy/crds``; ``make verify`` and a test hold the files to the models.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from katib.api.crd_rules import with_rules
from katib.api.crd_schema import described, schema_of
from katib.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
from katib.api.suggestion import Suggestion, SuggestionSpec, SuggestionStatus
from katib.api.trial import Trial, TrialSpec, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from katib.api.crd_schema import Schema

__all__ = ["custom_resource_definitions", "main", "written"]

_GROUP: Final = "kubeflow.org"
_LAST: Final = ".status.conditions[-1:]"
_HEADER: Final = "# Made by `make crds` of katib/api; changes are made there.\n"
_IN_WIDE: Final = 1
"""Columns of this priority are shown by ``-o wide`` only."""


@dataclass(frozen=True, slots=True)
class _Column:
    """What ``kubectl get`` prints."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    priority: int = 0

    def to_document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            document["description"] = self.description
        return {**document, "priority": self.priority} if self.priority else document


@dataclass(frozen=True, slots=True)
class _Definition:
    model: type[BaseModel]
    spec: type[BaseModel]
    status: type[BaseModel]
    short_name: str
    columns: tuple[_Column, ...]


_AGE: Final = _Column("Age", ".metadata.creationTimestamp", "date")
_DEFINITIONS: Final = (
    _Definition(
        Experiment,
        ExperimentSpec,
        ExperimentStatus,
        "exp",
        (
            _Column("Status", f"{_LAST}.type", description="The current condition."),
            _Column("Running", ".status.trialsRunning", "integer", "Trials that run."),
            _Column("Succeeded", ".status.trialsSucceeded", "integer", "Trials that succeeded."),
            _Column("Failed", ".status.trialsFailed", "integer", "Trials that failed."),
            _Column("Max", ".spec.maxTrialCount", "integer", "Trials there are to be at most."),
            _Column("Best", ".status.bestObjective", description="The objective's value in the best trial so far."),
            _Column("Objective", ".spec.objective.objectiveMetricName", description="The metric that is optimised."),
            _Column("Algorithm", ".spec.algorithm.algorithmName", description="What suggests the points."),
            _AGE,
            _Column("Goal", ".spec.objective.goal", description="Good enough.", priority=_IN_WIDE),
            _Column("Best-Trial", ".status.currentOptimalTrial.bestTrialName", priority=_IN_WIDE),
            _Column("Optimum", ".status.bestParameters", description="Its parameters.", priority=_IN_WIDE),
            _Column("Message", f"{_LAST}.message", description="What it is about.", priority=_IN_WIDE),
        ),
    ),
    _Definition(
        Suggestion,
        SuggestionSpec,
        SuggestionStatus,
        "sug",
        (
            _Column("Type", f"{_LAST}.type", description="The current condition."),
            _Column("Status", f"{_LAST}.status", description="Whether it is so."),
            _Column("Requested", ".spec.requests", "integer", "Points that were asked for."),
            _Column("Assigned", ".status.suggestionCount", "integer", "Points that were given."),
            _AGE,
            _Column("Algorithm", ".spec.algorithm.algorithmName", priority=_IN_WIDE),
            _Column("Message", f"{_LAST}.message", priority=_IN_WIDE),
        ),
    ),
    _Definition(
        Trial,
        TrialSpec,
        TrialStatus,
        "tr",
        (
            _Column("Status", f"{_LAST}.type", description="The current condition."),
            _Column("Objective", ".status.objectiveValue", description="The objective's value."),
            _Column("Reason", f"{_LAST}.reason", description="Why it is so."),
            _AGE,
            _Column("Experiment", r".metadata.labels.katib\.kubeflow\.org/experiment", priority=_IN_WIDE),
            _Column("Message", f"{_LAST}.message", priority=_IN_WIDE),
        ),
    ),
)


def custom_resource_definitions() -> list[dict[str, Any]]:
    """Return the definitions, ready for an API server."""
    return [_document(definition) for definition in _DEFINITIONS]


def _document(definition: _Definition) -> dict[str, Any]:
    kind = definition.model.__name__
    singular = kind.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{singular}s.{_GROUP}", "labels": {"app.kubernetes.io/name": "katib"}},
        "spec": {
            "group": _GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": f"{singular}s",
                "singular": singular,
                "shortNames": [definition.short_name],
                "categories": ["all", "kubeflow", "katib"],
            },
            "versions": [
                {
                    "name": "v1beta1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [column.to_document() for column in definition.columns],
                    "schema": {"openAPIV3Schema": _schema(definition)},
                }
            ],
        },
    }


def _schema(definition: _Definition) -> Schema:
    by_people = definition.model is Experiment
    schema: Schema = {
        "type": "object",
        "description": described(definition.model),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{_GROUP}/v1beta1"},
            "kind": {"type": "string", "description": definition.model.__name__},
            "metadata": {"type": "object"},
            "spec": schema_of(definition.spec, by_people=by_people),
            "status": schema_of(definition.status, by_people=False),
        },
    }
    return with_rules(schema) if by_people else schema


def written() -> dict[str, str]:
    """Return what ``make crds`` writes, by file name."""
    import yaml

    files = {
        f"{document['spec']['names']['plural']}.yaml": _HEADER
        + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
        for document in custom_resource_definitions()
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(files),
    }
    return {**files, "kustomization.yaml": _HEADER + yaml.safe_dump(kustomization, sort_keys=False)}


def main(arguments: Sequence[str]) -> int:
    """Write the definitions into the folder that is named."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m katib.api.crd FOLDER\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in written().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
