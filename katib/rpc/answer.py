"""Answers one call inside a worker: from the bytes of a request to those of a reply, or to a failure that says enough."""

from __future__ import annotations

import traceback
from typing import Final

from google.protobuf.message import Message

from katib.algorithm import call, early_stoppers
from katib.errors import AlgorithmError, InvalidInput, KatibError, Overloaded, Problem
from katib.rpc import v1beta1 as wire
from katib.rpc.experiment_message import algorithm_spec_of
from katib.rpc.request_parts import ReplyParts, RequestParts
from katib.rpc.requests import decoded
from katib.rpc.rules_message import rules_reply
from katib.rpc.search import checked_search, search_key, search_of
from katib.rpc.session import Session
from katib.rpc.sessions import Sessions
from katib.rpc.worker_call import Failure, Kind, Outcome, Task

__all__ = ["Answerer", "failure_of"]

_MOST_POINTS: Final = 10_000


class Answerer:
    """Answers calls, one after the other.

    Args:
        cache_bytes: What may be remembered of searches between their calls.
    """

    def __init__(self, cache_bytes: int) -> None:
        self._sessions = Sessions(cache_bytes)

    def answer(self, task: Task) -> Outcome:
        """Return what comes of a task, whatever happens in between."""
        with call.answering(task.seconds) as notes:
            try:
                reply = self._reply(task)
            except KatibError as error:
                problems = error.problems if isinstance(error, InvalidInput) else ()
                details = "".join(traceback.format_exception(error)) if isinstance(error, AlgorithmError) else ""
                return Outcome(failure=Failure(error.grpc_code, str(error), problems, details), notes=tuple(notes))
            except MemoryError:
                failure = Failure(Overloaded.grpc_code, "there is not enough memory to answer this call")
                return Outcome(failure=failure, notes=tuple(notes))
            except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; its caller learns what
                return Outcome(failure=failure_of(task, error), notes=tuple(notes))
        return Outcome(reply=reply, notes=tuple(notes))

    def _reply(self, task: Task) -> bytes:
        match task.kind:
            case Kind.SUGGEST:
                return self._suggestions(task.request)
            case Kind.VALIDATE:
                return _validated(task.request)
            case Kind.RULES:
                return _rules(task)
            case Kind.VALIDATE_STOPPER:
                return _validated_stopper(task.request)

    def _suggestions(self, request: bytes) -> bytes:
        parts = decoded(RequestParts, request)
        wanted = parts.current_request_number
        if not 0 <= wanted <= _MOST_POINTS:
            raise InvalidInput([Problem("current_request_number", f"must be from 0 to {_MOST_POINTS}", wanted)])
        key, trials = search_key(parts), list(parts.trials)
        session = self._sessions.take(key, trials, lambda: Session(checked_search(parts)))
        reply = session.suggest(trials, wanted, parts.total_request_number - wanted)
        self._sessions.put(key, session)
        return _sent(reply, parts)


def failure_of(task: Task, error: BaseException) -> Failure:
    """Return what to say of something that nobody foresaw."""
    message = f"{task.kind.value} failed: {type(error).__name__}: {error}"
    return Failure(AlgorithmError.grpc_code, message, details="".join(traceback.format_exception(error)))


def _rules(task: Task) -> bytes:
    parts = decoded(RequestParts, task.request)
    return _sent(rules_reply(search_of(parts), parts.trials, task.curves), parts)


def _validated(request: bytes) -> bytes:
    parts = decoded(RequestParts, request)
    checked_search(parts)
    return _sent(wire.ValidateAlgorithmSettingsReply(), parts)


def _sent(reply: Message, parts: RequestParts) -> bytes:
    """Return the bytes of a reply; one to our own request says that it was understood."""
    told = ReplyParts(experiment_json_read=True).SerializeToString() if parts.experiment_json else b""
    return reply.SerializeToString() + told


def _validated_stopper(request: bytes) -> bytes:
    stated = algorithm_spec_of(decoded(wire.ValidateEarlyStoppingSettingsRequest, request).early_stopping)
    problems = early_stoppers.settings_problems(stated)
    if problems:
        raise InvalidInput(problems)
    return wire.ValidateEarlyStoppingSettingsReply().SerializeToString()
