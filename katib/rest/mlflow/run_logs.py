"""What is logged to a run: metrics, parameters and tags, one by one or in batches that are stored as a whole."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Conflict, NotFound
from katib.metrics.sample import Sample
from katib.rest.answers import answer
from katib.rest.mlflow import messages
from katib.rest.mlflow.failures import does_not_exist, invalid
from katib.rest.mlflow.fields import body_fields
from katib.rest.mlflow.runs import is_ours, renamed, run_id_of, writable
from katib.rpc.tracking_calls import SampleCall
from katib.store.tracking.protocol import NO_FACTS
from katib.store.tracking.records import Facts, Log, Node, NodeKind, RunPart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from katib.rest.mlflow.fields import Fields
    from katib.rest.operations import Call
    from katib.store.tracking.protocol import Tracking

__all__ = ["delete_tag", "log_batch", "log_metric", "log_model", "log_parameter", "set_tag"]

_MOST_METRICS: Final = 1_000
_MOST_PARAMS: Final = 100
_MOST_TAGS: Final = 100
_MOST_TOGETHER: Final = 1_000
_HISTORY: Final = "mlflow.log-model.history"
_A_SAMPLE: Final = 100
"""Bytes that one is thought to take."""


async def log_metric(call: Call) -> Response:
    """Store one value of a metric."""
    fields = await body_fields(call)
    await _log(call, run_id_of(fields), Log(samples=[_sample(fields)]))
    return answer({})


async def log_parameter(call: Call) -> Response:
    """Store a parameter, which cannot be changed afterwards."""
    fields = await body_fields(call)
    parameters = {fields.required("key"): fields.text("value") or ""}
    await _log(call, run_id_of(fields), Log(parameters=parameters))
    return answer({})


async def set_tag(call: Call) -> Response:
    """Store a tag."""
    fields = await body_fields(call)
    tags = {fields.required("key"): fields.text("value") or ""}
    await _log(call, run_id_of(fields), Log(facts=Facts(tags=tags)))
    return answer({})


async def delete_tag(call: Call) -> Response:
    """Take a tag from a run."""
    fields = await body_fields(call)
    run_id, name = run_id_of(fields), fields.required("key")

    def change(tracking: Tracking) -> None:
        run = writable(tracking, run_id, frozenset({RunPart.TAGS}))
        if name not in run.facts.tags:
            raise does_not_exist(f"No tag with name: {name[:100]} in run with id {run_id}")
        tracking.delete_facts(Node(NodeKind.RUN, run_id), tags=[name])

    await call.write(change)
    return answer({})


async def log_batch(call: Call) -> Response:
    """Store many at once: all of them, or none."""
    fields = await body_fields(call)
    metrics, params, tags = (fields.messages(name) for name in ("metrics", "params", "tags"))
    for name, found, most in (
        ("metrics", metrics, _MOST_METRICS),
        ("params", params, _MOST_PARAMS),
        ("tags", tags, _MOST_TAGS),
        ("metrics, params, and tags", [*metrics, *params, *tags], _MOST_TOGETHER),
    ):
        if len(found) > most:
            raise invalid(
                f"A batch logging request can contain at most {most} {name}. Got {len(found)} {name}."
                f" Please split up {name} across multiple requests and try again."
            )
    parameters: dict[str, str] = {}
    for param in params:
        name, text = param.required("key"), param.text("value") or ""
        if name in parameters:
            raise invalid(
                f"Duplicate parameter keys have been submitted: {[name]}. Please ensure the request contains only one"
                " param value per param key."
            )
        parameters[name] = text
    log = Log(
        samples=[_sample(metric) for metric in metrics], parameters=parameters, facts=Facts(tags=fields.pairs("tags"))
    )
    await _log(call, run_id_of(fields), log)
    return answer({})


async def log_model(call: Call) -> Response:
    """Note that a model was logged, as old clients do; its files are artifacts like others."""
    fields = await body_fields(call)
    run_id, text = run_id_of(fields), fields.required("model_json")
    try:
        model = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid("model_json is not JSON") from None

    def change(tracking: Tracking) -> None:
        run = writable(tracking, run_id, frozenset({RunPart.TAGS}))
        before = _history(run.facts.tags.get(_HISTORY, "[]"))
        tracking.set_facts(Node(NodeKind.RUN, run_id), Facts(tags={_HISTORY: json.dumps([*before, model])}))

    await call.write(change, size=len(text) + 200)
    return answer({})


def _history(text: str) -> list[Any]:
    try:
        models = json.loads(text)
    except (ValueError, RecursionError):
        models = None
    if not isinstance(models, list):
        raise invalid(f"tag {_HISTORY} of the run was set to what is no JSON list: set it to '[]' to log models")
    return models


def _sample(fields: Fields) -> Sample:
    time = fields.time("timestamp")
    if time is None:
        raise invalid(f"Missing value for required parameter '{fields.path}timestamp'.")
    return Sample(fields.required("key"), repr(fields.number("value")), time, fields.integer("step") or 0)


async def _log(call: Call, run_id: str, log: Log) -> None:
    size = 200 + _A_SAMPLE * len(log.samples) + _bytes(log.parameters) + _bytes(log.facts.tags)
    if not log.parameters and log.facts == NO_FACTS:
        # What clients do most, and what is written in bulk; below it is said in MLflow's words why it failed.
        with contextlib.suppress(NotFound, Conflict):
            await call.write(SampleCall(run_id, log.samples, _nothing), size=size)
            return
    await call.write(lambda tracking: _store(tracking, run_id, log), size=size)


def _nothing(_: object) -> None:
    """Say nothing of what was stored, as MLflow does."""


def _store(tracking: Tracking, run_id: str, log: Log) -> None:
    tags = log.facts.tags
    if not tags.keys() & {messages.RUN_NAME, messages.PARENT, messages.NOTE}:
        try:
            tracking.log(run_id, log)
        except Exception:
            # Says what is wrong in MLflow's words, where it is the run itself.
            writable(tracking, run_id)
            raise
        return
    # These tags are also what we know a run by.
    with tracking.transaction():
        run = writable(tracking, run_id)
        ours = is_ours(tracking, run)
        if messages.RUN_NAME in tags and not ours:
            renamed(tracking, run, tags[messages.RUN_NAME])
        if tags.get(messages.PARENT) and tags[messages.PARENT] != run.parent_id:
            writable(tracking, tags[messages.PARENT])
            tracking.set_parent(run_id, tags[messages.PARENT])
        if messages.NOTE in tags:
            tracking.update_run(run_id, description=tags[messages.NOTE])
        tracking.log(run_id, log)


def _bytes(texts: Mapping[str, str]) -> int:
    return sum(len(name) + len(text) for name, text in texts.items())
