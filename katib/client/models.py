"""The models of Katib's Python client by their names there, so that code that builds experiments with them changes one import.

As there, they are built from keywords, may be incomplete while they are built, and hold models of ``kubernetes.client`` where a document
holds Kubernetes' objects. They are our own models without the checks: an experiment is checked as a whole when it is created, and all
that is wrong with it is said at once. What ``KatibClient`` returns is made of them, too.
"""

from __future__ import annotations

import pprint
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from typing_extensions import override

from katib.api import experiment as api
from katib.api.base import ApiModel, Condition, KeyValue, ObjectMeta
from katib.api.similar import did_you_mean
from katib.api.suggestion import Suggestion, SuggestionSpec, SuggestionStatus, TrialAssignment
from katib.api.trial import EarlyStoppingRule, Trial, TrialSpec, TrialStatus
from katib.client.documents import document_of
from katib.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "KatibModel",
    "V1beta1AlgorithmSetting",
    "V1beta1AlgorithmSpec",
    "V1beta1CollectorSpec",
    "V1beta1ConfigMapSource",
    "V1beta1EarlyStoppingRule",
    "V1beta1EarlyStoppingSetting",
    "V1beta1EarlyStoppingSpec",
    "V1beta1Experiment",
    "V1beta1ExperimentCondition",
    "V1beta1ExperimentList",
    "V1beta1ExperimentSpec",
    "V1beta1ExperimentStatus",
    "V1beta1FeasibleSpace",
    "V1beta1FileSystemPath",
    "V1beta1FilterSpec",
    "V1beta1GraphConfig",
    "V1beta1Metric",
    "V1beta1MetricStrategy",
    "V1beta1MetricsCollectorSpec",
    "V1beta1NasConfig",
    "V1beta1ObjectiveSpec",
    "V1beta1Observation",
    "V1beta1Operation",
    "V1beta1OptimalTrial",
    "V1beta1ParameterAssignment",
    "V1beta1ParameterSpec",
    "V1beta1SourceSpec",
    "V1beta1Suggestion",
    "V1beta1SuggestionCondition",
    "V1beta1SuggestionList",
    "V1beta1SuggestionSpec",
    "V1beta1SuggestionStatus",
    "V1beta1Trial",
    "V1beta1TrialAssignment",
    "V1beta1TrialCondition",
    "V1beta1TrialList",
    "V1beta1TrialParameterSpec",
    "V1beta1TrialSource",
    "V1beta1TrialSpec",
    "V1beta1TrialStatus",
    "V1beta1TrialTemplate",
    "katib_model",
]

_Model = TypeVar("_Model", bound=ApiModel)
_TWINS: Final[dict[type[ApiModel], type[KatibModel]]] = {}
"""Katib's model for each of ours."""
_MAKE: Final = "_make_run_spec"
_METADATA: Final = {
    "deletion_grace_period_seconds": "deletionGracePeriodSeconds",
    "finalizers": "finalizers",
    "managed_fields": "managedFields",
    "owner_references": "ownerReferences",
    "self_link": "selfLink",
}
"""What our own metadata has no field for, and keeps as it came."""


class KatibModel(ApiModel):
    """What Katib's models have beside their fields.

    Raises (when one is made):
        InvalidInput: A keyword is none of its fields.
    """

    def __init__(self, **fields: Any) -> None:
        fields.pop("local_vars_configuration", None)  # of OpenAPI's generator, without a meaning here
        known = type(self).model_fields
        by_alias = {field.alias: name for name, field in known.items()}
        values = {by_alias.get(name, name): value for name, value in fields.items()}
        for name in values:
            if name not in known:
                hint = did_you_mean(name, [*known])
                raise InvalidInput(f"{type(self).__name__} has no {name!r}" + f"; {hint}" * bool(hint))
        for name, field in known.items():
            if name not in values and field.is_required():
                values[name] = None
        made = type(self).model_construct(_fields_set={*values}, **values)
        for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
            object.__setattr__(self, slot, getattr(made, slot))

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Remember which of our models it stands for."""
        super().__pydantic_init_subclass__(**kwargs)
        for base in cls.__bases__:
            if issubclass(base, ApiModel) and not issubclass(base, KatibModel):
                _TWINS.setdefault(base, cls)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by their Python names, absent ones as None, as Katib's models do."""
        return cast("dict[str, Any]", _as_dict(self))

    def to_str(self) -> str:
        """Return ``to_dict`` as a text for people."""
        return pprint.pformat(self.to_dict())

    @override
    def to_document(self) -> dict[str, Any]:
        return cast("dict[str, Any]", document_of(self))

    @property
    def attribute_map(self) -> dict[str, str]:
        """The names of the fields in a document, by their Python names."""
        return {name: field.alias or name for name, field in type(self).model_fields.items()}

    def checked(self) -> ApiModel:
        """Return it as our own model, which has the right types everywhere.

        Raises:
            pydantic.ValidationError: It has not.
        """
        strict = next(ours for ours, katibs in _TWINS.items() if isinstance(self, katibs))
        return strict.model_validate(self.to_document())


