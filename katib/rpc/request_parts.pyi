from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestParts(_message.Message):
    __slots__ = ("experiment", "trials", "db_manager_address", "current_request_number", "total_request_number", "experiment_json")
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    DB_MANAGER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_JSON_FIELD_NUMBER: _ClassVar[int]
    experiment: _containers.RepeatedScalarFieldContainer[bytes]
    trials: _containers.RepeatedScalarFieldContainer[bytes]
    db_manager_address: str
    current_request_number: int
    total_request_number: int
    experiment_json: bytes
    def __init__(self, experiment: _Optional[_Iterable[bytes]] = ..., trials: _Optional[_Iterable[bytes]] = ..., db_manager_address: _Optional[str] = ..., current_request_number: _Optional[int] = ..., total_request_number: _Optional[int] = ..., experiment_json: _Optional[bytes] = ...) -> None: ...

class TrialParts(_message.Message):
    __slots__ = ("place",)
    PLACE_FIELD_NUMBER: _ClassVar[int]
    place: TrialPlace
    def __init__(self, place: _Optional[_Union[TrialPlace, _Mapping]] = ...) -> None: ...

class TrialPlace(_message.Message):
    __slots__ = ("index", "started", "seconds", "infeasible")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    INFEASIBLE_FIELD_NUMBER: _ClassVar[int]
    index: int
    started: float
    seconds: float
    infeasible: bool
    def __init__(self, index: _Optional[int] = ..., started: _Optional[float] = ..., seconds: _Optional[float] = ..., infeasible: _Optional[bool] = ...) -> None: ...

class ReplyParts(_message.Message):
    __slots__ = ("experiment_json_read",)
    EXPERIMENT_JSON_READ_FIELD_NUMBER: _ClassVar[int]
    experiment_json_read: bool
    def __init__(self, experiment_json_read: _Optional[bool] = ...) -> None: ...
