import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExperimentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPERIMENT_STATE_UNSPECIFIED: _ClassVar[ExperimentState]
    CREATED: _ClassVar[ExperimentState]
    RUNNING: _ClassVar[ExperimentState]
    RESTARTING: _ClassVar[ExperimentState]
    SUCCEEDED: _ClassVar[ExperimentState]
    FAILED: _ClassVar[ExperimentState]
    STOPPED: _ClassVar[ExperimentState]

class Distribution(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISTRIBUTION_UNSPECIFIED: _ClassVar[Distribution]
    UNIFORM: _ClassVar[Distribution]
    LOG_UNIFORM: _ClassVar[Distribution]
    NORMAL: _ClassVar[Distribution]
    LOG_NORMAL: _ClassVar[Distribution]

class TrialState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRIAL_STATE_UNSPECIFIED: _ClassVar[TrialState]
    TRIAL_CREATED: _ClassVar[TrialState]
    TRIAL_RUNNING: _ClassVar[TrialState]
    TRIAL_SUCCEEDED: _ClassVar[TrialState]
    TRIAL_KILLED: _ClassVar[TrialState]
    TRIAL_FAILED: _ClassVar[TrialState]
    TRIAL_METRICS_UNAVAILABLE: _ClassVar[TrialState]
    TRIAL_EARLY_STOPPED: _ClassVar[TrialState]
EXPERIMENT_STATE_UNSPECIFIED: ExperimentState
CREATED: ExperimentState
RUNNING: ExperimentState
RESTARTING: ExperimentState
SUCCEEDED: ExperimentState
FAILED: ExperimentState
STOPPED: ExperimentState
DISTRIBUTION_UNSPECIFIED: Distribution
UNIFORM: Distribution
LOG_UNIFORM: Distribution
NORMAL: Distribution
LOG_NORMAL: Distribution
TRIAL_STATE_UNSPECIFIED: TrialState
TRIAL_CREATED: TrialState
TRIAL_RUNNING: TrialState
TRIAL_SUCCEEDED: TrialState
TRIAL_KILLED: TrialState
TRIAL_FAILED: TrialState
TRIAL_METRICS_UNAVAILABLE: TrialState
TRIAL_EARLY_STOPPED: TrialState

class Experiment(_message.Message):
    __slots__ = ("namespace", "name", "uid", "state", "reason", "message", "create_time", "start_time", "end_time", "counts", "best", "pareto", "max_trial_count", "parallel_trial_count", "max_failed_trial_count", "algorithm", "run_by_callers", "resource_version", "resource_json")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    PARETO_FIELD_NUMBER: _ClassVar[int]
    MAX_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_FAILED_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    RUN_BY_CALLERS_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_VERSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_JSON_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    uid: str
    state: ExperimentState
    reason: str
    message: str
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    counts: TrialCounts
    best: OptimalTrial
    pareto: _containers.RepeatedCompositeFieldContainer[OptimalTrial]
    max_trial_count: int
    parallel_trial_count: int
    max_failed_trial_count: int
    algorithm: str
    run_by_callers: bool
    resource_version: str
    resource_json: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., uid: _Optional[str] = ..., state: _Optional[_Union[ExperimentState, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., counts: _Optional[_Union[TrialCounts, _Mapping]] = ..., best: _Optional[_Union[OptimalTrial, _Mapping]] = ..., pareto: _Optional[_Iterable[_Union[OptimalTrial, _Mapping]]] = ..., max_trial_count: _Optional[int] = ..., parallel_trial_count: _Optional[int] = ..., max_failed_trial_count: _Optional[int] = ..., algorithm: _Optional[str] = ..., run_by_callers: _Optional[bool] = ..., resource_version: _Optional[str] = ..., resource_json: _Optional[str] = ...) -> None: ...

class TrialCounts(_message.Message):
    __slots__ = ("created", "running", "succeeded", "failed", "killed", "early_stopped", "metrics_unavailable")
    CREATED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    KILLED_FIELD_NUMBER: _ClassVar[int]
    EARLY_STOPPED_FIELD_NUMBER: _ClassVar[int]
    METRICS_UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    created: int
    running: int
    succeeded: int
    failed: int
    killed: int
    early_stopped: int
    metrics_unavailable: int
    def __init__(self, created: _Optional[int] = ..., running: _Optional[int] = ..., succeeded: _Optional[int] = ..., failed: _Optional[int] = ..., killed: _Optional[int] = ..., early_stopped: _Optional[int] = ..., metrics_unavailable: _Optional[int] = ...) -> None: ...

class OptimalTrial(_message.Message):
    __slots__ = ("name", "assignments", "metrics")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    name: str
    assignments: _containers.RepeatedCompositeFieldContainer[Assignment]
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    def __init__(self, name: _Optional[str] = ..., assignments: _Optional[_Iterable[_Union[Assignment, _Mapping]]] = ..., metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ...) -> None: ...

class CreateExperimentRequest(_message.Message):
    __slots__ = ("namespace", "request_id", "document", "resource", "search", "dry_run")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    request_id: str
    document: str
    resource: _struct_pb2.Struct
    search: Search
    dry_run: bool
    def __init__(self, namespace: _Optional[str] = ..., request_id: _Optional[str] = ..., document: _Optional[str] = ..., resource: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., search: _Optional[_Union[Search, _Mapping]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class Search(_message.Message):
    __slots__ = ("name", "parameters", "objectives", "algorithm", "algorithm_settings", "early_stopping", "early_stopping_settings", "max_trial_count", "parallel_trial_count", "max_failed_trial_count", "seed", "labels")
    class AlgorithmSettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class EarlyStoppingSettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVES_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    EARLY_STOPPING_FIELD_NUMBER: _ClassVar[int]
    EARLY_STOPPING_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    MAX_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_FAILED_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    parameters: _containers.RepeatedCompositeFieldContainer[Parameter]
    objectives: _containers.RepeatedCompositeFieldContainer[Objective]
    algorithm: str
    algorithm_settings: _containers.ScalarMap[str, str]
    early_stopping: str
    early_stopping_settings: _containers.ScalarMap[str, str]
    max_trial_count: int
    parallel_trial_count: int
    max_failed_trial_count: int
    seed: int
    labels: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., parameters: _Optional[_Iterable[_Union[Parameter, _Mapping]]] = ..., objectives: _Optional[_Iterable[_Union[Objective, _Mapping]]] = ..., algorithm: _Optional[str] = ..., algorithm_settings: _Optional[_Mapping[str, str]] = ..., early_stopping: _Optional[str] = ..., early_stopping_settings: _Optional[_Mapping[str, str]] = ..., max_trial_count: _Optional[int] = ..., parallel_trial_count: _Optional[int] = ..., max_failed_trial_count: _Optional[int] = ..., seed: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Parameter(_message.Message):
    __slots__ = ("name", "double_space", "int_space", "categorical_space", "discrete_space")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOUBLE_SPACE_FIELD_NUMBER: _ClassVar[int]
    INT_SPACE_FIELD_NUMBER: _ClassVar[int]
    CATEGORICAL_SPACE_FIELD_NUMBER: _ClassVar[int]
    DISCRETE_SPACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    double_space: DoubleSpace
    int_space: IntSpace
    categorical_space: CategoricalSpace
    discrete_space: DiscreteSpace
    def __init__(self, name: _Optional[str] = ..., double_space: _Optional[_Union[DoubleSpace, _Mapping]] = ..., int_space: _Optional[_Union[IntSpace, _Mapping]] = ..., categorical_space: _Optional[_Union[CategoricalSpace, _Mapping]] = ..., discrete_space: _Optional[_Union[DiscreteSpace, _Mapping]] = ...) -> None: ...

class DoubleSpace(_message.Message):
    __slots__ = ("min", "max", "step", "distribution")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    min: float
    max: float
    step: float
    distribution: Distribution
    def __init__(self, min: _Optional[float] = ..., max: _Optional[float] = ..., step: _Optional[float] = ..., distribution: _Optional[_Union[Distribution, str]] = ...) -> None: ...

class IntSpace(_message.Message):
    __slots__ = ("min", "max", "step", "distribution")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    min: int
    max: int
    step: int
    distribution: Distribution
    def __init__(self, min: _Optional[int] = ..., max: _Optional[int] = ..., step: _Optional[int] = ..., distribution: _Optional[_Union[Distribution, str]] = ...) -> None: ...

class CategoricalSpace(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class DiscreteSpace(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class Objective(_message.Message):
    __slots__ = ("metric", "direction", "goal")
    class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DIRECTION_UNSPECIFIED: _ClassVar[Objective.Direction]
        MINIMIZE: _ClassVar[Objective.Direction]
        MAXIMIZE: _ClassVar[Objective.Direction]
    DIRECTION_UNSPECIFIED: Objective.Direction
    MINIMIZE: Objective.Direction
    MAXIMIZE: Objective.Direction
    METRIC_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    metric: str
    direction: Objective.Direction
    goal: float
    def __init__(self, metric: _Optional[str] = ..., direction: _Optional[_Union[Objective.Direction, str]] = ..., goal: _Optional[float] = ...) -> None: ...

class GetExperimentRequest(_message.Message):
    __slots__ = ("namespace", "name")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ListExperimentsRequest(_message.Message):
    __slots__ = ("namespace", "all_namespaces", "states", "algorithm", "name_prefix", "labels", "page_size", "page_token")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ALL_NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    NAME_PREFIX_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    all_namespaces: bool
    states: _containers.RepeatedScalarFieldContainer[ExperimentState]
    algorithm: str
    name_prefix: str
    labels: _containers.ScalarMap[str, str]
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., all_namespaces: _Optional[bool] = ..., states: _Optional[_Iterable[_Union[ExperimentState, str]]] = ..., algorithm: _Optional[str] = ..., name_prefix: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListExperimentsResponse(_message.Message):
    __slots__ = ("experiments", "next_page_token")
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    experiments: _containers.RepeatedCompositeFieldContainer[Experiment]
    next_page_token: str
    def __init__(self, experiments: _Optional[_Iterable[_Union[Experiment, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchExperimentsRequest(_message.Message):
    __slots__ = ("namespace", "name", "trials", "until_over")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_OVER_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    trials: bool
    until_over: bool
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., trials: _Optional[bool] = ..., until_over: _Optional[bool] = ...) -> None: ...

class WatchExperimentsResponse(_message.Message):
    __slots__ = ("experiment", "trial", "deleted", "synced")
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    SYNCED_FIELD_NUMBER: _ClassVar[int]
    experiment: Experiment
    trial: Trial
    deleted: ExperimentKey
    synced: Synced
    def __init__(self, experiment: _Optional[_Union[Experiment, _Mapping]] = ..., trial: _Optional[_Union[Trial, _Mapping]] = ..., deleted: _Optional[_Union[ExperimentKey, _Mapping]] = ..., synced: _Optional[_Union[Synced, _Mapping]] = ...) -> None: ...

class ExperimentKey(_message.Message):
    __slots__ = ("namespace", "name", "uid")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    uid: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., uid: _Optional[str] = ...) -> None: ...

class Synced(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListChangesRequest(_message.Message):
    __slots__ = ("namespace", "name", "cursor")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    cursor: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListChangesResponse(_message.Message):
    __slots__ = ("experiments", "trials", "deleted", "cursor")
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    experiments: _containers.RepeatedCompositeFieldContainer[Experiment]
    trials: _containers.RepeatedCompositeFieldContainer[Trial]
    deleted: _containers.RepeatedCompositeFieldContainer[ExperimentKey]
    cursor: str
    def __init__(self, experiments: _Optional[_Iterable[_Union[Experiment, _Mapping]]] = ..., trials: _Optional[_Iterable[_Union[Trial, _Mapping]]] = ..., deleted: _Optional[_Iterable[_Union[ExperimentKey, _Mapping]]] = ..., cursor: _Optional[str] = ...) -> None: ...

class StopExperimentRequest(_message.Message):
    __slots__ = ("namespace", "name", "request_id", "at_once")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AT_ONCE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    request_id: str
    at_once: bool
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., request_id: _Optional[str] = ..., at_once: _Optional[bool] = ...) -> None: ...

class ResumeExperimentRequest(_message.Message):
    __slots__ = ("namespace", "name", "request_id", "max_trial_count", "parallel_trial_count")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    request_id: str
    max_trial_count: int
    parallel_trial_count: int
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., request_id: _Optional[str] = ..., max_trial_count: _Optional[int] = ..., parallel_trial_count: _Optional[int] = ...) -> None: ...

class EditBudgetRequest(_message.Message):
    __slots__ = ("namespace", "name", "request_id", "max_trial_count", "parallel_trial_count", "max_failed_trial_count")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_FAILED_TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    request_id: str
    max_trial_count: int
    parallel_trial_count: int
    max_failed_trial_count: int
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., request_id: _Optional[str] = ..., max_trial_count: _Optional[int] = ..., parallel_trial_count: _Optional[int] = ..., max_failed_trial_count: _Optional[int] = ...) -> None: ...

class DeleteExperimentRequest(_message.Message):
    __slots__ = ("namespace", "name", "request_id", "purge")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PURGE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    request_id: str
    purge: bool
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., request_id: _Optional[str] = ..., purge: _Optional[bool] = ...) -> None: ...

class DeleteExperimentResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("namespace", "experiment", "trial")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment: str
    trial: str
    def __init__(self, namespace: _Optional[str] = ..., experiment: _Optional[str] = ..., trial: _Optional[str] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("reason", "message", "warning", "trial", "count", "first_time", "last_time")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    warning: bool
    trial: str
    count: int
    first_time: _timestamp_pb2.Timestamp
    last_time: _timestamp_pb2.Timestamp
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., warning: _Optional[bool] = ..., trial: _Optional[str] = ..., count: _Optional[int] = ..., first_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Trial(_message.Message):
    __slots__ = ("experiment", "name", "index", "state", "reason", "message", "assignments", "metrics", "create_time", "start_time", "end_time", "attempt", "labels", "stopping", "stopping_as", "imported", "rules", "measured")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    STOPPING_AS_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    experiment: str
    name: str
    index: int
    state: TrialState
    reason: str
    message: str
    assignments: _containers.RepeatedCompositeFieldContainer[Assignment]
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    attempt: int
    labels: _containers.ScalarMap[str, str]
    stopping: bool
    stopping_as: TrialState
    imported: bool
    rules: _containers.RepeatedCompositeFieldContainer[StoppingRule]
    measured: bool
    def __init__(self, experiment: _Optional[str] = ..., name: _Optional[str] = ..., index: _Optional[int] = ..., state: _Optional[_Union[TrialState, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., assignments: _Optional[_Iterable[_Union[Assignment, _Mapping]]] = ..., metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., stopping: _Optional[bool] = ..., stopping_as: _Optional[_Union[TrialState, str]] = ..., imported: _Optional[bool] = ..., rules: _Optional[_Iterable[_Union[StoppingRule, _Mapping]]] = ..., measured: _Optional[bool] = ...) -> None: ...

class StoppingRule(_message.Message):
    __slots__ = ("metric", "value", "comparison", "start_step")
    class Comparison(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        COMPARISON_UNSPECIFIED: _ClassVar[StoppingRule.Comparison]
        EQUAL: _ClassVar[StoppingRule.Comparison]
        LESS: _ClassVar[StoppingRule.Comparison]
        GREATER: _ClassVar[StoppingRule.Comparison]
    COMPARISON_UNSPECIFIED: StoppingRule.Comparison
    EQUAL: StoppingRule.Comparison
    LESS: StoppingRule.Comparison
    GREATER: StoppingRule.Comparison
    METRIC_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    START_STEP_FIELD_NUMBER: _ClassVar[int]
    metric: str
    value: str
    comparison: StoppingRule.Comparison
    start_step: int
    def __init__(self, metric: _Optional[str] = ..., value: _Optional[str] = ..., comparison: _Optional[_Union[StoppingRule.Comparison, str]] = ..., start_step: _Optional[int] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("name", "text", "number", "integer", "category")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    name: str
    text: str
    number: float
    integer: int
    category: str
    def __init__(self, name: _Optional[str] = ..., text: _Optional[str] = ..., number: _Optional[float] = ..., integer: _Optional[int] = ..., category: _Optional[str] = ...) -> None: ...

class Metric(_message.Message):
    __slots__ = ("name", "latest", "min", "max")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    name: str
    latest: str
    min: str
    max: str
    def __init__(self, name: _Optional[str] = ..., latest: _Optional[str] = ..., min: _Optional[str] = ..., max: _Optional[str] = ...) -> None: ...

class ListTrialsRequest(_message.Message):
    __slots__ = ("namespace", "experiment", "states", "page_size", "page_token", "after_index")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AFTER_INDEX_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment: str
    states: _containers.RepeatedScalarFieldContainer[TrialState]
    page_size: int
    page_token: str
    after_index: int
    def __init__(self, namespace: _Optional[str] = ..., experiment: _Optional[str] = ..., states: _Optional[_Iterable[_Union[TrialState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., after_index: _Optional[int] = ...) -> None: ...

class ListTrialsResponse(_message.Message):
    __slots__ = ("trials", "next_page_token")
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    trials: _containers.RepeatedCompositeFieldContainer[Trial]
    next_page_token: str
    def __init__(self, trials: _Optional[_Iterable[_Union[Trial, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetTrialRequest(_message.Message):
    __slots__ = ("namespace", "experiment", "name")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment: str
    name: str
    def __init__(self, namespace: _Optional[str] = ..., experiment: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ReadLogsRequest(_message.Message):
    __slots__ = ("namespace", "experiment", "trial", "follow", "offset")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment: str
    trial: str
    follow: bool
    offset: int
    def __init__(self, namespace: _Optional[str] = ..., experiment: _Optional[str] = ..., trial: _Optional[str] = ..., follow: _Optional[bool] = ..., offset: _Optional[int] = ...) -> None: ...

class ReadLogsResponse(_message.Message):
    __slots__ = ("text", "offset")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    text: bytes
    offset: int
    def __init__(self, text: _Optional[bytes] = ..., offset: _Optional[int] = ...) -> None: ...

class ListMeasurementsRequest(_message.Message):
    __slots__ = ("namespace", "experiment", "trial", "metric", "page_size", "page_token", "after_sequence")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment: str
    trial: str
    metric: str
    page_size: int
    page_token: str
    after_sequence: int
    def __init__(self, namespace: _Optional[str] = ..., experiment: _Optional[str] = ..., trial: _Optional[str] = ..., metric: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class ListMeasurementsResponse(_message.Message):
    __slots__ = ("measurements", "next_page_token")
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    measurements: _containers.RepeatedCompositeFieldContainer[Measured]
    next_page_token: str
    def __init__(self, measurements: _Optional[_Iterable[_Union[Measured, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Measured(_message.Message):
    __slots__ = ("sequence", "metric", "text", "number", "step", "time")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    metric: str
    text: str
    number: float
    step: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, sequence: _Optional[int] = ..., metric: _Optional[str] = ..., text: _Optional[str] = ..., number: _Optional[float] = ..., step: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Measurement(_message.Message):
    __slots__ = ("metric", "number", "text", "step", "time")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    metric: str
    number: float
    text: str
    step: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, metric: _Optional[str] = ..., number: _Optional[float] = ..., text: _Optional[str] = ..., step: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SuggestTrialsRequest(_message.Message):
    __slots__ = ("namespace", "experiment", "client_id", "count", "lease", "wait")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment: str
    client_id: str
    count: int
    lease: _duration_pb2.Duration
    wait: _duration_pb2.Duration
    def __init__(self, namespace: _Optional[str] = ..., experiment: _Optional[str] = ..., client_id: _Optional[str] = ..., count: _Optional[int] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SuggestTrialsResponse(_message.Message):
    __slots__ = ("trials", "over", "state", "reason", "waiting")
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    trials: _containers.RepeatedCompositeFieldContainer[Trial]
    over: bool
    state: ExperimentState
    reason: str
    waiting: str
    def __init__(self, trials: _Optional[_Iterable[_Union[Trial, _Mapping]]] = ..., over: _Optional[bool] = ..., state: _Optional[_Union[ExperimentState, str]] = ..., reason: _Optional[str] = ..., waiting: _Optional[str] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("namespace", "experiment", "client_id", "trials", "lease")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment: str
    client_id: str
    trials: _containers.RepeatedScalarFieldContainer[str]
    lease: _duration_pb2.Duration
    def __init__(self, namespace: _Optional[str] = ..., experiment: _Optional[str] = ..., client_id: _Optional[str] = ..., trials: _Optional[_Iterable[str]] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("trials",)
    class Held(_message.Message):
        __slots__ = ("trial", "lost", "should_stop", "reason")
        TRIAL_FIELD_NUMBER: _ClassVar[int]
        LOST_FIELD_NUMBER: _ClassVar[int]
        SHOULD_STOP_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        trial: str
        lost: bool
        should_stop: bool
        reason: str
        def __init__(self, trial: _Optional[str] = ..., lost: _Optional[bool] = ..., should_stop: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    trials: _containers.RepeatedCompositeFieldContainer[HeartbeatResponse.Held]
    def __init__(self, trials: _Optional[_Iterable[_Union[HeartbeatResponse.Held, _Mapping]]] = ...) -> None: ...

class ReportMeasurementRequest(_message.Message):
    __slots__ = ("namespace", "experiment", "trial", "client_id", "request_id", "measurements")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment: str
    trial: str
    client_id: str
    request_id: str
    measurements: _containers.RepeatedCompositeFieldContainer[Measurement]
    def __init__(self, namespace: _Optional[str] = ..., experiment: _Optional[str] = ..., trial: _Optional[str] = ..., client_id: _Optional[str] = ..., request_id: _Optional[str] = ..., measurements: _Optional[_Iterable[_Union[Measurement, _Mapping]]] = ...) -> None: ...

class ReportMeasurementResponse(_message.Message):
    __slots__ = ("should_stop", "reason")
    SHOULD_STOP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    should_stop: bool
    reason: str
    def __init__(self, should_stop: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class CompleteTrialRequest(_message.Message):
    __slots__ = ("namespace", "experiment", "trial", "client_id", "request_id", "outcome", "measurements", "message")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[CompleteTrialRequest.Outcome]
        COMPLETED: _ClassVar[CompleteTrialRequest.Outcome]
        BROKEN: _ClassVar[CompleteTrialRequest.Outcome]
        INFEASIBLE: _ClassVar[CompleteTrialRequest.Outcome]
    OUTCOME_UNSPECIFIED: CompleteTrialRequest.Outcome
    COMPLETED: CompleteTrialRequest.Outcome
    BROKEN: CompleteTrialRequest.Outcome
    INFEASIBLE: CompleteTrialRequest.Outcome
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment: str
    trial: str
    client_id: str
    request_id: str
    outcome: CompleteTrialRequest.Outcome
    measurements: _containers.RepeatedCompositeFieldContainer[Measurement]
    message: str
    def __init__(self, namespace: _Optional[str] = ..., experiment: _Optional[str] = ..., trial: _Optional[str] = ..., client_id: _Optional[str] = ..., request_id: _Optional[str] = ..., outcome: _Optional[_Union[CompleteTrialRequest.Outcome, str]] = ..., measurements: _Optional[_Iterable[_Union[Measurement, _Mapping]]] = ..., message: _Optional[str] = ...) -> None: ...

class ShouldStopRequest(_message.Message):
    __slots__ = ("namespace", "experiment", "trial", "client_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment: str
    trial: str
    client_id: str
    def __init__(self, namespace: _Optional[str] = ..., experiment: _Optional[str] = ..., trial: _Optional[str] = ..., client_id: _Optional[str] = ...) -> None: ...

class ShouldStopResponse(_message.Message):
    __slots__ = ("should_stop", "reason")
    SHOULD_STOP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    should_stop: bool
    reason: str
    def __init__(self, should_stop: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...
