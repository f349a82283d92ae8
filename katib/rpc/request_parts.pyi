from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class RequestParts(_message.Message):
    __slots__ = ("experiment", "trials", "db_manager_address", "current_request_number", "total_request_number")
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    DB_MANAGER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    experiment: _containers.RepeatedScalarFieldContainer[bytes]
    trials: _containers.RepeatedScalarFieldContainer[bytes]
    db_manager_address: str
    current_request_number: int
    total_request_number: int
    def __init__(self, experiment: _Optional[_Iterable[bytes]] = ..., trials: _Optional[_Iterable[bytes]] = ..., db_manager_address: _Optional[str] = ..., current_request_number: _Optional[int] = ..., total_request_number: _Optional[int] = ...) -> None: ...
