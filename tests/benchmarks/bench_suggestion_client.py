"""One call of our suggestion client about a long experiment: processor time of the client, and of a server's worker, by trials.

Each call comes after one trial has ended and one was added, as an operator's do. "Encoding all" is what a client does that remembers
nothing. Both sides run in this process, in turns; the network is not part of it.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import mixed_space

from katib.api.experiment import Metric, Observation
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord
from katib.rpc import v1beta1 as wire
from katib.rpc.answer import Answerer
from katib.rpc.experiment_encoding import encoded_experiment
from katib.rpc.reply_encoding import suggestions_in
from katib.rpc.trial_encoding import EncodedHistory
from katib.rpc.worker_call import Kind, Task

if TYPE_CHECKING:
    from katib.api.experiment import Experiment

Row = tuple[str, float, str, str]

SIZES = (100, 1_000, 10_000)
CALLS = 9
_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _records(count: int, experiment: Experiment) -> list[TrialRecord]:
    found = []
    for past in mixed_space.history(count, 1, experiment):
        value = repr(past.values[0]) if past.values else "nan"
        started = _NOW + timedelta(seconds=past.index)
        found.append(
            TrialRecord(
                index=past.index,
                name=past.name,
                state=TrialState.SUCCEEDED,
                assignments=tuple((item.name, item.value) for item in past.point.assignments()),
                created=started,
                started=started,
                finished=started + timedelta(seconds=5),
                observation=Observation(metrics=[Metric(name="loss", min=value, max=value, latest=value)]),
            )
        )
    return found


def _request(experiment: Experiment, history: EncodedHistory, issued: int) -> bytes:
    return b"".join(
        (
            encoded_experiment(experiment, extended=True),
            history.joined(experiment.spec, extended=True),
            wire.GetSuggestionsRequest(current_request_number=1, total_request_number=issued + 1).SerializeToString(),
        )
    )


def _measured(size: int) -> tuple[float, float, float, float, float]:
    """Return milliseconds: encoding all, a call in the client, in a worker that remembers, in one that does not; and MiB."""
    experiment = mixed_space.experiment_spec("random", None)
    experiment.metadata.uid = "u-1"
    records = _records(size + CALLS, experiment)
    history = EncodedHistory()
    for record in records[:size]:
        history.record(record)
    started = time.process_time()
    request = _request(experiment, history, size)
    everything = time.process_time() - started
    worker = Answerer(1 << 30)
    started = time.process_time()
    outcome = worker.answer(Task(Kind.SUGGEST, request, 600))
    cold = time.process_time() - started
    client, warm = [], []
    for place in range(size, size + CALLS):
        started = time.process_time()
        history.record(records[place])
        history.record(replace(records[place - 1], reason="TrialSucceeded"))
        request = _request(experiment, history, place + 1)
        mine = time.process_time() - started
        started = time.process_time()
        outcome = worker.answer(Task(Kind.SUGGEST, request, 600))
        warm.append(time.process_time() - started)
        if outcome.failure is not None:
            raise RuntimeError(outcome.failure.message)
        started = time.process_time()
        found = suggestions_in(outcome.reply, experiment, count=1, is_taken=history.__contains__, who="it")
        client.append(mine + time.process_time() - started)
        if len(found.points) != 1:
            raise RuntimeError("no point was suggested")
    figures = (everything, statistics.median(client), statistics.median(warm), cold)
    return *(1000 * each for each in figures), len(request) / (1 << 20)  # type: ignore[return-value]


def measure() -> list[Row]:
    """Return the figures of every size."""
    rows: list[Row] = []
    for size in SIZES:
        everything, client, warm, cold, mib = _measured(size)
        what = f"{size:,} trials"
        rows += [
            (f"{what}: the request", mib, "MiB", ""),
            (f"{what}: client, encoding all", everything, "ms", ""),
            (f"{what}: client, a call", client, "ms", ""),
            (f"{what}: worker, a call, random", warm, "ms", ""),
            (f"{what}: worker that remembers nothing", cold, "ms", ""),
        ]
    return rows


if __name__ == "__main__":
    for text, value, unit, _ in measure():
        print(f"{text:<50}{value:10.2f} {unit}")
