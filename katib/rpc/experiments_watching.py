"""A watch as its client sees it: taken up again after a failure, it tells neither again what is known nor misses what has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.experiments.protocol import Changes
from katib.rpc.experiments_records import experiment_of_message, trial_of_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from katib.rpc import experiments_v1 as wire

__all__ = ["watched_changes"]


def watched_changes(
    stream: Callable[[Callable[[], Any]], Iterator[wire.WatchExperimentsResponse]],
    request: wire.WatchExperimentsRequest,
) -> Iterator[Changes]:
    """Yield what messages of a watch say that is new: first all there is, then one change each.

    Args:
        stream: Yields messages, from request to request as often as it breaks off; asks for each of them.
        request: What is watched.
    """
    known: dict[tuple[str, ...], int] = {}
    seen: set[tuple[str, ...]] = set()
    gathered: list[Any] = []
    synced = False

    def begin() -> wire.WatchExperimentsRequest:
        nonlocal synced
        seen.clear()
        gathered.clear()
        synced = False
        return request

    for message in stream(begin):
        kind = message.WhichOneof("change")
        if kind == "synced":
            synced = True
            gone = [key for key in known if key not in seen]
            told = _changes(gathered, known, [key for key in gone if key[0] == "experiment"])
            for key in gone:
                del known[key]
            gathered.clear()
            if told is not None:
                yield told
            continue
        if kind is None:
            continue  # of a later version
        if kind != "deleted":
            seen.add(_key(message))
        if not synced:
            gathered.append(message)
            continue
        told = _changes([message], known, [])
        if told is not None:
            yield told
    # A watch that ended before everything was sent, as it was gone by then.
    told = _changes(gathered, known, [])
    if told is not None:
        yield told


def _key(message: wire.WatchExperimentsResponse) -> tuple[str, ...]:
    if message.HasField("trial"):
        return "trial", message.trial.name
    which = message.deleted if message.HasField("deleted") else message.experiment
    return "experiment", which.namespace, which.name, which.uid


def _changes(messages: list[Any], known: dict[tuple[str, ...], int], gone: list[tuple[str, ...]]) -> Changes | None:
    """Return what is new in messages, None for nothing; what is told is known from then on."""
    experiments, trials, deleted = [], [], [(key[1], key[2], key[3]) for key in gone]
    for message in messages:
        key = _key(message)
        if message.HasField("deleted"):
            if known.pop(key, None) is not None:
                deleted.append((key[1], key[2], key[3]))
            continue
        data = hash(message.SerializeToString(deterministic=True))
        if known.get(key) == data:
            continue
        known[key] = data
        if message.HasField("trial"):
            trials.append(trial_of_message(message.trial))
        else:
            experiments.append(experiment_of_message(message.experiment))
    if not (experiments or trials or deleted):
        return None
    return Changes("", tuple(experiments), tuple(trials), tuple(deleted))
