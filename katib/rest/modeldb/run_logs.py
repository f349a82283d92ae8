"""What is logged to a run: metrics and hyperparameters, which are set once, and observations, which are appended.

Metrics and observations of one name are one metric here: reports without a step and with one. Removing the one leaves the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from katib.errors import Conflict
from katib.metrics.sample import Sample
from katib.rest.answers import answer
from katib.rest.modeldb import messages
from katib.rest.modeldb.failures import invalid, taken
from katib.rest.modeldb.fields import Fields, whole_number
from katib.rest.modeldb.key_values import KIND, hyperparameter_of, hyperparameters, metric_text, metrics
from katib.rest.modeldb.records_found import locked, run_at, writable
from katib.store.tracking.records import Facts, Log, Node, NodeKind, RunPart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked
    from katib.store.protocol import Observed
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Metric, Run

__all__ = [
    "NewObservation",
    "delete_hyperparameters",
    "delete_metrics",
    "delete_observations",
    "get_hyperparameters",
    "get_metrics",
    "get_observations",
    "hyperparameters_in",
    "log_hyperparameters",
    "log_metrics",
    "log_observations",
    "metrics_in",
    "observations_in",
    "store_observations",
]

_METRICS: Final = frozenset({RunPart.METRICS})
_PARAMETERS: Final = frozenset({RunPart.PARAMETERS})
_PARAMETERS_AND_KINDS: Final = frozenset({RunPart.PARAMETERS, RunPart.PROPERTIES})


@dataclass(frozen=True, slots=True)
class NewObservation:
    """One to be appended.

    Attributes:
        step: None for the one after the last.
    """

    name: str
    text: str
    time: datetime
    step: int | None


def _given(fields: Fields, one: str, several: str) -> list[Fields]:
    """Return the messages of a request that has one, or several."""
    found = fields.message(one)
    return [*fields.messages(several), *([found] if found is not None else [])]


def metrics_in(fields: Fields) -> dict[str, str]:
    """Return the metrics that a request gives, as texts by name."""
    found: dict[str, str] = {}
    for message in _given(fields, "metric", "metrics"):
        name, text = metric_text(message)
        _once(found, message, name)
        found[name] = text
    return found


def hyperparameters_in(fields: Fields) -> tuple[dict[str, str], Facts]:
    """Return the hyperparameters that a request gives, as texts by name, and what the texts do not show."""
    found: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for message in _given(fields, "hyperparameter", "hyperparameters"):
        name, text, kind = hyperparameter_of(message)
        _once(found, message, name)
        found[name] = text
        if kind:
            kinds[KIND + name] = kind
    return found, Facts(properties=kinds)


def observations_in(fields: Fields, now: datetime) -> list[NewObservation]:
    """Return the observations that a request gives.

    Args:
        now: When those were made that do not say.
    """
    found = []
    for message in _given(fields, "observation", "observations"):
        if message.has("artifact"):
            raise invalid(f"{message.path}artifact", "is none that can be observed; log it as an artifact")
        name, text = metric_text(message.required_message("attribute"))
        epoch = message.value("epoch_number")
        step = None if epoch is None else whole_number(epoch)
        if epoch is not None and (step is None or not -(2**63) <= step < 2**63):
            raise message.wrong("epoch_number", "has to be a whole number")
        found.append(NewObservation(name, text, message.time("timestamp") or now, step))
    return found


def _once(found: Mapping[str, str], message: Fields, name: str) -> None:
    if name in found:
        raise invalid(f"{message.path}key", "is there twice", name[:80])


async def log_metrics(asked: Asked) -> Response:
    """Store metrics that are not set yet."""
    run_id, given, now = asked.id(), metrics_in(asked.fields), datetime.now(UTC)

    def change(tracking: Tracking) -> None:
        run = writable(tracking, run_id, _METRICS)
        known = [metric.name for metric in run.metrics if metric.name in given and _is_set(tracking, run_id, metric)]
        if known:
            raise Conflict(taken("metrics", known))
        tracking.log(run_id, Log(samples=[Sample(name, text, now) for name, text in given.items()]))

    await asked.write(change)
    return answer({})


def _is_set(tracking: Tracking, run_id: str, metric: Metric) -> bool:
    """Return whether there is a report without a step."""
    if metric.latest_step is None or metric.first_step is None:
        return True
    return metric.count > 2 and any(point.step is None for point in tracking.series(run_id, metric.name))  # noqa: PLR2004


async def log_hyperparameters(asked: Asked) -> Response:
    """Store hyperparameters that are not set yet."""
    run_id, (given, kinds) = asked.id(), hyperparameters_in(asked.fields)

    def change(tracking: Tracking) -> None:
        run = writable(tracking, run_id, _PARAMETERS)
        known = [parameter.name for parameter in run.parameters if parameter.name in given]
        if known:
            raise Conflict(taken("hyperparameters", known))
        tracking.log(run_id, Log(parameters=given, facts=kinds))

    await asked.write(change)
    return answer({})


async def log_observations(asked: Asked) -> Response:
    """Append observations: all of them, or none."""
    run_id, given = asked.id(), observations_in(asked.fields, datetime.now(UTC))

    def change(tracking: Tracking) -> None:
        if any(one.step is None for one in given):
            store_observations(tracking, writable(tracking, run_id, _METRICS), given)
        else:
            samples = [Sample(one.name, one.text, one.time, one.step) for one in given]
            locked(tracking, run_id, Log(samples=samples))

    await asked.write(change)
    return answer({})


def store_observations(tracking: Tracking, run: Run, given: Sequence[NewObservation]) -> None:
    """Append observations to a run that nobody else changes meanwhile."""
    following: dict[str, int] = {}
    samples = []
    for one in given:
        step = one.step
        if step is None:
            step = following.get(one.name)
            step = _following_step(tracking, run, one.name) if step is None else step
        following[one.name] = max(step + 1, following.get(one.name, 0))
        samples.append(Sample(one.name, one.text, one.time, step))
    tracking.log(run.id, Log(samples=samples))


def _following_step(tracking: Tracking, run: Run, name: str) -> int:
    """Return the step after the last one of a metric."""
    metric = next((metric for metric in run.metrics if metric.name == name), None)
    if metric is None:
        return 0
    if metric.latest_step is not None:
        return metric.latest_step + 1
    return max((point.step + 1 for point in tracking.series(run.id, name) if point.step is not None), default=0)


async def get_metrics(asked: Asked) -> Response:
    """Return the last report of every metric."""
    run_id = asked.id()
    found = await asked.read(lambda tracking: run_at(tracking, run_id, _METRICS))
    return answer({"metrics": metrics(found.metrics)})


async def get_hyperparameters(asked: Asked) -> Response:
    """Return the hyperparameters."""
    run_id = asked.id()
    found = await asked.read(lambda tracking: run_at(tracking, run_id, _PARAMETERS_AND_KINDS))
    return answer({"hyperparameters": hyperparameters(found.parameters, found.facts.properties)})


async def get_observations(asked: Asked) -> Response:
    """Return the reports of one metric at steps, oldest first."""
    run_id, name = asked.id(), asked.fields.required("observation_key")

    def look(tracking: Tracking) -> Response:
        run_at(tracking, run_id)
        found = [point for point in tracking.series(run_id, name) if point.step is not None]
        return answer({"observations": [messages.observation(point) for point in found]})

    return await asked.read(look)  # a large answer is made in the thread that reads


async def delete_hyperparameters(asked: Asked) -> Response:
    """Remove hyperparameters, or all."""
    run_id, names = asked.id(), _named(asked, "hyperparameter_keys")

    def change(tracking: Tracking) -> None:
        run = writable(tracking, run_id, _PARAMETERS)
        gone = [parameter.name for parameter in run.parameters] if names is None else names
        tracking.delete_parameters(run_id, gone)
        tracking.delete_facts(Node(NodeKind.RUN, run_id), properties=[KIND + name for name in gone])

    await asked.write(change)
    return answer({})


async def delete_metrics(asked: Asked) -> Response:
    """Remove metrics, or all; observations of the same names stay."""
    return await _remove(asked, "metric_keys", lambda point: point.step is None)


async def delete_observations(asked: Asked) -> Response:
    """Remove observations, or all; metrics of the same names stay."""
    return await _remove(asked, "observation_keys", lambda point: point.step is not None)


async def _remove(asked: Asked, field: str, goes: Callable[[Observed], bool]) -> Response:
    run_id, names = asked.id(), _named(asked, field)

    def change(tracking: Tracking) -> None:
        run = writable(tracking, run_id, _METRICS)
        for metric in run.metrics:
            if names is not None and metric.name not in names:
                continue
            series = tracking.series(run_id, metric.name)
            stays = [point for point in series if not goes(point)]
            if len(stays) == len(series):
                continue
            tracking.delete_metrics(run_id, [metric.name])
            tracking.log(run_id, Log(samples=_samples(stays)))

    await asked.write(change)
    return answer({})


def _samples(points: Iterable[Observed]) -> list[Sample]:
    return [Sample(point.name, point.text, point.time, point.step) for point in points]


def _named(asked: Asked, field: str) -> list[str] | None:
    """Return the names that a request gives, None for all."""
    return None if asked.fields.flag("delete_all") else asked.fields.texts(field)
