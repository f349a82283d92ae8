"""From a failure to what a gRPC caller gets: a code, a sentence, and for bad input the places in the request.

The sentence is Katib's own where Katib has one, word for word, because its users search for it; the places are
``google.rpc.BadRequest`` details. Both are cut to what fits into the trailing metadata that every client accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from katib.rpc.experiment_message import request_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from katib.errors import Problem

__all__ = ["DOMAIN", "Status", "status_of"]

DOMAIN: Final = "katib.kubeflow.org"
"""Whose words the kinds of failures are."""
_MOST_VIOLATIONS: Final = 20
_MOST_VIOLATION_BYTES: Final = 3_000
"""Before base64; beside the message, which is sent twice, that leaves room for what a proxy adds."""
_LONGEST_TEXT: Final = 150
_LONGEST_MESSAGE: Final = 1_500
"""In bytes after percent-encoding; clients accept 8 KiB of metadata in all."""


@dataclass(frozen=True, slots=True)
class Status:
    """What ends a call.

    Attributes:
        code: Of gRPC.
        message: A sentence.
        metadata: The trailing metadata with the details; empty without any.
    """

    code: grpc.StatusCode
    message: str
    metadata: tuple[tuple[str, bytes], ...] = ()


def status_of(
    code: str,
    message: str,
    problems: Sequence[Problem] = (),
    *,
    kind: str = "",
    field: Callable[[str], str] = request_path,
) -> Status:
    """Return the status of a failure; with problems, the message is made of theirs.

    Args:
        code: The name of a gRPC status.
        message: A sentence.
        problems: Faults of the request.
        kind: One word for the failure, where the service says it beside the code.
        field: From where a fault is to where it is in the request.
    """
    found = grpc.StatusCode[code]
    text = _cut("; ".join(problem.katib_text or _sentence(problem) for problem in problems) if problems else message)
    details: list[Any] = []
    if problems:
        details.append(any_pb2.Any())
        details[-1].Pack(_bad_request(problems, field))
    if kind:
        lines = ",".join(str(problem.line or "") for problem in problems[:_MOST_VIOLATIONS]).strip(",")
        details.append(any_pb2.Any())
        details[-1].Pack(
            error_details_pb2.ErrorInfo(reason=kind, domain=DOMAIN, metadata={"lines": lines} if lines else None)
        )
    if not details:
        return Status(found, text)
    status = status_pb2.Status(code=found.value[0], message=text, details=details)
    return Status(found, text, (("grpc-status-details-bin", status.SerializeToString()),))


def _bad_request(problems: Sequence[Problem], path: Callable[[str], str]) -> Any:
    """Return the first of the problems with their places, as many as fit."""
    bad = error_details_pb2.BadRequest()
    for problem in problems[:_MOST_VIOLATIONS]:
        field, description = _shortened(path(problem.path)), _shortened(_description(problem))
        bad.field_violations.add(field=field, description=description)
        if bad.ByteSize() > _MOST_VIOLATION_BYTES:
            del bad.field_violations[-1]
            break
    return bad


def _sentence(problem: Problem) -> str:
    return str(problem).removeprefix("document: ")


def _description(problem: Problem) -> str:
    shown = "" if problem.value is None else f" (got {problem.value!r})"
    hint = f"; {problem.hint}" if problem.hint else ""
    return f"{problem.message}{shown}{hint}"


def _sendable(text: str) -> str:
    """Return a text without the halves of characters that a plug-in's error may hold and UTF-8 has no bytes for."""
    return text.encode(errors="replace").decode()


def _shortened(text: str) -> str:
    text = _sendable(text)
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def _cut(text: str) -> str:
    # What is not printable ASCII is sent as %XX for each of its bytes.
    text, size = _sendable(text), 0
    for place, character in enumerate(text):
        size += 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode())
        if size > _LONGEST_MESSAGE:
            return f"{text[:place]}…"
    return text