def _as_dict(value: object) -> Any:
    if isinstance(value, ApiModel):
        fields = {name: _as_dict(getattr(value, name, None)) for name in type(value).model_fields}
        return {**fields, **{name: _as_dict(child) for name, child in (value.model_extra or {}).items()}}
    if isinstance(value, (list, tuple)):
        return [_as_dict(child) for child in value]
    if isinstance(value, dict):
        return {key: _as_dict(child) for key, child in value.items()}
    to_dict = getattr(value, "to_dict", None)
    return to_dict() if callable(to_dict) else value


def katib_model(model: _Model) -> _Model:
    """Return one of our models as Katib's of the same kind, with all that is in it."""
    return cast("_Model", _katib_model(model, type(model), _TWINS.get(type(model))))


def _katib_model(model: ApiModel, kind: type[ApiModel], twin: type[KatibModel] | None) -> ApiModel:
    fields = {name: _katib_value(value, kind, name) for name, value in model.__dict__.items()}
    if twin is None:
        return model.model_copy(update=fields)
    return twin.model_construct(_fields_set=model.model_fields_set, **fields, **(model.model_extra or {}))


def _katib_value(value: object, owner: type[ApiModel], field: str) -> object:
    if isinstance(value, ApiModel):
        kind = type(value)
        twin = _OF_FIELDS.get((owner, field)) or _OF_FIELDS.get(field) or _TWINS.get(kind)
        # What is below early stopping is named after it.
        return _katib_model(value, _BELOW.get(field, kind), twin)
    if isinstance(value, list):
        return [_katib_value(child, owner, field) for child in value]
    return value


class V1beta1AlgorithmSetting(KatibModel, KeyValue):
    """A named text."""


class V1beta1EarlyStoppingSetting(V1beta1AlgorithmSetting):
    """A named text of an early stopper."""


class V1beta1ParameterAssignment(V1beta1AlgorithmSetting):
    """The value of a parameter."""


class V1beta1AlgorithmSpec(KatibModel, api.AlgorithmSpec):
    """An algorithm or early stopper by name, with its settings."""


class V1beta1EarlyStoppingSpec(V1beta1AlgorithmSpec):
    """An early stopper by name, with its settings."""


class V1beta1CollectorSpec(KatibModel, api.Collector):
    """Which collector gathers the metrics."""


class V1beta1ConfigMapSource(KatibModel, api.ConfigMapSource):
    """A template kept in a ConfigMap."""


class V1beta1EarlyStoppingRule(KatibModel, EarlyStoppingRule):
    """When a trial is stopped."""


class V1beta1ExperimentCondition(KatibModel, Condition):
    """One observed state of a resource."""


class V1beta1TrialCondition(V1beta1ExperimentCondition):
    """One observed state of a trial."""


class V1beta1SuggestionCondition(V1beta1ExperimentCondition):
    """One observed state of a suggestion."""


class KatibMetadata(KatibModel, ObjectMeta):
    """The metadata of an object, with the attributes of ``kubernetes.client.V1ObjectMeta``; what an object does not have is None."""

    def __getattr__(self, name: str) -> Any:
        extra = {} if name.startswith("_") else (self.model_extra or {})
        if name in extra or name in _METADATA:
            return extra.get(_METADATA.get(name, name))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class V1beta1FeasibleSpace(KatibModel, api.FeasibleSpace):
    """The values a parameter may take."""


class V1beta1ParameterCondition(KatibModel, api.ParameterCondition):
    """Extension: when a parameter exists."""


class V1beta1ParameterSpec(KatibModel, api.ParameterSpec):
    """One dimension of the search space."""


class V1beta1MetricStrategy(KatibModel, api.MetricStrategy):
    """Which value of a metric stands for the trial."""


