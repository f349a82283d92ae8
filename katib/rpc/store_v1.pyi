import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NodeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NODE_KIND_UNSPECIFIED: _ClassVar[NodeKind]
    NODE_KIND_PROJECT: _ClassVar[NodeKind]
    NODE_KIND_EXPERIMENT: _ClassVar[NodeKind]
    NODE_KIND_RUN: _ClassVar[NodeKind]
    NODE_KIND_DATASET: _ClassVar[NodeKind]
    NODE_KIND_DATASET_VERSION: _ClassVar[NodeKind]
    NODE_KIND_ARTIFACT: _ClassVar[NodeKind]

class Lifecycle(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIFECYCLE_UNSPECIFIED: _ClassVar[Lifecycle]
    LIFECYCLE_ACTIVE: _ClassVar[Lifecycle]
    LIFECYCLE_DELETED: _ClassVar[Lifecycle]
    LIFECYCLE_ALL: _ClassVar[Lifecycle]

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATE_UNSPECIFIED: _ClassVar[RunState]
    RUN_STATE_CREATED: _ClassVar[RunState]
    RUN_STATE_RUNNING: _ClassVar[RunState]
    RUN_STATE_SUCCEEDED: _ClassVar[RunState]
    RUN_STATE_KILLED: _ClassVar[RunState]
    RUN_STATE_FAILED: _ClassVar[RunState]
    RUN_STATE_METRICS_UNAVAILABLE: _ClassVar[RunState]
    RUN_STATE_EARLY_STOPPED: _ClassVar[RunState]

class ExperimentKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPERIMENT_KIND_UNSPECIFIED: _ClassVar[ExperimentKind]
    EXPERIMENT_KIND_KATIB: _ClassVar[ExperimentKind]
    EXPERIMENT_KIND_OPTUNA: _ClassVar[ExperimentKind]
    EXPERIMENT_KIND_TRACKED: _ClassVar[ExperimentKind]

class ObjectiveType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OBJECTIVE_TYPE_UNSPECIFIED: _ClassVar[ObjectiveType]
    OBJECTIVE_TYPE_MINIMIZE: _ClassVar[ObjectiveType]
    OBJECTIVE_TYPE_MAXIMIZE: _ClassVar[ObjectiveType]

class ArtifactState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARTIFACT_STATE_UNSPECIFIED: _ClassVar[ArtifactState]
    ARTIFACT_STATE_LINK: _ClassVar[ArtifactState]
    ARTIFACT_STATE_PENDING: _ClassVar[ArtifactState]
    ARTIFACT_STATE_STORED: _ClassVar[ArtifactState]

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_NORMAL: _ClassVar[EventKind]
    EVENT_KIND_WARNING: _ClassVar[EventKind]
NODE_KIND_UNSPECIFIED: NodeKind
NODE_KIND_PROJECT: NodeKind
NODE_KIND_EXPERIMENT: NodeKind
NODE_KIND_RUN: NodeKind
NODE_KIND_DATASET: NodeKind
NODE_KIND_DATASET_VERSION: NodeKind
NODE_KIND_ARTIFACT: NodeKind
LIFECYCLE_UNSPECIFIED: Lifecycle
LIFECYCLE_ACTIVE: Lifecycle
LIFECYCLE_DELETED: Lifecycle
LIFECYCLE_ALL: Lifecycle
RUN_STATE_UNSPECIFIED: RunState
RUN_STATE_CREATED: RunState
RUN_STATE_RUNNING: RunState
RUN_STATE_SUCCEEDED: RunState
RUN_STATE_KILLED: RunState
RUN_STATE_FAILED: RunState
RUN_STATE_METRICS_UNAVAILABLE: RunState
RUN_STATE_EARLY_STOPPED: RunState
EXPERIMENT_KIND_UNSPECIFIED: ExperimentKind
EXPERIMENT_KIND_KATIB: ExperimentKind
EXPERIMENT_KIND_OPTUNA: ExperimentKind
EXPERIMENT_KIND_TRACKED: ExperimentKind
OBJECTIVE_TYPE_UNSPECIFIED: ObjectiveType
OBJECTIVE_TYPE_MINIMIZE: ObjectiveType
OBJECTIVE_TYPE_MAXIMIZE: ObjectiveType
ARTIFACT_STATE_UNSPECIFIED: ArtifactState
ARTIFACT_STATE_LINK: ArtifactState
ARTIFACT_STATE_PENDING: ArtifactState
ARTIFACT_STATE_STORED: ArtifactState
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_NORMAL: EventKind
EVENT_KIND_WARNING: EventKind

class Node(_message.Message):
    __slots__ = ("kind", "id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    kind: NodeKind
    id: str
    def __init__(self, kind: _Optional[_Union[NodeKind, str]] = ..., id: _Optional[str] = ...) -> None: ...

class Project(_message.Message):
    __slots__ = ("id", "namespace", "name", "description", "owner", "create_time", "update_time", "delete_time", "tags", "properties", "retention")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    id: str
    namespace: str
    name: str
    description: str
    owner: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    delete_time: _timestamp_pb2.Timestamp
    tags: _containers.ScalarMap[str, str]
    properties: _containers.MessageMap[str, _struct_pb2.Value]
    retention: Retention
    def __init__(self, id: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., owner: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., tags: _Optional[_Mapping[str, str]] = ..., properties: _Optional[_Mapping[str, _struct_pb2.Value]] = ..., retention: _Optional[_Union[Retention, _Mapping]] = ...) -> None: ...

class Retention(_message.Message):
    __slots__ = ("deleted_for", "keep_best", "archive", "keep_artifacts")
    DELETED_FOR_FIELD_NUMBER: _ClassVar[int]
    KEEP_BEST_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_FIELD_NUMBER: _ClassVar[int]
    KEEP_ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    deleted_for: _duration_pb2.Duration
    keep_best: int
    archive: bool
    keep_artifacts: bool
    def __init__(self, deleted_for: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., keep_best: _Optional[int] = ..., archive: _Optional[bool] = ..., keep_artifacts: _Optional[bool] = ...) -> None: ...

class Experiment(_message.Message):
    __slots__ = ("id", "project_id", "run_id", "namespace", "name", "kind", "description", "owner", "state", "create_time", "start_time", "end_time", "update_time", "delete_time", "algorithm", "objective", "objective_type", "best_value", "trial_count", "spec_json", "tags", "properties")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_TYPE_FIELD_NUMBER: _ClassVar[int]
    BEST_VALUE_FIELD_NUMBER: _ClassVar[int]
    TRIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    SPEC_JSON_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    id: str
    project_id: str
    run_id: str
    namespace: str
    name: str
    kind: ExperimentKind
    description: str
    owner: str
    state: RunState
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    delete_time: _timestamp_pb2.Timestamp
    algorithm: str
    objective: str
    objective_type: ObjectiveType
    best_value: float
    trial_count: int
    spec_json: str
    tags: _containers.ScalarMap[str, str]
    properties: _containers.MessageMap[str, _struct_pb2.Value]
    def __init__(self, id: _Optional[str] = ..., project_id: _Optional[str] = ..., run_id: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[_Union[ExperimentKind, str]] = ..., description: _Optional[str] = ..., owner: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., algorithm: _Optional[str] = ..., objective: _Optional[str] = ..., objective_type: _Optional[_Union[ObjectiveType, str]] = ..., best_value: _Optional[float] = ..., trial_count: _Optional[int] = ..., spec_json: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., properties: _Optional[_Mapping[str, _struct_pb2.Value]] = ...) -> None: ...

class Parameter(_message.Message):
    __slots__ = ("name", "text", "number")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    name: str
    text: str
    number: float
    def __init__(self, name: _Optional[str] = ..., text: _Optional[str] = ..., number: _Optional[float] = ...) -> None: ...

class Metric(_message.Message):
    __slots__ = ("name", "latest", "value", "latest_time", "latest_step", "first", "first_step", "min", "min_value", "max", "max_value", "count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LATEST_TIME_FIELD_NUMBER: _ClassVar[int]
    LATEST_STEP_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    FIRST_STEP_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MIN_VALUE_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    MAX_VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    latest: str
    value: float
    latest_time: _timestamp_pb2.Timestamp
    latest_step: int
    first: str
    first_step: int
    min: str
    min_value: float
    max: str
    max_value: float
    count: int
    def __init__(self, name: _Optional[str] = ..., latest: _Optional[str] = ..., value: _Optional[float] = ..., latest_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., latest_step: _Optional[int] = ..., first: _Optional[str] = ..., first_step: _Optional[int] = ..., min: _Optional[str] = ..., min_value: _Optional[float] = ..., max: _Optional[str] = ..., max_value: _Optional[float] = ..., count: _Optional[int] = ...) -> None: ...

class DatasetUse(_message.Message):
    __slots__ = ("version", "role", "tags")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    version: DatasetVersion
    role: str
    tags: _containers.ScalarMap[str, str]
    def __init__(self, version: _Optional[_Union[DatasetVersion, _Mapping]] = ..., role: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("id", "namespace", "project_id", "project", "experiment_id", "experiment", "parent_id", "root_of_experiment_id", "name", "index", "state", "reason", "message", "description", "owner", "create_time", "start_time", "end_time", "delete_time", "tags", "properties", "parameters", "metrics", "datasets", "artifacts", "code", "environment", "place")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    ROOT_OF_EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    id: str
    namespace: str
    project_id: str
    project: str
    experiment_id: str
    experiment: str
    parent_id: str
    root_of_experiment_id: str
    name: str
    index: int
    state: RunState
    reason: str
    message: str
    description: str
    owner: str
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    delete_time: _timestamp_pb2.Timestamp
    tags: _containers.ScalarMap[str, str]
    properties: _containers.MessageMap[str, _struct_pb2.Value]
    parameters: _containers.RepeatedCompositeFieldContainer[Parameter]
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    datasets: _containers.RepeatedCompositeFieldContainer[DatasetUse]
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    code: _struct_pb2.Struct
    environment: _struct_pb2.Struct
    place: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., namespace: _Optional[str] = ..., project_id: _Optional[str] = ..., project: _Optional[str] = ..., experiment_id: _Optional[str] = ..., experiment: _Optional[str] = ..., parent_id: _Optional[str] = ..., root_of_experiment_id: _Optional[str] = ..., name: _Optional[str] = ..., index: _Optional[int] = ..., state: _Optional[_Union[RunState, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., description: _Optional[str] = ..., owner: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., tags: _Optional[_Mapping[str, str]] = ..., properties: _Optional[_Mapping[str, _struct_pb2.Value]] = ..., parameters: _Optional[_Iterable[_Union[Parameter, _Mapping]]] = ..., metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ..., datasets: _Optional[_Iterable[_Union[DatasetUse, _Mapping]]] = ..., artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ..., code: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., environment: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., place: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("sequence", "metric", "text", "value", "time", "step")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    metric: str
    text: str
    value: float
    time: _timestamp_pb2.Timestamp
    step: int
    def __init__(self, sequence: _Optional[int] = ..., metric: _Optional[str] = ..., text: _Optional[str] = ..., value: _Optional[float] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., step: _Optional[int] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("id", "project_id", "name", "description", "owner", "create_time", "update_time", "tags", "properties")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    id: str
    project_id: str
    name: str
    description: str
    owner: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    tags: _containers.ScalarMap[str, str]
    properties: _containers.MessageMap[str, _struct_pb2.Value]
    def __init__(self, id: _Optional[str] = ..., project_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., owner: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., tags: _Optional[_Mapping[str, str]] = ..., properties: _Optional[_Mapping[str, _struct_pb2.Value]] = ...) -> None: ...

class DatasetVersion(_message.Message):
    __slots__ = ("id", "dataset_id", "name", "number", "digest", "uri", "source_type", "size", "rows", "schema", "profile", "parent_id", "create_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    dataset_id: str
    name: str
    number: int
    digest: str
    uri: str
    source_type: str
    size: int
    rows: int
    schema: _struct_pb2.Value
    profile: _struct_pb2.Value
    parent_id: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., number: _Optional[int] = ..., digest: _Optional[str] = ..., uri: _Optional[str] = ..., source_type: _Optional[str] = ..., size: _Optional[int] = ..., rows: _Optional[int] = ..., schema: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., profile: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., parent_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("id", "run_id", "path", "type", "uri", "state", "size", "sha256", "content_type", "metadata", "create_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    run_id: str
    path: str
    type: str
    uri: str
    state: ArtifactState
    size: int
    sha256: str
    content_type: str
    metadata: _struct_pb2.Struct
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., run_id: _Optional[str] = ..., path: _Optional[str] = ..., type: _Optional[str] = ..., uri: _Optional[str] = ..., state: _Optional[_Union[ArtifactState, str]] = ..., size: _Optional[int] = ..., sha256: _Optional[str] = ..., content_type: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Comment(_message.Message):
    __slots__ = ("id", "run_id", "author", "text", "create_time", "edit_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EDIT_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    run_id: str
    author: str
    text: str
    create_time: _timestamp_pb2.Timestamp
    edit_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., run_id: _Optional[str] = ..., author: _Optional[str] = ..., text: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., edit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LineageEdge(_message.Message):
    __slots__ = ("input", "output")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    input: Node
    output: Node
    def __init__(self, input: _Optional[_Union[Node, _Mapping]] = ..., output: _Optional[_Union[Node, _Mapping]] = ...) -> None: ...

class AuditEntry(_message.Message):
    __slots__ = ("id", "time", "actor", "action", "node", "details")
    ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    id: int
    time: _timestamp_pb2.Timestamp
    actor: str
    action: str
    node: Node
    details: _struct_pb2.Struct
    def __init__(self, id: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ..., action: _Optional[str] = ..., node: _Optional[_Union[Node, _Mapping]] = ..., details: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class CreateProjectRequest(_message.Message):
    __slots__ = ("namespace", "project_id", "name", "description", "tags", "properties")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    project_id: str
    name: str
    description: str
    tags: _containers.ScalarMap[str, str]
    properties: _containers.MessageMap[str, _struct_pb2.Value]
    def __init__(self, namespace: _Optional[str] = ..., project_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., properties: _Optional[_Mapping[str, _struct_pb2.Value]] = ...) -> None: ...

class GetProjectRequest(_message.Message):
    __slots__ = ("namespace", "project_id", "name")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    project_id: str
    name: str
    def __init__(self, namespace: _Optional[str] = ..., project_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class GetDefaultProjectRequest(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class UpdateProjectRequest(_message.Message):
    __slots__ = ("namespace", "project_id", "name", "description", "retention")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    project_id: str
    name: str
    description: str
    retention: Retention
    def __init__(self, namespace: _Optional[str] = ..., project_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., retention: _Optional[_Union[Retention, _Mapping]] = ...) -> None: ...

class FindProjectsRequest(_message.Message):
    __slots__ = ("namespace", "filter", "order_by", "lifecycle", "page_size", "page_token", "count")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filter: str
    order_by: _containers.RepeatedScalarFieldContainer[str]
    lifecycle: Lifecycle
    page_size: int
    page_token: str
    count: bool
    def __init__(self, namespace: _Optional[str] = ..., filter: _Optional[str] = ..., order_by: _Optional[_Iterable[str]] = ..., lifecycle: _Optional[_Union[Lifecycle, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., count: _Optional[bool] = ...) -> None: ...

class FindProjectsResponse(_message.Message):
    __slots__ = ("projects", "next_page_token", "total_size")
    PROJECTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    projects: _containers.RepeatedCompositeFieldContainer[Project]
    next_page_token: str
    total_size: int
    def __init__(self, projects: _Optional[_Iterable[_Union[Project, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class CreateExperimentRequest(_message.Message):
    __slots__ = ("namespace", "experiment_id", "project_id", "name", "kind", "description", "algorithm", "objective", "objective_type", "tags", "properties")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_TYPE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment_id: str
    project_id: str
    name: str
    kind: ExperimentKind
    description: str
    algorithm: str
    objective: str
    objective_type: ObjectiveType
    tags: _containers.ScalarMap[str, str]
    properties: _containers.MessageMap[str, _struct_pb2.Value]
    def __init__(self, namespace: _Optional[str] = ..., experiment_id: _Optional[str] = ..., project_id: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[_Union[ExperimentKind, str]] = ..., description: _Optional[str] = ..., algorithm: _Optional[str] = ..., objective: _Optional[str] = ..., objective_type: _Optional[_Union[ObjectiveType, str]] = ..., tags: _Optional[_Mapping[str, str]] = ..., properties: _Optional[_Mapping[str, _struct_pb2.Value]] = ...) -> None: ...

class GetExperimentRequest(_message.Message):
    __slots__ = ("namespace", "experiment_id", "project_id", "name")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment_id: str
    project_id: str
    name: str
    def __init__(self, namespace: _Optional[str] = ..., experiment_id: _Optional[str] = ..., project_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class UpdateExperimentRequest(_message.Message):
    __slots__ = ("namespace", "experiment_id", "name", "description", "state", "objective", "objective_type", "best_value")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_TYPE_FIELD_NUMBER: _ClassVar[int]
    BEST_VALUE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment_id: str
    name: str
    description: str
    state: RunState
    objective: str
    objective_type: ObjectiveType
    best_value: float
    def __init__(self, namespace: _Optional[str] = ..., experiment_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., objective: _Optional[str] = ..., objective_type: _Optional[_Union[ObjectiveType, str]] = ..., best_value: _Optional[float] = ...) -> None: ...

class FindExperimentsRequest(_message.Message):
    __slots__ = ("namespace", "filter", "order_by", "project_ids", "lifecycle", "page_size", "page_token", "count")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    PROJECT_IDS_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filter: str
    order_by: _containers.RepeatedScalarFieldContainer[str]
    project_ids: _containers.RepeatedScalarFieldContainer[str]
    lifecycle: Lifecycle
    page_size: int
    page_token: str
    count: bool
    def __init__(self, namespace: _Optional[str] = ..., filter: _Optional[str] = ..., order_by: _Optional[_Iterable[str]] = ..., project_ids: _Optional[_Iterable[str]] = ..., lifecycle: _Optional[_Union[Lifecycle, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., count: _Optional[bool] = ...) -> None: ...

class FindExperimentsResponse(_message.Message):
    __slots__ = ("experiments", "next_page_token", "total_size")
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    experiments: _containers.RepeatedCompositeFieldContainer[Experiment]
    next_page_token: str
    total_size: int
    def __init__(self, experiments: _Optional[_Iterable[_Union[Experiment, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class CreateRunRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "project_id", "experiment_id", "parent_id", "name", "state", "start_time", "end_time", "description", "owner", "parameters", "tags", "properties", "observations")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    project_id: str
    experiment_id: str
    parent_id: str
    name: str
    state: RunState
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    description: str
    owner: str
    parameters: _containers.ScalarMap[str, str]
    tags: _containers.ScalarMap[str, str]
    properties: _containers.MessageMap[str, _struct_pb2.Value]
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., project_id: _Optional[str] = ..., experiment_id: _Optional[str] = ..., parent_id: _Optional[str] = ..., name: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., description: _Optional[str] = ..., owner: _Optional[str] = ..., parameters: _Optional[_Mapping[str, str]] = ..., tags: _Optional[_Mapping[str, str]] = ..., properties: _Optional[_Mapping[str, _struct_pb2.Value]] = ..., observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "experiment_id", "name", "read_mask")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    experiment_id: str
    name: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., experiment_id: _Optional[str] = ..., name: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class BatchGetRunsRequest(_message.Message):
    __slots__ = ("namespace", "run_ids", "read_mask")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, namespace: _Optional[str] = ..., run_ids: _Optional[_Iterable[str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class BatchGetRunsResponse(_message.Message):
    __slots__ = ("runs",)
    RUNS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ...) -> None: ...

class UpdateRunRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "name", "description", "state", "reason", "message", "start_time", "end_time", "code", "environment", "place")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    name: str
    description: str
    state: RunState
    reason: str
    message: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    code: _struct_pb2.Struct
    environment: _struct_pb2.Struct
    place: _struct_pb2.Struct
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., code: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., environment: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., place: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class SetParentRunRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "parent_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    parent_id: str
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., parent_id: _Optional[str] = ...) -> None: ...

class RunScope(_message.Message):
    __slots__ = ("project_ids", "experiment_ids", "parent_ids", "run_ids", "roots_only", "lifecycle")
    PROJECT_IDS_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_IDS_FIELD_NUMBER: _ClassVar[int]
    PARENT_IDS_FIELD_NUMBER: _ClassVar[int]
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    ROOTS_ONLY_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_FIELD_NUMBER: _ClassVar[int]
    project_ids: _containers.RepeatedScalarFieldContainer[str]
    experiment_ids: _containers.RepeatedScalarFieldContainer[str]
    parent_ids: _containers.RepeatedScalarFieldContainer[str]
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    roots_only: bool
    lifecycle: Lifecycle
    def __init__(self, project_ids: _Optional[_Iterable[str]] = ..., experiment_ids: _Optional[_Iterable[str]] = ..., parent_ids: _Optional[_Iterable[str]] = ..., run_ids: _Optional[_Iterable[str]] = ..., roots_only: _Optional[bool] = ..., lifecycle: _Optional[_Union[Lifecycle, str]] = ...) -> None: ...

class FindRunsRequest(_message.Message):
    __slots__ = ("namespace", "filter", "order_by", "scope", "page_size", "page_token", "read_mask", "count")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filter: str
    order_by: _containers.RepeatedScalarFieldContainer[str]
    scope: RunScope
    page_size: int
    page_token: str
    read_mask: _field_mask_pb2.FieldMask
    count: bool
    def __init__(self, namespace: _Optional[str] = ..., filter: _Optional[str] = ..., order_by: _Optional[_Iterable[str]] = ..., scope: _Optional[_Union[RunScope, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., count: _Optional[bool] = ...) -> None: ...

class FindRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token", "total_size")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    next_page_token: str
    total_size: int
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class CountRunsRequest(_message.Message):
    __slots__ = ("namespace", "filter", "scope")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filter: str
    scope: RunScope
    def __init__(self, namespace: _Optional[str] = ..., filter: _Optional[str] = ..., scope: _Optional[_Union[RunScope, _Mapping]] = ...) -> None: ...

class CountRunsResponse(_message.Message):
    __slots__ = ("total_size",)
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    total_size: int
    def __init__(self, total_size: _Optional[int] = ...) -> None: ...

class CompareRunsRequest(_message.Message):
    __slots__ = ("namespace", "run_ids")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., run_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class CompareRunsResponse(_message.Message):
    __slots__ = ("run_ids", "equal", "different")
    class Cell(_message.Message):
        __slots__ = ("value",)
        VALUE_FIELD_NUMBER: _ClassVar[int]
        value: _struct_pb2.Value
        def __init__(self, value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    class Row(_message.Message):
        __slots__ = ("cells",)
        CELLS_FIELD_NUMBER: _ClassVar[int]
        cells: _containers.RepeatedCompositeFieldContainer[CompareRunsResponse.Cell]
        def __init__(self, cells: _Optional[_Iterable[_Union[CompareRunsResponse.Cell, _Mapping]]] = ...) -> None: ...
    class EqualEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    class DifferentEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: CompareRunsResponse.Row
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[CompareRunsResponse.Row, _Mapping]] = ...) -> None: ...
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    EQUAL_FIELD_NUMBER: _ClassVar[int]
    DIFFERENT_FIELD_NUMBER: _ClassVar[int]
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    equal: _containers.MessageMap[str, _struct_pb2.Value]
    different: _containers.MessageMap[str, CompareRunsResponse.Row]
    def __init__(self, run_ids: _Optional[_Iterable[str]] = ..., equal: _Optional[_Mapping[str, _struct_pb2.Value]] = ..., different: _Optional[_Mapping[str, CompareRunsResponse.Row]] = ...) -> None: ...

class ParetoRunsRequest(_message.Message):
    __slots__ = ("namespace", "objectives", "scope", "read_mask")
    class Objective(_message.Message):
        __slots__ = ("metric", "type")
        METRIC_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        metric: str
        type: ObjectiveType
        def __init__(self, metric: _Optional[str] = ..., type: _Optional[_Union[ObjectiveType, str]] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVES_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    objectives: _containers.RepeatedCompositeFieldContainer[ParetoRunsRequest.Objective]
    scope: RunScope
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, namespace: _Optional[str] = ..., objectives: _Optional[_Iterable[_Union[ParetoRunsRequest.Objective, _Mapping]]] = ..., scope: _Optional[_Union[RunScope, _Mapping]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ParetoRunsResponse(_message.Message):
    __slots__ = ("runs",)
    RUNS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ...) -> None: ...

class SimilarRunsRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "limit", "scope", "read_mask")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    limit: int
    scope: RunScope
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., limit: _Optional[int] = ..., scope: _Optional[_Union[RunScope, _Mapping]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class SimilarRunsResponse(_message.Message):
    __slots__ = ("runs",)
    class SimilarRun(_message.Message):
        __slots__ = ("run", "distance")
        RUN_FIELD_NUMBER: _ClassVar[int]
        DISTANCE_FIELD_NUMBER: _ClassVar[int]
        run: Run
        distance: float
        def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ..., distance: _Optional[float] = ...) -> None: ...
    RUNS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[SimilarRunsResponse.SimilarRun]
    def __init__(self, runs: _Optional[_Iterable[_Union[SimilarRunsResponse.SimilarRun, _Mapping]]] = ...) -> None: ...

class GetImportancesRequest(_message.Message):
    __slots__ = ("namespace", "experiment_id", "metric")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment_id: str
    metric: str
    def __init__(self, namespace: _Optional[str] = ..., experiment_id: _Optional[str] = ..., metric: _Optional[str] = ...) -> None: ...

class GetImportancesResponse(_message.Message):
    __slots__ = ("importances",)
    class Importance(_message.Message):
        __slots__ = ("parameter", "importance")
        PARAMETER_FIELD_NUMBER: _ClassVar[int]
        IMPORTANCE_FIELD_NUMBER: _ClassVar[int]
        parameter: str
        importance: float
        def __init__(self, parameter: _Optional[str] = ..., importance: _Optional[float] = ...) -> None: ...
    IMPORTANCES_FIELD_NUMBER: _ClassVar[int]
    importances: _containers.RepeatedCompositeFieldContainer[GetImportancesResponse.Importance]
    def __init__(self, importances: _Optional[_Iterable[_Union[GetImportancesResponse.Importance, _Mapping]]] = ...) -> None: ...

class WatchRunsRequest(_message.Message):
    __slots__ = ("namespace", "scope", "cursor", "read_mask", "heartbeat")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    scope: RunScope
    cursor: str
    read_mask: _field_mask_pb2.FieldMask
    heartbeat: _duration_pb2.Duration
    def __init__(self, namespace: _Optional[str] = ..., scope: _Optional[_Union[RunScope, _Mapping]] = ..., cursor: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., heartbeat: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchRunsResponse(_message.Message):
    __slots__ = ("runs", "cursor", "caught_up")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    cursor: str
    caught_up: bool
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ..., cursor: _Optional[str] = ..., caught_up: _Optional[bool] = ...) -> None: ...

class LogRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "observations", "parameters", "tags", "properties", "replace_parameters")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    REPLACE_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    parameters: _containers.ScalarMap[str, str]
    tags: _containers.ScalarMap[str, str]
    properties: _containers.MessageMap[str, _struct_pb2.Value]
    replace_parameters: bool
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ..., parameters: _Optional[_Mapping[str, str]] = ..., tags: _Optional[_Mapping[str, str]] = ..., properties: _Optional[_Mapping[str, _struct_pb2.Value]] = ..., replace_parameters: _Optional[bool] = ...) -> None: ...

class LogResponse(_message.Message):
    __slots__ = ("stored", "repeated_count")
    STORED_FIELD_NUMBER: _ClassVar[int]
    REPEATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    stored: int
    repeated_count: int
    def __init__(self, stored: _Optional[int] = ..., repeated_count: _Optional[int] = ...) -> None: ...

class AppendRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "first_sequence", "observations", "trial")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    first_sequence: int
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    trial: str
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., first_sequence: _Optional[int] = ..., observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ..., trial: _Optional[str] = ...) -> None: ...

class AppendResponse(_message.Message):
    __slots__ = ("run_id", "next_sequence")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    next_sequence: int
    def __init__(self, run_id: _Optional[str] = ..., next_sequence: _Optional[int] = ...) -> None: ...

class ListObservationsRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "metric", "after_sequence", "page_size")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    metric: str
    after_sequence: int
    page_size: int
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., metric: _Optional[str] = ..., after_sequence: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListObservationsResponse(_message.Message):
    __slots__ = ("observations", "more")
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    more: bool
    def __init__(self, observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class WatchObservationsRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "metric", "after_sequence", "heartbeat", "until_run_ends")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    UNTIL_RUN_ENDS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    metric: str
    after_sequence: int
    heartbeat: _duration_pb2.Duration
    until_run_ends: bool
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., metric: _Optional[str] = ..., after_sequence: _Optional[int] = ..., heartbeat: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., until_run_ends: _Optional[bool] = ...) -> None: ...

class WatchObservationsResponse(_message.Message):
    __slots__ = ("observations", "caught_up")
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    caught_up: bool
    def __init__(self, observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ..., caught_up: _Optional[bool] = ...) -> None: ...

class GetChartsRequest(_message.Message):
    __slots__ = ("namespace", "run_ids", "metric", "points")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    metric: str
    points: int
    def __init__(self, namespace: _Optional[str] = ..., run_ids: _Optional[_Iterable[str]] = ..., metric: _Optional[str] = ..., points: _Optional[int] = ...) -> None: ...

class ChartPoint(_message.Message):
    __slots__ = ("step", "time", "value", "min", "max", "count")
    STEP_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    step: int
    time: _timestamp_pb2.Timestamp
    value: float
    min: float
    max: float
    count: int
    def __init__(self, step: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., value: _Optional[float] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., count: _Optional[int] = ...) -> None: ...

class Chart(_message.Message):
    __slots__ = ("run_id", "points")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    points: _containers.RepeatedCompositeFieldContainer[ChartPoint]
    def __init__(self, run_id: _Optional[str] = ..., points: _Optional[_Iterable[_Union[ChartPoint, _Mapping]]] = ...) -> None: ...

class GetChartsResponse(_message.Message):
    __slots__ = ("charts",)
    CHARTS_FIELD_NUMBER: _ClassVar[int]
    charts: _containers.RepeatedCompositeFieldContainer[Chart]
    def __init__(self, charts: _Optional[_Iterable[_Union[Chart, _Mapping]]] = ...) -> None: ...

class DeleteParametersRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "names", "all")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    names: _containers.RepeatedScalarFieldContainer[str]
    all: bool
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., all: _Optional[bool] = ...) -> None: ...

class DeleteParametersResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeleteMetricsRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "names", "all")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    names: _containers.RepeatedScalarFieldContainer[str]
    all: bool
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., all: _Optional[bool] = ...) -> None: ...

class DeleteMetricsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetFactsRequest(_message.Message):
    __slots__ = ("namespace", "node", "tags", "properties")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    node: Node
    tags: _containers.ScalarMap[str, str]
    properties: _containers.MessageMap[str, _struct_pb2.Value]
    def __init__(self, namespace: _Optional[str] = ..., node: _Optional[_Union[Node, _Mapping]] = ..., tags: _Optional[_Mapping[str, str]] = ..., properties: _Optional[_Mapping[str, _struct_pb2.Value]] = ...) -> None: ...

class SetFactsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeleteFactsRequest(_message.Message):
    __slots__ = ("namespace", "node", "tags", "properties", "all_tags", "all_properties")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    ALL_TAGS_FIELD_NUMBER: _ClassVar[int]
    ALL_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    node: Node
    tags: _containers.RepeatedScalarFieldContainer[str]
    properties: _containers.RepeatedScalarFieldContainer[str]
    all_tags: bool
    all_properties: bool
    def __init__(self, namespace: _Optional[str] = ..., node: _Optional[_Union[Node, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., properties: _Optional[_Iterable[str]] = ..., all_tags: _Optional[bool] = ..., all_properties: _Optional[bool] = ...) -> None: ...

class DeleteFactsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RecordExperimentRequest(_message.Message):
    __slots__ = ("namespace", "resource_json", "version")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_JSON_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    resource_json: str
    version: int
    def __init__(self, namespace: _Optional[str] = ..., resource_json: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class RecordExperimentResponse(_message.Message):
    __slots__ = ("name", "stored")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    name: str
    stored: bool
    def __init__(self, name: _Optional[str] = ..., stored: _Optional[bool] = ...) -> None: ...

class RecordedTrial(_message.Message):
    __slots__ = ("record_json", "job_json", "place")
    class PlaceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RECORD_JSON_FIELD_NUMBER: _ClassVar[int]
    JOB_JSON_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    record_json: str
    job_json: str
    place: _containers.ScalarMap[str, str]
    def __init__(self, record_json: _Optional[str] = ..., job_json: _Optional[str] = ..., place: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RecordTrialsRequest(_message.Message):
    __slots__ = ("namespace", "experiment_id", "trials")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment_id: str
    trials: _containers.RepeatedCompositeFieldContainer[RecordedTrial]
    def __init__(self, namespace: _Optional[str] = ..., experiment_id: _Optional[str] = ..., trials: _Optional[_Iterable[_Union[RecordedTrial, _Mapping]]] = ...) -> None: ...

class RecordTrialsResponse(_message.Message):
    __slots__ = ("stored_count",)
    STORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    stored_count: int
    def __init__(self, stored_count: _Optional[int] = ...) -> None: ...

class GetTrialSummariesRequest(_message.Message):
    __slots__ = ("namespace", "experiment_id", "trials", "metrics")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment_id: str
    trials: _containers.RepeatedScalarFieldContainer[str]
    metrics: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., experiment_id: _Optional[str] = ..., trials: _Optional[_Iterable[str]] = ..., metrics: _Optional[_Iterable[str]] = ...) -> None: ...

class TrialSummary(_message.Message):
    __slots__ = ("trial", "metrics")
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    trial: str
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    def __init__(self, trial: _Optional[str] = ..., metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ...) -> None: ...

class GetTrialSummariesResponse(_message.Message):
    __slots__ = ("trials",)
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    trials: _containers.RepeatedCompositeFieldContainer[TrialSummary]
    def __init__(self, trials: _Optional[_Iterable[_Union[TrialSummary, _Mapping]]] = ...) -> None: ...

class RecordEventRequest(_message.Message):
    __slots__ = ("namespace", "experiment_id", "reason", "message", "kind", "trial", "event_id", "count", "time")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment_id: str
    reason: str
    message: str
    kind: EventKind
    trial: str
    event_id: str
    count: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, namespace: _Optional[str] = ..., experiment_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., kind: _Optional[_Union[EventKind, str]] = ..., trial: _Optional[str] = ..., event_id: _Optional[str] = ..., count: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RecordEventResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MarkExperimentDeletedRequest(_message.Message):
    __slots__ = ("namespace", "experiment_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment_id: str
    def __init__(self, namespace: _Optional[str] = ..., experiment_id: _Optional[str] = ...) -> None: ...

class MarkExperimentDeletedResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListOpenExperimentsRequest(_message.Message):
    __slots__ = ("namespace", "cluster", "page_size", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    cluster: str
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., cluster: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class OpenExperiment(_message.Message):
    __slots__ = ("namespace", "experiment_id", "name")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    experiment_id: str
    name: str
    def __init__(self, namespace: _Optional[str] = ..., experiment_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ListOpenExperimentsResponse(_message.Message):
    __slots__ = ("experiments", "next_page_token")
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    experiments: _containers.RepeatedCompositeFieldContainer[OpenExperiment]
    next_page_token: str
    def __init__(self, experiments: _Optional[_Iterable[_Union[OpenExperiment, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateDatasetRequest(_message.Message):
    __slots__ = ("namespace", "dataset_id", "project_id", "name", "description", "tags", "properties")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    dataset_id: str
    project_id: str
    name: str
    description: str
    tags: _containers.ScalarMap[str, str]
    properties: _containers.MessageMap[str, _struct_pb2.Value]
    def __init__(self, namespace: _Optional[str] = ..., dataset_id: _Optional[str] = ..., project_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., properties: _Optional[_Mapping[str, _struct_pb2.Value]] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("namespace", "dataset_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    dataset_id: str
    def __init__(self, namespace: _Optional[str] = ..., dataset_id: _Optional[str] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ("namespace", "project_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    project_id: str
    def __init__(self, namespace: _Optional[str] = ..., project_id: _Optional[str] = ...) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets",)
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    def __init__(self, datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ...) -> None: ...

class AddDatasetVersionRequest(_message.Message):
    __slots__ = ("namespace", "project_id", "name", "digest", "uri", "source_type", "size", "rows", "schema", "profile", "parent_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    project_id: str
    name: str
    digest: str
    uri: str
    source_type: str
    size: int
    rows: int
    schema: _struct_pb2.Value
    profile: _struct_pb2.Value
    parent_id: str
    def __init__(self, namespace: _Optional[str] = ..., project_id: _Optional[str] = ..., name: _Optional[str] = ..., digest: _Optional[str] = ..., uri: _Optional[str] = ..., source_type: _Optional[str] = ..., size: _Optional[int] = ..., rows: _Optional[int] = ..., schema: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., profile: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., parent_id: _Optional[str] = ...) -> None: ...

class GetDatasetVersionRequest(_message.Message):
    __slots__ = ("namespace", "version_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    version_id: str
    def __init__(self, namespace: _Optional[str] = ..., version_id: _Optional[str] = ...) -> None: ...

class ListDatasetVersionsRequest(_message.Message):
    __slots__ = ("namespace", "dataset_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    dataset_id: str
    def __init__(self, namespace: _Optional[str] = ..., dataset_id: _Optional[str] = ...) -> None: ...

class ListDatasetVersionsResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[DatasetVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[DatasetVersion, _Mapping]]] = ...) -> None: ...

class UseDatasetRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "version_id", "role", "tags")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    version_id: str
    role: str
    tags: _containers.ScalarMap[str, str]
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., version_id: _Optional[str] = ..., role: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class UseDatasetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PutArtifactRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "path", "type", "uri", "state", "size", "sha256", "content_type", "metadata", "if_absent")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    IF_ABSENT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    path: str
    type: str
    uri: str
    state: ArtifactState
    size: int
    sha256: str
    content_type: str
    metadata: _struct_pb2.Struct
    if_absent: bool
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., path: _Optional[str] = ..., type: _Optional[str] = ..., uri: _Optional[str] = ..., state: _Optional[_Union[ArtifactState, str]] = ..., size: _Optional[int] = ..., sha256: _Optional[str] = ..., content_type: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., if_absent: _Optional[bool] = ...) -> None: ...

class GetArtifactRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "path")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    path: str
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class ListArtifactsRequest(_message.Message):
    __slots__ = ("namespace", "run_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ...) -> None: ...

class ListArtifactsResponse(_message.Message):
    __slots__ = ("artifacts",)
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    def __init__(self, artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ...) -> None: ...

class DeleteArtifactRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "path")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    path: str
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class DeleteArtifactResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UploadArtifactRequest(_message.Message):
    __slots__ = ("start", "chunk", "end")
    class Start(_message.Message):
        __slots__ = ("namespace", "run_id", "path", "type", "content_type", "metadata", "if_absent")
        NAMESPACE_FIELD_NUMBER: _ClassVar[int]
        RUN_ID_FIELD_NUMBER: _ClassVar[int]
        PATH_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
        METADATA_FIELD_NUMBER: _ClassVar[int]
        IF_ABSENT_FIELD_NUMBER: _ClassVar[int]
        namespace: str
        run_id: str
        path: str
        type: str
        content_type: str
        metadata: _struct_pb2.Struct
        if_absent: bool
        def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., path: _Optional[str] = ..., type: _Optional[str] = ..., content_type: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., if_absent: _Optional[bool] = ...) -> None: ...
    class End(_message.Message):
        __slots__ = ("size", "sha256")
        SIZE_FIELD_NUMBER: _ClassVar[int]
        SHA256_FIELD_NUMBER: _ClassVar[int]
        size: int
        sha256: str
        def __init__(self, size: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...
    START_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: UploadArtifactRequest.Start
    chunk: bytes
    end: UploadArtifactRequest.End
    def __init__(self, start: _Optional[_Union[UploadArtifactRequest.Start, _Mapping]] = ..., chunk: _Optional[bytes] = ..., end: _Optional[_Union[UploadArtifactRequest.End, _Mapping]] = ...) -> None: ...

class DownloadArtifactRequest(_message.Message):
    __slots__ = ("namespace", "run_id", "path", "start", "end")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    path: str
    start: int
    end: int
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ..., path: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class DownloadArtifactResponse(_message.Message):
    __slots__ = ("artifact", "chunk")
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    artifact: Artifact
    chunk: bytes
    def __init__(self, artifact: _Optional[_Union[Artifact, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class AddCommentRequest(_message.Message):
    __slots__ = ("namespace", "comment_id", "run_id", "text")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    COMMENT_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    comment_id: str
    run_id: str
    text: str
    def __init__(self, namespace: _Optional[str] = ..., comment_id: _Optional[str] = ..., run_id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class EditCommentRequest(_message.Message):
    __slots__ = ("namespace", "comment_id", "text")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    COMMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    comment_id: str
    text: str
    def __init__(self, namespace: _Optional[str] = ..., comment_id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class DeleteCommentRequest(_message.Message):
    __slots__ = ("namespace", "comment_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    COMMENT_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    comment_id: str
    def __init__(self, namespace: _Optional[str] = ..., comment_id: _Optional[str] = ...) -> None: ...

class DeleteCommentResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCommentsRequest(_message.Message):
    __slots__ = ("namespace", "run_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    run_id: str
    def __init__(self, namespace: _Optional[str] = ..., run_id: _Optional[str] = ...) -> None: ...

class ListCommentsResponse(_message.Message):
    __slots__ = ("comments",)
    COMMENTS_FIELD_NUMBER: _ClassVar[int]
    comments: _containers.RepeatedCompositeFieldContainer[Comment]
    def __init__(self, comments: _Optional[_Iterable[_Union[Comment, _Mapping]]] = ...) -> None: ...

class AddLineageRequest(_message.Message):
    __slots__ = ("namespace", "edges")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    edges: _containers.RepeatedCompositeFieldContainer[LineageEdge]
    def __init__(self, namespace: _Optional[str] = ..., edges: _Optional[_Iterable[_Union[LineageEdge, _Mapping]]] = ...) -> None: ...

class AddLineageResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeleteLineageRequest(_message.Message):
    __slots__ = ("namespace", "edges")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    edges: _containers.RepeatedCompositeFieldContainer[LineageEdge]
    def __init__(self, namespace: _Optional[str] = ..., edges: _Optional[_Iterable[_Union[LineageEdge, _Mapping]]] = ...) -> None: ...

class DeleteLineageResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListUpstreamRequest(_message.Message):
    __slots__ = ("namespace", "node", "depth")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    node: Node
    depth: int
    def __init__(self, namespace: _Optional[str] = ..., node: _Optional[_Union[Node, _Mapping]] = ..., depth: _Optional[int] = ...) -> None: ...

class ListUpstreamResponse(_message.Message):
    __slots__ = ("edges",)
    EDGES_FIELD_NUMBER: _ClassVar[int]
    edges: _containers.RepeatedCompositeFieldContainer[LineageEdge]
    def __init__(self, edges: _Optional[_Iterable[_Union[LineageEdge, _Mapping]]] = ...) -> None: ...

class ListDownstreamRequest(_message.Message):
    __slots__ = ("namespace", "node", "depth")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    node: Node
    depth: int
    def __init__(self, namespace: _Optional[str] = ..., node: _Optional[_Union[Node, _Mapping]] = ..., depth: _Optional[int] = ...) -> None: ...

class ListDownstreamResponse(_message.Message):
    __slots__ = ("edges",)
    EDGES_FIELD_NUMBER: _ClassVar[int]
    edges: _containers.RepeatedCompositeFieldContainer[LineageEdge]
    def __init__(self, edges: _Optional[_Iterable[_Union[LineageEdge, _Mapping]]] = ...) -> None: ...

class ListCommonAncestorsRequest(_message.Message):
    __slots__ = ("namespace", "nodes")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    def __init__(self, namespace: _Optional[str] = ..., nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ...) -> None: ...

class ListCommonAncestorsResponse(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    def __init__(self, nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("namespace", "node")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    node: Node
    def __init__(self, namespace: _Optional[str] = ..., node: _Optional[_Union[Node, _Mapping]] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RestoreRequest(_message.Message):
    __slots__ = ("namespace", "node")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    node: Node
    def __init__(self, namespace: _Optional[str] = ..., node: _Optional[_Union[Node, _Mapping]] = ...) -> None: ...

class RestoreResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PurgeRequest(_message.Message):
    __slots__ = ("namespace", "deleted_before", "keep_best", "project_id", "experiment_id", "keep_artifacts")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DELETED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    KEEP_BEST_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEEP_ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    deleted_before: _timestamp_pb2.Timestamp
    keep_best: int
    project_id: str
    experiment_id: str
    keep_artifacts: bool
    def __init__(self, namespace: _Optional[str] = ..., deleted_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., keep_best: _Optional[int] = ..., project_id: _Optional[str] = ..., experiment_id: _Optional[str] = ..., keep_artifacts: _Optional[bool] = ...) -> None: ...

class PurgeResponse(_message.Message):
    __slots__ = ("projects", "experiments", "runs", "observations", "deleted", "files", "archived")
    PROJECTS_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    projects: int
    experiments: int
    runs: int
    observations: int
    deleted: int
    files: int
    archived: int
    def __init__(self, projects: _Optional[int] = ..., experiments: _Optional[int] = ..., runs: _Optional[int] = ..., observations: _Optional[int] = ..., deleted: _Optional[int] = ..., files: _Optional[int] = ..., archived: _Optional[int] = ...) -> None: ...

class ListAuditEntriesRequest(_message.Message):
    __slots__ = ("namespace", "node", "after_id", "page_size")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    node: Node
    after_id: int
    page_size: int
    def __init__(self, namespace: _Optional[str] = ..., node: _Optional[_Union[Node, _Mapping]] = ..., after_id: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListAuditEntriesResponse(_message.Message):
    __slots__ = ("entries", "more")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[AuditEntry]
    more: bool
    def __init__(self, entries: _Optional[_Iterable[_Union[AuditEntry, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...
