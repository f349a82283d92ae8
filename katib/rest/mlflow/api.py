"""The table of MLflow's operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from katib.rest.mlflow import artifacts, experiments, history, inputs, logged_models, run_logs, runs, server
from katib.rest.mlflow.failures import mlflow_fault, unknown_endpoint
from katib.rest.needed_access import Access
from katib.rest.operations import SMALL_BODY, Api, Operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.responses import Response

    from katib.errors import KatibError
    from katib.rest.faults import Fault
    from katib.rest.operations import Call

__all__ = ["MlflowApi"]

_READ, _WRITE, _ANYBODY = Access.READ, Access.WRITE, Access.ANYBODY
_OPERATIONS: Final[Sequence[tuple[str, str, Callable[[Call], Awaitable[Response]], Access]]] = (
    ("POST", "2.0/mlflow/experiments/create", experiments.create, _WRITE),
    ("GET", "2.0/mlflow/experiments/get", experiments.get, _READ),
    ("GET", "2.0/mlflow/experiments/get-by-name", experiments.get_by_name, _READ),
    ("GET", "2.0/mlflow/experiments/search", experiments.search, _READ),
    ("POST", "2.0/mlflow/experiments/search", experiments.search, _READ),
    ("POST", "2.0/mlflow/experiments/update", experiments.update, _WRITE),
    ("POST", "2.0/mlflow/experiments/delete", experiments.delete, _WRITE),
    ("POST", "2.0/mlflow/experiments/restore", experiments.restore, _WRITE),
    ("POST", "2.0/mlflow/experiments/set-experiment-tag", experiments.set_tag, _WRITE),
    ("POST", "2.0/mlflow/experiments/delete-experiment-tag", experiments.delete_tag, _WRITE),
    ("POST", "2.0/mlflow/runs/create", runs.create, _WRITE),
    ("GET", "2.0/mlflow/runs/get", runs.get, _READ),
    ("POST", "2.0/mlflow/runs/update", runs.update, _WRITE),
    ("POST", "2.0/mlflow/runs/delete", runs.delete, _WRITE),
    ("POST", "2.0/mlflow/runs/restore", runs.restore, _WRITE),
    ("POST", "2.0/mlflow/runs/search", runs.search, _READ),
    ("POST", "2.0/mlflow/runs/log-metric", run_logs.log_metric, _WRITE),
    ("POST", "2.0/mlflow/runs/log-parameter", run_logs.log_parameter, _WRITE),
    ("POST", "2.0/mlflow/runs/log-batch", run_logs.log_batch, _WRITE),
    ("POST", "2.0/mlflow/runs/log-model", run_logs.log_model, _WRITE),
    ("POST", "2.0/mlflow/runs/set-tag", run_logs.set_tag, _WRITE),
    ("POST", "2.0/mlflow/runs/delete-tag", run_logs.delete_tag, _WRITE),
    ("POST", "2.0/mlflow/runs/log-inputs", inputs.log_inputs, _WRITE),
    ("GET", "2.0/mlflow/metrics/get-history", history.get, _READ),
    ("GET", "2.0/mlflow/metrics/get-history-bulk", history.get_bulk, _READ),
    ("GET", "2.0/mlflow/metrics/get-history-bulk-interval", history.get_bulk_interval, _READ),
    ("GET", "2.0/mlflow/artifacts/list", artifacts.list_of_run, _READ),
    ("POST", "2.0/mlflow/runs/outputs", logged_models.log_outputs, _WRITE),
    ("POST", "2.0/mlflow/logged-models", logged_models.create, _WRITE),
    ("POST", "2.0/mlflow/logged-models/search", logged_models.search, _READ),
    ("GET", "2.0/mlflow/logged-models/{model_id}", logged_models.get, _READ),
    ("PATCH", "2.0/mlflow/logged-models/{model_id}", logged_models.finalize, _WRITE),
    ("DELETE", "2.0/mlflow/logged-models/{model_id}", logged_models.delete, _WRITE),
    ("POST", "2.0/mlflow/logged-models/{model_id}/params", logged_models.log_parameters, _WRITE),
    ("PATCH", "2.0/mlflow/logged-models/{model_id}/tags", logged_models.set_tags, _WRITE),
    ("DELETE", "2.0/mlflow/logged-models/{model_id}/tags/{tag}", logged_models.delete_tag, _WRITE),
    ("GET", "2.0/mlflow-artifacts/artifacts", artifacts.list_folder, _READ),
    ("PUT", "2.0/mlflow-artifacts/artifacts/{path:path}", artifacts.upload, _WRITE),
    ("GET", "2.0/mlflow-artifacts/artifacts/{path:path}", artifacts.download, _READ),
    ("DELETE", "2.0/mlflow-artifacts/artifacts/{path:path}", artifacts.delete, _WRITE),
    ("POST", "2.0/mlflow-artifacts/mpu/create/{path:path}", artifacts.begin, _WRITE),
    ("PUT", "2.0/mlflow-artifacts/mpu/part/{upload}/{number}", artifacts.put_part, _WRITE),
    ("POST", "2.0/mlflow-artifacts/mpu/complete/{path:path}", artifacts.commit, _WRITE),
    ("POST", "2.0/mlflow-artifacts/mpu/abort/{path:path}", artifacts.abort, _WRITE),
    ("GET", "3.0/mlflow/server-info", server.server_info, _ANYBODY),
    ("GET", "3.0/mlflow/workspaces", server.workspaces, _READ),
    ("GET", "3.0/mlflow/workspaces/{name}", server.workspace, _READ),
    ("POST", "3.0/mlflow/logged-models/search", logged_models.search, _READ),
)
_ROOTS: Final = ("/api/", "/ajax-api/")
_LARGER_BODIES: Final[Mapping[Callable[[Call], Awaitable[Response]], int]] = {
    inputs.log_inputs: inputs.LARGEST,
    artifacts.commit: 8 * SMALL_BODY,
}
_MOVES_FILES: Final[frozenset[Callable[[Call], Awaitable[Response]]]] = frozenset(
    {artifacts.upload, artifacts.download, artifacts.put_part, artifacts.commit}
)


class MlflowApi(Api):
    """MLflow's tracking API below ``/api`` and, for pages, below ``/ajax-api``."""

    name = "mlflow"
    prefixes = ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow", "/api/3.0/mlflow", "/ajax-api/3.0/mlflow")

    @override
    def operations(self) -> Sequence[Operation]:
        made = [
            Operation(
                method,
                root + path,
                _name(path),
                function,
                access,
                most=_LARGER_BODIES.get(function, SMALL_BODY),
                moves_files=function in _MOVES_FILES,
            )
            for root in _ROOTS
            for method, path, function, access in _OPERATIONS
        ]
        return [*made, Operation("GET", "/health", "health", server.health, _ANYBODY)]

    @override
    def namespace(self, headers: Mapping[str, str]) -> str | None:
        return headers.get("x-mlflow-workspace")

    @override
    def fault(self, error: KatibError) -> Fault:
        return mlflow_fault(error)

    @override
    def unknown(self, fault: Fault) -> Fault:
        return unknown_endpoint(fault)

    @override
    def body(self, fault: Fault) -> Any:
        return {"error_code": fault.code, "message": fault.message}


def _name(path: str) -> str:
    """Return what an operation is called in the log."""
    return path.split("mlflow", 1)[1].lstrip("/-").split("/{", 1)[0]
