"""What an API server checks of an Experiment beyond its types: limits, and rules across fields in the Common Expression Language.

They are the part of ``katib.api.validate`` that needs neither an algorithm nor a template; the rest is said by the operator, as a
condition. A rule's cost is estimated by the API server from the limits given here, and a definition that may cost too much is refused:
the limits are far above what experiments have, and as low as the rules need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.api import experiment as api
from katib.api.crd_schema import fields_of
from katib.api.trial_kind import trial_kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.crd_schema import Schema

__all__ = ["with_rules"]

_EDITABLE: Final = ("parallelTrialCount", "maxTrialCount", "maxFailedTrialCount", "maxRuntime")
_MOST_PARAMETERS: Final = 500
_LONGEST_NAME: Final = 253
_LONGEST_METRIC: Final = 500
_MOST_METRICS: Final = 500
_MOST_CONDITIONS: Final = 32

_DURATION: Final[Schema] = {
    "type": "string",
    "maxLength": 200,
    "pattern": r"^(([0-9]{1,9}(\.[0-9]{1,9})?)(ms|d|h|m|s))+$",
}
_NAME: Final[Schema] = {"minLength": 1, "maxLength": _LONGEST_NAME}
_METRIC: Final[Schema] = {"minLength": 1, "maxLength": _LONGEST_METRIC}


def _rule(rule: str, message: str, field: str = "") -> Schema:
    return {"rule": rule, "message": message, **({"fieldPath": f".{field}"} if field else {})}


def _at_most(field: str) -> Schema:
    return _rule(
        f"!has(self.{field}) || !has(self.maxTrialCount) || self.{field} <= self.maxTrialCount",
        f"{field} must be at most maxTrialCount",
        field,
    )


_INVALID: Final = (
    "(has(oldSelf.status) && has(oldSelf.status.conditions) && oldSelf.status.conditions.exists(c,"
    " c.type == 'Failed' && has(c.reason) && c.reason == 'InvalidExperiment'))"
)
"""Nothing of it has run: it may be mended in any way."""


def _unchanged(field: str) -> Schema:
    new, old = f"self.spec.{field}", f"oldSelf.spec.{field}"
    return _rule(
        f"{_INVALID} || (has({new}) == has({old}) && (!has({new}) || {new} == {old}))",
        f"{field} cannot be changed once the experiment exists; only {', '.join(_EDITABLE)} can",
        f"spec.{field}",
    )


def _kinds() -> str:
    return ", ".join(f"'{kind.kind}'" for kind in trial_kinds())


_RANGES: Final = ["double", "int"]
_CHOICES: Final = ["discrete", "categorical"]


def _space(wanted: Schema, *, unless: list[str]) -> Schema:
    """Return that a feasible space is so, unless its parameter is of certain types. An error names the first of the two."""
    return {"anyOf": [{"properties": {"feasibleSpace": wanted}}, {"properties": {"parameterType": {"enum": unless}}}]}


_SPACES: Final[Schema] = {
    # In the schema, as rules cannot see values that have no type.
    "allOf": [
        _space({"required": ["min", "max"]}, unless=_CHOICES),
        _space({"properties": {"list": {"maxItems": 0}}}, unless=_CHOICES),
        _space({"required": ["list"], "properties": {"list": {"minItems": 1}}}, unless=_RANGES),
    ]
}

_RULES: Final[Mapping[str, list[Schema]]] = {
    "": [
        _rule(
            "self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "metadata.name must be at most 40 lower-case letters, digits and '-', begin with a letter and not end with '-'",
        ),
        _rule(
            "!has(oldSelf.status) || !has(oldSelf.status.conditions) || !has(self.spec.maxTrialCount)"
            " || !oldSelf.status.conditions.exists(c, c.type in ['Succeeded', 'Failed'] && c.status == 'True')"
            " || (has(oldSelf.spec.maxTrialCount) && oldSelf.spec.maxTrialCount == self.spec.maxTrialCount)"
            f" || {_INVALID} || self.spec.maxTrialCount > (has(oldSelf.status.trials) ? oldSelf.status.trials : 0)",
            "spec.maxTrialCount must be more than the trials there are, to run a finished experiment again",
            "spec.maxTrialCount",
        ),
        _rule(
            f"!has(oldSelf.status) || !has(oldSelf.status.conditions) || self.spec == oldSelf.spec || {_INVALID}"
            " || !oldSelf.status.conditions.exists(c, c.type in ['Succeeded', 'Failed'] && c.status == 'True')"
            " || (oldSelf.status.conditions.exists(c, c.status == 'True' && has(c.reason) && c.reason == 'ExperimentMaxTrialsReached')"
            " && has(self.spec.resumePolicy) && self.spec.resumePolicy in ['LongRunning', 'FromVolume'])",
            "a finished experiment goes on only if it reached maxTrialCount and its resumePolicy is LongRunning or FromVolume",
            "spec",
        ),
        *[_unchanged(field) for field in fields_of(api.ExperimentSpec) if field not in _EDITABLE],
    ],
    "spec": [
        _rule(
            "(has(self.parameters) && self.parameters.size() > 0) != has(self.nasConfig)",
            "exactly one of parameters and nasConfig is required",
            "parameters",
        ),
        _rule(
            "has(self.objective) || (has(self.objectives) && self.objectives.size() > 0)",
            "objective is required",
            "objective",
        ),
        _at_most("parallelTrialCount"),
        _at_most("maxFailedTrialCount"),
        # A list in a list of one gives it a name: it is made once, not once for each element.
        _rule(
            "!has(self.parameters) || self.parameters.size() == 0 || !has(self.trialTemplate.trialParameters)"
            " || [self.parameters.map(p, p.name)].all(names, self.trialTemplate.trialParameters.all(t,"
            " t.reference.startsWith('${trialSpec.') || t.reference in names))",
            "every reference of trialParameters must be one of parameters, or ${trialSpec.…}",
            "trialTemplate.trialParameters",
        ),
        _rule(
            "!has(self.parameters) || !has(self.trialTemplate.trialParameters)"
            " || [self.trialTemplate.trialParameters.map(t, t.reference)].all(references, self.parameters.all(p,"
            " p.name in references))",
            "every parameter must be the reference of one of trialParameters, as its value would be lost",
            "trialTemplate.trialParameters",
        ),
    ],
    "spec.objective": [
        _rule(
            "!has(self.additionalMetricNames) || !(self.objectiveMetricName in self.additionalMetricNames)",
            "objectiveMetricName cannot be one of additionalMetricNames too",
            "additionalMetricNames",
        ),
    ],
    "spec.trialTemplate": [
        _rule(
            "has(self.trialSpec) != has(self.configMap)",
            "exactly one of trialSpec and configMap is required",
            "trialSpec",
        ),
        _rule(
            f"!has(self.trialSpec) || self.trialSpec.kind in [{_kinds()}]"
            " || (has(self.successCondition) && has(self.failureCondition))",
            "successCondition and failureCondition are required for a kind that katib does not know",
            "successCondition",
        ),
    ],
    "spec.trialTemplate.trialSpec": [
        _rule(
            "!has(self.metadata) || ((!has(self.metadata.name) || self.metadata.name == '')"
            " && (!has(self.metadata.__namespace__) || self.metadata.__namespace__ == ''))",
            "metadata.name and metadata.namespace must be left out: every trial has its own",
            "metadata",
        ),
    ],
    "spec.metricsCollectorSpec": [
        _rule(
            "!has(self.collector) || self.collector.kind != 'Custom' || has(self.collector.customCollector)",
            "customCollector is required for the kind Custom",
            "collector",
        ),
        _rule(
            "!has(self.source) || !has(self.source.filter) || !has(self.source.fileSystemPath)"
            " || !has(self.source.fileSystemPath.format) || self.source.fileSystemPath.format != 'JSON'",
            "source.filter cannot be given beside the format JSON, whose fields are the metrics",
            "source",
        ),
    ],
    "spec.metricsCollectorSpec.source.fileSystemPath": [
        _rule("!has(self.path) || self.path == '' || self.path.startsWith('/')", "path must be absolute", "path"),
    ],
    "spec.metricsCollectorSpec.source.httpGet": [
        _rule("!has(self.path) || self.path == '' || self.path.startsWith('/')", "path must begin with '/'", "path"),
    ],
}
"""By the path of the field that they are about, of an Experiment."""

_ADDED: Final[Mapping[str, Schema]] = {
    "spec": {"required": ["algorithm", "trialTemplate"]},
    "spec.parallelTrialCount": {"minimum": 1},
    "spec.maxTrialCount": {"minimum": 1},
    "spec.maxFailedTrialCount": {"minimum": 0},
    "spec.seed": {"minimum": 0},
    "spec.resumePolicy": {"default": "Never"},
    "spec.constraints": {"maxItems": 100},
    "spec.parameters": {
        "maxItems": _MOST_PARAMETERS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    },
    "spec.parameters[]": _SPACES,
    "spec.parameters[].name": _NAME,
    "spec.parameters[].parameterType": {"enum": [*_RANGES, *_CHOICES]},
    "spec.objective.objectiveMetricName": _METRIC,
    "spec.objective.additionalMetricNames": {"maxItems": _MOST_METRICS},
    "spec.objective.additionalMetricNames[]": _METRIC,
    "spec.objectives": {"maxItems": _MOST_METRICS},
    "spec.objectives[].objectiveMetricName": _METRIC,
    "spec.algorithm.algorithmName": _NAME,
    "spec.earlyStopping.algorithmName": _NAME,
    "spec.nasConfig.operations[].operationType": _NAME,
    "spec.trialTemplate": {"required": ["primaryContainerName", "trialParameters"]},
    "spec.trialTemplate.primaryContainerName": {"minLength": 1},
    "spec.trialTemplate.successCondition": {"minLength": 1},
    "spec.trialTemplate.failureCondition": {"minLength": 1},
    "spec.trialTemplate.trialParameters": {
        "maxItems": _MOST_PARAMETERS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    },
    "spec.trialTemplate.trialParameters[].name": {**_NAME, "pattern": "^[^{}]+$"},
    "spec.trialTemplate.trialParameters[].reference": _NAME,
    "spec.trialTemplate.configMap.configMapName": _NAME,
    "spec.trialTemplate.configMap.configMapNamespace": _NAME,
    "spec.trialTemplate.configMap.templatePath": _NAME,
    "spec.trialTemplate.trialSpec": {
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": {"type": "string", "minLength": 1, "description": "The version of the job's kind."},
            "kind": {"type": "string", "minLength": 1, "maxLength": _LONGEST_NAME, "description": "The job's kind."},
            "metadata": {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
                "description": "Labels and annotations of every trial's job.",
                "properties": {
                    "name": {"type": "string", "description": "To be left out."},
                    "namespace": {"type": "string", "description": "To be left out."},
                },
            },
        },
    },
    "status.conditions": {"maxItems": _MOST_CONDITIONS},
}


_REPLACED: Final[Mapping[str, Schema]] = {"spec.maxRuntime": _DURATION, "spec.trialTimeout": _DURATION}
"""Types that are narrower than their models', which read a bare number to say what is wrong with it."""


def with_rules(schema: Schema) -> Schema:
    """Return the schema of an Experiment with limits and rules; the one that is given is changed."""
    for path, replacement in _REPLACED.items():
        field = _at(schema, path)
        description = field["description"]
        field.clear()
        field.update({"description": description, **replacement})
    for path, added in _ADDED.items():
        _merge(_at(schema, path), added)
    for path, rules in _RULES.items():
        _at(schema, path)["x-kubernetes-validations"] = rules
    return schema


def _merge(schema: Schema, added: Mapping[str, Any]) -> None:
    for key, value in added.items():
        schema[key] = {**schema[key], **value} if key == "properties" and key in schema else value


def _at(schema: Schema, path: str) -> Schema:
    """Return the schema of a field: ``spec.parameters[].name``."""
    for name in path.split(".") if path else []:
        schema = schema["properties"][name.removesuffix("[]")]
        if name.endswith("[]"):
            schema = schema["items"]
    return schema
