"""Answers the experiments' API over HTTP by making the calls of the gRPC service; nothing is decided here."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from google.protobuf import json_format, message_factory
from typing_extensions import override

from katib.errors import InvalidInput, Problem
from katib.rest.answers import PiecesResponse, answer
from katib.rest.experiments.enum_values import unknown_enum_values
from katib.rest.experiments.messages import Messages
from katib.rest.experiments.routes import ROUTES, STREAMS, Route
from katib.rest.needed_access import Access
from katib.rest.operations import Api, Operation
from katib.rest.presence import while_there
from katib.rpc.calls import Call as RpcCall
from katib.rpc.experiments_asking import ASKS
from katib.rpc.experiments_service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.message import Message
    from starlette.responses import Response

    from katib.rest.faults import Fault
    from katib.rest.operations import Call
    from katib.rpc.experiments_service import ExperimentsService

__all__ = ["ExperimentsApi"]

_LARGEST: Final = 16 << 20
_LONGEST_WATCH: Final = 86_400.0
_QUIET_SECONDS: Final = 15.0
"""After which a watcher is told that the server is still there; proxies end what is silent for a minute."""
_FIRST_SECONDS: Final = 1.0
_FLAGS: Final = frozenset({"all_namespaces", "purge", "at_once", "dry_run", "trials", "until_over", "follow"})


class ExperimentsApi(Api):
    """``/api/v1/experiments``: the messages of the service as JSON, by protobuf's rules, with the fields' own names.

    Args:
        service: Returns the service that answers, once it is open.
    """

    name = "experiments"
    prefixes: ClassVar[Sequence[str]] = ("/api/v1/experiments", "/api/v1/watch")

    def __init__(self, service: Callable[[], ExperimentsService]) -> None:
        self._service = service

    @override
    def operations(self) -> Sequence[Operation]:
        # The calls recognise who calls themselves, as they say in which namespace.
        once = [
            Operation(route.method, route.path, route.call, partial(self._answer, route), Access.KNOWN, most=_LARGEST)
            for route in ROUTES
        ]
        create = Operation("POST", "/api/v1/experiments", "CreateExperiment", self._create, Access.KNOWN, most=_LARGEST)
        streams = [
            Operation(route.method, route.path, route.call, partial(function, route), Access.KNOWN, moves_files=True)
            for route, function in zip(STREAMS, (self._watch, self._logs), strict=True)
        ]
        return [*once, create, *streams]

    async def _create(self, call: Call) -> Response:
        _check_query(call, ("dry_run", "request_id"))
        body = await call.body()
        try:
            document = body.decode()
        except UnicodeDecodeError:
            raise InvalidInput("the body has to be an Experiment as YAML or JSON, in UTF-8") from None
        fields = {"document": document, **_query(call)}
        return await self._made(call, "CreateExperiment", fields, status=201)

    async def _answer(self, route: Route, call: Call) -> Response:
        return await self._made(call, route.call, await _fields(route, call))

    async def _made(self, call: Call, name: str, fields: dict[str, Any], *, status: int = 200) -> Response:
        data = _request(name, fields).SerializeToString()
        making = self._service().methods()[name](data, _rpc_call(call, call.patience.call))
        if name in ASKS and ASKS[name].waits:
            # Whoever has gone is to get nothing.
            making = while_there(call.request.receive, making)
        reply = await making
        return answer(_document(_reply_class(name).FromString(reply)), status=status)

    async def _watch(self, route: Route, call: Call) -> Response:
        """Answer with server-sent events: ``event`` is the field of the message, ``data`` its content."""
        kind = _reply_class(route.call)

        def event(message: bytes) -> bytes:
            found = kind.FromString(message)
            field = found.WhichOneof("change")
            text = json.dumps(_document(getattr(found, field)), separators=(",", ":"))
            return f"event: {field}\ndata: {text}\n\n".encode()

        messages = await self._stream(route, call, event, quiet=b": still here\n\n")
        headers = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        return PiecesResponse(messages, status=200, headers=headers, patience=call.patience.piece)

    async def _logs(self, route: Route, call: Call) -> Response:
        """Answer with what a trial printed, as it did."""
        kind = _reply_class(route.call)

        def text(message: bytes) -> bytes:
            found: bytes = kind.FromString(message).text
            return found

        messages = await self._stream(route, call, text)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        return PiecesResponse(messages, status=200, headers=headers, patience=call.patience.piece)

    async def _stream(
        self, route: Route, call: Call, piece: Callable[[bytes], bytes], *, quiet: bytes = b""
    ) -> Messages:
        """Make a call that is answered with messages, and see whether it can be."""
        data = _request(route.call, await _fields(route, call)).SerializeToString()
        method, made = self._service().streams()[route.call], _rpc_call(call, _LONGEST_WATCH)
        messages = Messages(lambda send: method(data, send, made), piece, quiet=quiet, quiet_seconds=_QUIET_SECONDS)
        await messages.begin(_FIRST_SECONDS)
        return messages

    @override
    def body(self, fault: Fault) -> Any:
        return {"code": fault.code, "message": fault.message, "problems": [*fault.problems]}


def _rpc_call(call: Call, seconds: float) -> RpcCall:
    """Return what the service is told of a request: who calls is asked again, for the namespace that it names."""
    authorization = call.request.headers.get("authorization")
    return RpcCall(seconds, () if authorization is None else (("authorization", authorization),))


async def _fields(route: Route, call: Call) -> dict[str, Any]:
    """Return the fields of a request; what stands in the path counts most.

    Raises:
        InvalidInput: One stands where it may not.
    """
    _check_query(call, route.query)
    body = await call.document() if route.body else {}
    return {**body, **_query(call), **call.path}


def _check_query(call: Call, known: Sequence[str]) -> None:
    problems = [
        Problem(name, f"is not known here; known are {', '.join(('namespace', *known))}")
        for name in call.query
        if name not in {"namespace", *known}
    ]
    if problems:
        raise InvalidInput(problems)


def _query(call: Call) -> dict[str, Any]:
    """Return what stands behind the ``?``, as JSON has it; of a list, what is there several times."""
    found: dict[str, Any] = {}
    for name in call.query:
        values = call.request.query_params.getlist(name)
        if name == "states":
            found[name] = values
        elif name in _FLAGS:
            if values[-1] not in ("true", "false", ""):
                raise InvalidInput([Problem(name, "must be true or false", values[-1])])
            found[name] = values[-1] != "false"
        else:
            found[name] = values[-1]
    return found


def _request(name: str, fields: dict[str, Any]) -> Message:
    request = message_factory.GetMessageClass(SERVICE.methods_by_name[name].input_type)()
    try:
        return json_format.ParseDict(fields, request)
    except (json_format.ParseError, UnicodeError) as error:
        if problems := list(unknown_enum_values(fields, request.DESCRIPTOR)):
            raise InvalidInput(problems) from None
        said = str(error).partition("\n")[0]
        raise InvalidInput(f"the request is no {request.DESCRIPTOR.name}: {said}") from None


def _reply_class(name: str) -> Any:
    return message_factory.GetMessageClass(SERVICE.methods_by_name[name].output_type)


def _document(message: Message) -> dict[str, Any]:
    """Return a message as JSON, its resource as the object that it is."""
    found: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for each in (found, *found.get("experiments", ())):
        if "resource_json" in each:
            each["resource"] = json.loads(each.pop("resource_json") or "null")
    return found
