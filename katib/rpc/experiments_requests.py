"""What requests of the experiments' API ask for, checked: every fault is told with its field, and nothing is taken without a bound."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from katib.api.numbers import format_float
from katib.errors import InvalidInput, Problem
from katib.experiments.protocol import Budget, ExperimentQuery, Measurement
from katib.rpc.experiments_search import document_of_search
from katib.rpc.experiments_values import EXPERIMENT_STATES, TRIAL_STATES, read_seconds, read_time
from katib.rpc.tracking_requests import at_most
from katib.rpc.tracking_values import read_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from katib.api.trial import TrialState
    from katib.rpc import experiments_v1 as wire

__all__ = [
    "check_changes",
    "check_texts",
    "check_watch",
    "read_budget",
    "read_count",
    "read_document",
    "read_held",
    "read_lease",
    "read_measurements",
    "read_message",
    "read_offset",
    "read_page_size",
    "read_query",
    "read_start",
    "read_suggested",
    "read_trial_states",
    "read_wait",
]

_LONGEST_TEXT: Final = 255
_LONGEST_TOKEN: Final = 2_000
_LONGEST_MESSAGE: Final = 1 << 16
_LONGEST_VALUE: Final = 1 << 16
_MOST_LABELS: Final = 64
_MOST_HELD: Final = 10_000
_MOST_MEASUREMENTS: Final = 100_000
_MOST_PROBLEMS: Final = 20
_MOST_SUGGESTED: Final = 1_000

_DAY: Final = 86_400.0
_LEASE: Final = 60.0
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_NUL: Final = "\x00"
_TOKEN: Final = re.compile(r"n([0-9]{1,18})")


def check_texts(request: Any, *required: str, optional: Sequence[str] = ()) -> None:
    """Refuse a request some of whose names or ids are empty, too long or no names.

    Raises:
        InvalidInput: They are.
    """
    problems = []
    for field in (*required, *optional):
        text = getattr(request, field)
        if not text and field in required:
            problems.append(Problem(field, "is required"))
        else:
            problems += _text_problems(field, text)
    if problems:
        raise InvalidInput(problems)


def _text_problems(field: str, text: str, longest: int = _LONGEST_TEXT) -> Iterator[Problem]:
    if len(text) > longest:
        yield Problem(field, f"must have at most {longest} characters, and has {len(text)}")
    elif _CONTROL.search(text):
        yield Problem(field, "must have no control characters", text)


def check_watch(request: wire.WatchExperimentsRequest) -> None:
    """Refuse a watch of what there is not.

    Raises:
        InvalidInput: The name is none, or something is asked for that only one experiment has.
    """
    check_texts(request, optional=("name",))
    if not request.name:
        problems = [
            Problem(field, "needs the name of one experiment", value=True)
            for field in ("trials", "until_over")
            if getattr(request, field)
        ]
        if problems:
            raise InvalidInput(problems)


def check_changes(request: wire.ListChangesRequest) -> None:
    """Refuse what changed of something that there is not.

    Raises:
        InvalidInput: The name is none, or the cursor.
    """
    check_texts(request, optional=("name",))
    problems = list(_text_problems("cursor", request.cursor, _LONGEST_TOKEN))
    if problems:
        raise InvalidInput(problems)


def read_document(request: wire.CreateExperimentRequest) -> str:
    """Return the experiment of a request as YAML or JSON.

    Raises:
        InvalidInput: There is none, or its message is wrong.
    """
    source = request.WhichOneof("source")
    if source is None:
        raise InvalidInput([Problem("document", "is required, or resource, or search")])
    if source == "document":
        return request.document
    if source == "search":
        return document_of_search(request.search)
    # A map comes in any order; the same request has the same document.
    return json.dumps(read_values(request.resource.fields), sort_keys=True)


def read_query(request: wire.ListExperimentsRequest) -> ExperimentQuery:
    """Return which experiments are wanted.

    Raises:
        InvalidInput: A state has no meaning, or something is too long or too many.
    """
    check_texts(request, optional=("algorithm", "name_prefix"))
    problems = list(_text_problems("page_token", request.page_token, _LONGEST_TOKEN))
    if len(request.labels) > _MOST_LABELS:
        problems.append(Problem("labels", f"must be at most {_MOST_LABELS}", len(request.labels)))
    else:
        for key, value in request.labels.items():
            problems += _text_problems(f"labels[{key[:_LONGEST_TEXT]!r}]", key)
            problems += _text_problems(f"labels[{key[:_LONGEST_TEXT]!r}]", value)
    if problems:
        raise InvalidInput(problems)
    states = {EXPERIMENT_STATES.read(number, f"states[{place}]") for place, number in enumerate(request.states)}
    return ExperimentQuery(
        states=tuple(sorted(states)),
        algorithm=request.algorithm,
        name_prefix=request.name_prefix,
        labels=dict(request.labels),
        limit=read_page_size(request, 1_000, 100),
        after=request.page_token,
    )


def read_page_size(request: Any, most: int, default: int) -> int:
    """Return how many records a page has.

    Raises:
        InvalidInput: So many are on none.
    """
    return at_most("page_size", request.page_size, most, default)


def read_start(request: Any, field: str) -> int | None:
    """Return after which number a page begins; None for the first one.

    Args:
        request: With a ``page_token``.
        field: Its field that says where the first page begins.

    Raises:
        InvalidInput: The token is none of this service.
    """
    if request.page_token:
        found = _TOKEN.fullmatch(request.page_token)
        if found is None:
            raise InvalidInput(
                [Problem("page_token", "is none of this call: pass one on as it came", request.page_token)]
            )
        return int(found[1])
    if not request.HasField(field):
        return None
    after: int = getattr(request, field)
    if after < 0:
        raise InvalidInput([Problem(field, "must be 0 or more", after)])
    return after


def read_trial_states(request: wire.ListTrialsRequest) -> frozenset[TrialState] | None:
    """Return in which states trials are wanted; None for any.

    Raises:
        InvalidInput: One has no meaning.
    """
    found = frozenset(TRIAL_STATES.read(number, f"states[{place}]") for place, number in enumerate(request.states))
    return found or None


def read_count(request: Any, field: str) -> int | None:
    """Return a count that a request may leave out."""
    return getattr(request, field) if request.HasField(field) else None


def read_budget(request: wire.EditBudgetRequest) -> Budget:
    """Return how many trials there are to be; which counts are none is said by the experiment."""
    return Budget(
        max_trial_count=read_count(request, "max_trial_count"),
        parallel_trial_count=read_count(request, "parallel_trial_count"),
        max_failed_trial_count=read_count(request, "max_failed_trial_count"),
    )


def read_offset(request: wire.ReadLogsRequest) -> int:
    """Return how many bytes of a log are left out.

    Raises:
        InvalidInput: Less than none.
    """
    if request.offset < 0:
        raise InvalidInput([Problem("offset", "must be 0 or more", request.offset)])
    return request.offset


def read_suggested(request: wire.SuggestTrialsRequest) -> int:
    """Return how many trials are wanted.

    Raises:
        InvalidInput: So many are not given to one client.
    """
    return at_most("count", request.count, _MOST_SUGGESTED, 1)


def read_lease(request: Any) -> float:
    """Return for how many seconds a client has its trials.

    Raises:
        InvalidInput: For no time, or for more than a day.
    """
    seconds = read_seconds(request, "lease", _LEASE)
    if not 0 < seconds <= _DAY:
        raise InvalidInput([Problem("lease", "must be more than 0 s and at most 24 h", f"{seconds:g} s")])
    return seconds


def read_wait(request: wire.SuggestTrialsRequest) -> float:
    """Return how many seconds a client waits for a trial.

    Raises:
        InvalidInput: For less than no time, or for more than a day.
    """
    seconds = read_seconds(request, "wait", 0.0)
    if not 0 <= seconds <= _DAY:
        raise InvalidInput([Problem("wait", "must be 0 s to 24 h", f"{seconds:g} s")])
    return seconds


def read_held(request: wire.HeartbeatRequest) -> tuple[str, ...]:
    """Return the trials that a client believes to hold.

    Raises:
        InvalidInput: They are too many, or have no names.
    """
    if len(request.trials) > _MOST_HELD:
        raise InvalidInput([Problem("trials", f"must be at most {_MOST_HELD:,}", len(request.trials))])
    problems: list[Problem] = []
    for place, name in enumerate(request.trials):
        problems += _text_problems(f"trials[{place}]", name)
        if not name:
            problems.append(Problem(f"trials[{place}]", "is required"))
    if problems:
        raise InvalidInput(problems[:_MOST_PROBLEMS])
    return tuple(request.trials)


def read_message(request: wire.CompleteTrialRequest) -> str:
    """Return what people are told about the end of a trial.

    Raises:
        InvalidInput: It is longer than anybody reads.
    """
    if len(request.message) > _LONGEST_MESSAGE:
        raise InvalidInput(
            [Problem("message", f"must have at most {_LONGEST_MESSAGE:,} characters", f"{len(request.message):,}")]
        )
    return request.message.replace(_NUL, "\N{REPLACEMENT CHARACTER}")


def read_measurements(messages: Sequence[wire.Measurement]) -> list[Measurement]:
    """Return values of metrics.

    Raises:
        InvalidInput: Some are none; the first few of them are told.
    """
    if len(messages) > _MOST_MEASUREMENTS:
        raise InvalidInput([Problem("measurements", f"must be at most {_MOST_MEASUREMENTS:,}", len(messages))])
    found: list[Measurement] = []
    problems: list[Problem] = []
    for place, message in enumerate(messages):
        where = f"measurements[{place}]."
        kind = message.WhichOneof("value")
        text = format_float(message.number) if kind == "number" else message.text
        if not message.metric:
            problems.append(Problem(f"{where}metric", "is required"))
        problems += _text_problems(f"{where}metric", message.metric)
        if not text:
            problems.append(Problem(f"{where}number", "is required, or text"))
        elif len(text) > _LONGEST_VALUE or _NUL in text:
            problems.append(
                Problem(f"{where}text", f"must have at most {_LONGEST_VALUE:,} characters, none of them NUL")
            )
        try:
            time = read_time(message, "time", where)
        except InvalidInput as error:
            problems += error.problems
            time = None
        if len(problems) >= _MOST_PROBLEMS:
            break
        found.append(Measurement(message.metric, text, time, message.step if message.HasField("step") else None))
    if problems:
        raise InvalidInput(problems[:_MOST_PROBLEMS])
    return found