class V1beta1ObjectiveSpec(KatibModel, api.ObjectiveSpec):
    """What is optimised."""


class V1beta1TrialParameterSpec(KatibModel, api.TrialParameter):
    """A name in the template and what it stands for."""


class V1beta1TrialTemplate(KatibModel, api.TrialTemplate):
    """How one trial is run."""


V1beta1TrialSource = V1beta1TrialTemplate


class V1beta1FileSystemPath(KatibModel, api.FileSystemPath):
    """Where a collector finds a file."""


class V1beta1FilterSpec(KatibModel, api.Filter):
    """Regular expressions for metrics."""


class V1beta1HttpGet(KatibModel, api.HttpGet):
    """Where Prometheus' metrics are."""


class V1beta1SourceSpec(KatibModel, api.CollectorSource):
    """Where metrics come from."""


class V1beta1MetricsCollectorSpec(KatibModel, api.MetricsCollectorSpec):
    """Where metrics come from and what gathers them."""


class V1beta1GraphConfig(KatibModel, api.GraphConfig):
    """The outline of a network."""


class V1beta1Operation(KatibModel, api.Operation):
    """One kind of layer."""


class V1beta1NasConfig(KatibModel, api.NasConfig):
    """The search space of neural architecture search."""


class V1beta1Metric(KatibModel, api.Metric):
    """A metric of a trial in short."""


class V1beta1Observation(KatibModel, api.Observation):
    """The metrics of a trial."""


class V1beta1OptimalTrial(KatibModel, api.OptimalTrial):
    """The best trial so far."""


class V1beta1InitialTrial(KatibModel, api.InitialTrial):
    """Extension: a point to try first."""


class V1beta1ExperimentSpec(KatibModel, api.ExperimentSpec):
    """What the user asks for."""


class V1beta1ExperimentStatus(KatibModel, api.ExperimentStatus):
    """What has been observed."""


class V1beta1Experiment(KatibModel, api.Experiment):
    """A search."""


class V1beta1TrialSpec(KatibModel, TrialSpec):
    """What a trial runs; the job of one that a client returns is made when somebody looks at ``run_spec``."""

    __hash__ = None  # type: ignore[assignment] # as of every model

    def make_run_spec_by(self, make: Callable[[], dict[str, Any] | None]) -> None:
        """Have the job made later, and only if it is asked for: there may be ten thousand trials, and few are looked at."""
        self.__dict__.pop("run_spec", None)
        object.__setattr__(self, "__pydantic_private__", {_MAKE: make})

    def __getattr__(self, name: str) -> Any:
        make = None if name != "run_spec" else (self.__pydantic_private__ or {}).get(_MAKE)
        if make is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.__dict__["run_spec"] = made = make()
        return made

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, V1beta1TrialSpec) and self.to_dict() == other.to_dict()


class V1beta1TrialStatus(KatibModel, TrialStatus):
    """What has been observed of a trial."""


class V1beta1Trial(KatibModel, Trial):
    """One point and the job that measures it."""


class V1beta1TrialAssignment(KatibModel, TrialAssignment):
    """One suggested point."""


class V1beta1SuggestionSpec(KatibModel, SuggestionSpec):
    """How many points are wanted."""


class V1beta1SuggestionStatus(KatibModel, SuggestionStatus):
    """Which points were given."""


class V1beta1Suggestion(KatibModel, Suggestion):
    """The conversation with an algorithm."""


_OF_FIELDS: Final[dict[object, type[KatibModel]]] = {
    "parameter_assignments": V1beta1ParameterAssignment,
    "early_stopping": V1beta1EarlyStoppingSpec,
    (V1beta1EarlyStoppingSpec, "algorithm_settings"): V1beta1EarlyStoppingSetting,
    (TrialStatus, "conditions"): V1beta1TrialCondition,
    (SuggestionStatus, "conditions"): V1beta1SuggestionCondition,
}
"""Katib's models that have the shape of another one, by the field that has them, or by its owner and the field."""
_BELOW: Final = {"early_stopping": V1beta1EarlyStoppingSpec}


class _List(KatibModel):
    api_version: str | None = None
    kind: str | None = None
    metadata: Any = None
    items: Any = None


class V1beta1ExperimentList(_List):
    """Several experiments."""


class V1beta1TrialList(_List):
    """Several trials."""


class V1beta1SuggestionList(_List):
    """Several suggestions."""
