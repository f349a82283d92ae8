"""MLflow 3's logged models, without which ``log_model`` and the autologging of its libraries fail: each is kept with the run that made it.

A model is a property of its run, and its files are files of the run below the model's name, so that ``runs:/<run>/<name>`` finds them. Its
id holds that of the run. There is no registry here, and no search for models.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.rest.answers import answer
from katib.rest.mlflow import messages
from katib.rest.mlflow.failures import does_not_exist, invalid
from katib.rest.mlflow.fields import Fields, body_fields, milliseconds_of
from katib.rest.mlflow.runs import run_at, run_id_of, writable
from katib.store.artifacts.paths import artifact_path
from katib.store.tracking.records import Facts, Node, NodeKind, RunPart

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from katib.rest.operations import Call
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Run

__all__ = ["create", "delete", "delete_tag", "finalize", "get", "log_outputs", "log_parameters", "search", "set_tags"]

_ID: Final = re.compile(r"m-([0-9a-f]{32})([0-9a-f]{8})")
_PROPERTY: Final = "mlflow.loggedModel."
_PROPERTIES: Final = frozenset({RunPart.PROPERTIES})
_STATUSES: Final = ("LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED")
_MOST: Final = 100
"""Models of one run."""


async def create(call: Call) -> Response:
    """Make one, whose files are still to come."""
    fields = await body_fields(call)
    run_id = fields.text("source_run_id")
    if not run_id:
        raise invalid("source_run_id: a model is kept with the run that made it; create it within a run")
    suffix = uuid.uuid4().hex[:8]
    model_id = f"m-{run_id}{suffix}"
    name = fields.text("name") or f"model-{suffix}"
    model_type, params, tags = fields.text("model_type"), fields.pairs("params"), fields.pairs("tags")
    folder = artifact_path(name)

    def make(tracking: Tracking) -> dict[str, Any]:
        run = writable(tracking, run_id, _PROPERTIES)
        others = [value for key, value in run.facts.properties.items() if key.startswith(_PROPERTY)]
        if len(others) >= _MOST:
            raise invalid(f"the run {run_id} has {_MOST} models already")
        taken = any(isinstance(other, dict) and other.get("folder") == folder for other in others)
        now = milliseconds_of(datetime.now(UTC))
        model = {
            "name": name,
            # A second one of the name must not replace the files of the first.
            "folder": f"models/{model_id}" if taken else folder,
            "type": model_type,
            "status": _STATUSES[0],
            "params": params,
            "tags": tags,
            "created": now,
            "updated": now,
        }
        _keep(tracking, run, model_id, model)
        return _message(run, model_id, model)

    return answer({"model": await call.write(make)})


async def get(call: Call) -> Response:
    """Return one."""
    model_id = call.path["model_id"]

    def look(tracking: Tracking) -> dict[str, Any]:
        run = run_at(tracking, _run_id(model_id), _PROPERTIES)
        return _message(run, model_id, _kept(run, model_id))

    return answer({"model": await call.read(look)})


async def finalize(call: Call) -> Response:
    """Say whether its files have come."""
    status = (await body_fields(call)).document.get("status")
    if isinstance(status, int) and not isinstance(status, bool) and 1 <= status <= len(_STATUSES):
        status = _STATUSES[status - 1]
    if status not in _STATUSES:
        raise invalid(f"Invalid value {str(status)[:80]!r} for parameter 'status' supplied.")
    return answer({"model": await _changed(call, lambda model: model.update(status=status))})


async def log_parameters(call: Call) -> Response:
    """Add parameters."""
    params = (await body_fields(call)).pairs("params")
    await _changed(call, lambda model: model["params"].update(params))
    return answer({})


async def set_tags(call: Call) -> Response:
    """Add tags, or change them."""
    tags = (await body_fields(call)).pairs("tags")
    return answer({"model": await _changed(call, lambda model: model["tags"].update(tags))})


async def delete_tag(call: Call) -> Response:
    """Take a tag away."""
    name = call.path["tag"]

    def remove(model: dict[str, Any]) -> None:
        if model["tags"].pop(name, None) is None:
            raise does_not_exist(f"No tag with key {name[:100]!r} found for the model {call.path['model_id']}")

    await _changed(call, remove)
    return answer({})


async def delete(call: Call) -> Response:
    """Forget one; its files stay with the run."""
    model_id = call.path["model_id"]

    def forget(tracking: Tracking) -> None:
        run = writable(tracking, _run_id(model_id), _PROPERTIES)
        _kept(run, model_id)
        tracking.delete_facts(Node(NodeKind.RUN, run.id), properties=[_PROPERTY + model_id])

    await call.write(forget)
    return answer({})


async def search(_: Call) -> Response:
    """Return none: a client asks whenever it looks for files, and those of models are where it looks already."""
    return answer({"models": []})


async def log_outputs(call: Call) -> Response:
    """Take note that models came out of a run: that is known from their ids."""
    fields: Fields = await body_fields(call)
    run_id = run_id_of(fields)
    for model in fields.messages("models"):
        model.required("model_id")
    await call.read(lambda tracking: writable(tracking, run_id))
    return answer({})


async def _changed(call: Call, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    model_id = call.path["model_id"]

    def make(tracking: Tracking) -> dict[str, Any]:
        run = writable(tracking, _run_id(model_id), _PROPERTIES)
        kept = _kept(run, model_id)
        model = {**kept, "params": dict(kept["params"]), "tags": dict(kept["tags"])}
        change(model)
        model["updated"] = milliseconds_of(datetime.now(UTC))
        _keep(tracking, run, model_id, model)
        return _message(run, model_id, model)

    return await call.write(make)


def _run_id(model_id: str) -> str:
    found = _ID.fullmatch(model_id)
    if found is None:
        raise _unknown(model_id)
    return found[1]


def _kept(run: Run, model_id: str) -> dict[str, Any]:
    found = run.facts.properties.get(_PROPERTY + model_id)
    if not isinstance(found, dict) or not found.keys() >= {"name", "folder", "status", "params", "tags"}:
        raise _unknown(model_id)
    return found


def _keep(tracking: Tracking, run: Run, model_id: str, model: dict[str, Any]) -> None:
    tracking.set_facts(Node(NodeKind.RUN, run.id), Facts(properties={_PROPERTY + model_id: model}))


def _unknown(model_id: str) -> Exception:
    return does_not_exist(f"Logged model with ID {model_id[:100]!r} not found.")


def _message(run: Run, model_id: str, model: dict[str, Any]) -> dict[str, Any]:
    info = {
        "model_id": model_id,
        "experiment_id": messages.experiment_id_of(run.project_id, run.project),
        "name": model["name"],
        "creation_timestamp_ms": model.get("created"),
        "last_updated_timestamp_ms": model.get("updated"),
        "artifact_uri": f"mlflow-artifacts:/{run.project_id}/{run.id}/artifacts/{model['folder']}",
        "status": model["status"],
        "source_run_id": run.id,
        "tags": messages.pairs(model["tags"]),
    }
    if model.get("type"):
        info["model_type"] = model["type"]
    return {"info": info, "data": {"params": messages.pairs(model["params"])}}
