"""The table of ModelDB's operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from typing_extensions import override

from katib.rest.modeldb import (
    artifacts,
    comments,
    datasets,
    experiments,
    facts,
    finding,
    lineage,
    messages,
    projects,
    provenance,
    run_logs,
    runs,
    server,
)
from katib.rest.modeldb.asked import NAMESPACE_HEADER, Memory, asked_of
from katib.rest.modeldb.failures import fault_body, modeldb_fault, unknown_operation
from katib.rest.modeldb.links import PLACE, Links
from katib.rest.modeldb.paging import Pages
from katib.rest.needed_access import Access
from katib.rest.operations import SMALL_BODY, Api, Operation
from katib.store.tracking.records import NodeKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.responses import Response

    from katib.errors import KatibError
    from katib.rest.faults import Fault
    from katib.rest.modeldb.asked import Asked
    from katib.rest.operations import Call

__all__ = ["ModeldbApi"]

_Function: TypeAlias = "Callable[[Asked], Awaitable[Response]]"

_READ, _WRITE = Access.READ, Access.WRITE
_PROJECT: Final = facts.FactsOf(NodeKind.PROJECT, "project", messages.project)
_EXPERIMENT: Final = facts.FactsOf(NodeKind.EXPERIMENT, "experiment", messages.experiment)
_RUN: Final = facts.FactsOf(NodeKind.RUN, "experiment_run", messages.run)
_DATASET: Final = facts.FactsOf(NodeKind.DATASET, "dataset", datasets.dataset)
_OPERATIONS: Final[Sequence[tuple[str, str, _Function, Access]]] = (
    ("POST", "project/createProject", projects.create, _WRITE),
    ("GET", "project/getProjects", finding.find_projects, _READ),
    ("POST", "project/findProjects", finding.find_projects, _READ),
    ("GET", "project/getProjectById", projects.get_by_id, _READ),
    ("GET", "project/getProjectByName", projects.get_by_name, _READ),
    ("POST", "project/updateProjectName", projects.update_name, _WRITE),
    ("POST", "project/updateProjectDescription", projects.update_description, _WRITE),
    ("DELETE", "project/deleteProject", projects.delete, _WRITE),
    ("DELETE", "project/deleteProjects", projects.delete, _WRITE),
    ("POST", "project/addProjectTags", _PROJECT.add_tags, _WRITE),
    ("POST", "project/addProjectTag", _PROJECT.add_tags, _WRITE),
    ("GET", "project/getProjectTags", _PROJECT.get_tags, _READ),
    ("DELETE", "project/deleteProjectTags", _PROJECT.delete_tags, _WRITE),
    ("DELETE", "project/deleteProjectTag", _PROJECT.delete_tags, _WRITE),
    ("POST", "project/addProjectAttributes", _PROJECT.add_attributes, _WRITE),
    ("POST", "project/updateProjectAttributes", _PROJECT.add_attributes, _WRITE),
    ("GET", "project/getProjectAttributes", _PROJECT.get_attributes, _READ),
    ("DELETE", "project/deleteProjectAttributes", _PROJECT.delete_attributes, _WRITE),
    ("POST", "project/setProjectReadme", projects.set_readme, _WRITE),
    ("GET", "project/getProjectReadme", projects.get_readme, _READ),
    ("GET", "project/getSummary", projects.summary, _READ),
    ("POST", "experiment/createExperiment", experiments.create, _WRITE),
    ("GET", "experiment/getExperimentsInProject", finding.find_experiments, _READ),
    ("POST", "experiment/findExperiments", finding.find_experiments, _READ),
    ("GET", "experiment/getExperimentById", experiments.get_by_id, _READ),
    ("GET", "experiment/getExperimentByName", experiments.get_by_name, _READ),
    ("POST", "experiment/updateExperimentName", experiments.update, _WRITE),
    ("POST", "experiment/updateExperimentDescription", experiments.update, _WRITE),
    ("POST", "experiment/updateExperimentNameOrDescription", experiments.update, _WRITE),
    ("DELETE", "experiment/deleteExperiment", experiments.delete, _WRITE),
    ("DELETE", "experiment/deleteExperiments", experiments.delete, _WRITE),
    ("POST", "experiment/addExperimentTags", _EXPERIMENT.add_tags, _WRITE),
    ("POST", "experiment/addExperimentTag", _EXPERIMENT.add_tags, _WRITE),
    ("GET", "experiment/getExperimentTags", _EXPERIMENT.get_tags, _READ),
    ("DELETE", "experiment/deleteExperimentTags", _EXPERIMENT.delete_tags, _WRITE),
    ("DELETE", "experiment/deleteExperimentTag", _EXPERIMENT.delete_tags, _WRITE),
    ("POST", "experiment/addExperimentAttributes", _EXPERIMENT.add_attributes, _WRITE),
    ("POST", "experiment/addAttribute", _EXPERIMENT.add_attributes, _WRITE),
    ("GET", "experiment/getExperimentAttributes", _EXPERIMENT.get_attributes, _READ),
    ("DELETE", "experiment/deleteExperimentAttributes", _EXPERIMENT.delete_attributes, _WRITE),
    ("POST", "experiment-run/createExperimentRun", runs.create, _WRITE),
    ("GET", "experiment-run/getExperimentRunById", runs.get_by_id, _READ),
    ("GET", "experiment-run/getExperimentRunByName", runs.get_by_name, _READ),
    ("GET", "experiment-run/getExperimentRunsInProject", finding.runs_in_project, _READ),
    ("GET", "experiment-run/getExperimentRunsInExperiment", finding.runs_in_experiment, _READ),
    ("POST", "experiment-run/findExperimentRuns", finding.find_runs, _READ),
    ("GET", "experiment-run/sortExperimentRuns", finding.sort_runs, _READ),
    ("GET", "experiment-run/getTopExperimentRuns", finding.top_runs, _READ),
    ("POST", "experiment-run/updateExperimentRunName", runs.update_name, _WRITE),
    ("POST", "experiment-run/updateExperimentRunDescription", runs.update_description, _WRITE),
    ("DELETE", "experiment-run/deleteExperimentRun", runs.delete, _WRITE),
    ("DELETE", "experiment-run/deleteExperimentRuns", runs.delete, _WRITE),
    ("POST", "experiment-run/logMetric", run_logs.log_metrics, _WRITE),
    ("POST", "experiment-run/logMetrics", run_logs.log_metrics, _WRITE),
    ("GET", "experiment-run/getMetrics", run_logs.get_metrics, _READ),
    ("DELETE", "experiment-run/deleteMetrics", run_logs.delete_metrics, _WRITE),
    ("POST", "experiment-run/logHyperparameter", run_logs.log_hyperparameters, _WRITE),
    ("POST", "experiment-run/logHyperparameters", run_logs.log_hyperparameters, _WRITE),
    ("GET", "experiment-run/getHyperparameters", run_logs.get_hyperparameters, _READ),
    ("DELETE", "experiment-run/deleteHyperparameters", run_logs.delete_hyperparameters, _WRITE),
    ("POST", "experiment-run/logObservation", run_logs.log_observations, _WRITE),
    ("POST", "experiment-run/logObservations", run_logs.log_observations, _WRITE),
    ("GET", "experiment-run/getObservations", run_logs.get_observations, _READ),
    ("DELETE", "experiment-run/deleteObservations", run_logs.delete_observations, _WRITE),
    ("POST", "experiment-run/logAttribute", facts.log_attributes, _WRITE),
    ("POST", "experiment-run/logAttributes", facts.log_attributes, _WRITE),
    ("POST", "experiment-run/addExperimentRunAttributes", _RUN.add_attributes, _WRITE),
    ("GET", "experiment-run/getAttributes", _RUN.get_attributes, _READ),
    ("DELETE", "experiment-run/deleteExperimentRunAttributes", _RUN.delete_attributes, _WRITE),
    ("POST", "experiment-run/addExperimentRunTags", _RUN.add_tags, _WRITE),
    ("POST", "experiment-run/addExperimentRunTag", _RUN.add_tags, _WRITE),
    ("GET", "experiment-run/getExperimentRunTags", _RUN.get_tags, _READ),
    ("DELETE", "experiment-run/deleteExperimentRunTags", _RUN.delete_tags, _WRITE),
    ("DELETE", "experiment-run/deleteExperimentRunTag", _RUN.delete_tags, _WRITE),
    ("POST", "experiment-run/logArtifact", artifacts.log, _WRITE),
    ("POST", "experiment-run/logArtifacts", artifacts.log, _WRITE),
    ("GET", "experiment-run/getArtifacts", artifacts.get, _READ),
    ("DELETE", "experiment-run/deleteArtifact", artifacts.delete, _WRITE),
    ("POST", "experiment-run/getUrlForArtifact", artifacts.url_of, _READ),
    ("POST", "experiment-run/commitArtifactPart", artifacts.commit_part, _WRITE),
    ("GET", "experiment-run/getCommittedArtifactParts", artifacts.committed_parts, _READ),
    ("POST", "experiment-run/commitMultipartArtifact", artifacts.commit, _WRITE),
    ("POST", "experiment-run/logEnvironment", provenance.log_environment, _WRITE),
    ("POST", "experiment-run/logExperimentRunCodeVersion", provenance.log_code_version, _WRITE),
    ("GET", "experiment-run/getExperimentRunCodeVersion", provenance.get_code_version, _READ),
    ("POST", "experiment-run/logDataset", datasets.log, _WRITE),
    ("POST", "experiment-run/logDatasets", datasets.log, _WRITE),
    ("GET", "experiment-run/getDatasets", datasets.of_run, _READ),
    ("POST", "experiment-run/setParentExperimentRunId", runs.set_parent, _WRITE),
    ("GET", "experiment-run/getChildrenExperimentRuns", finding.children, _READ),
    ("POST", "comment/addExperimentRunComment", comments.add, _WRITE),
    ("POST", "comment/updateExperimentRunComment", comments.update, _WRITE),
    ("GET", "comment/getExperimentRunComments", comments.get, _READ),
    ("DELETE", "comment/deleteExperimentRunComment", comments.delete, _WRITE),
    ("POST", "lineage/addLineage", lineage.add, _WRITE),
    ("POST", "lineage/deleteLineage", lineage.delete, _WRITE),
    ("POST", "lineage/findAllInputs", lineage.find_inputs, _READ),
    ("POST", "lineage/findAllOutputs", lineage.find_outputs, _READ),
    ("POST", "lineage/findAllInputsOutputs", lineage.find_inputs_and_outputs, _READ),
    ("POST", "dataset/createDataset", datasets.create, _WRITE),
    ("GET", "dataset/getDatasetById", datasets.get_by_id, _READ),
    ("GET", "dataset/getDatasetByName", datasets.get_by_name, _READ),
    ("GET", "dataset/getAllDatasets", datasets.list_all, _READ),
    ("POST", "dataset/addDatasetTags", _DATASET.add_tags, _WRITE),
    ("GET", "dataset/getDatasetTags", _DATASET.get_tags, _READ),
    ("DELETE", "dataset/deleteDatasetTags", _DATASET.delete_tags, _WRITE),
    ("POST", "dataset/addDatasetAttributes", _DATASET.add_attributes, _WRITE),
    ("GET", "dataset/getDatasetAttributes", _DATASET.get_attributes, _READ),
    ("DELETE", "dataset/deleteDatasetAttributes", _DATASET.delete_attributes, _WRITE),
    ("POST", "dataset-version/createDatasetVersion", datasets.create_version, _WRITE),
    ("GET", "dataset-version/getDatasetVersionById", datasets.get_version, _READ),
    ("GET", "dataset-version/getLatestDatasetVersionByDatasetId", datasets.latest_version, _READ),
    ("GET", "dataset-version/getAllDatasetVersionsByDatasetId", datasets.list_versions, _READ),
)
_ROOTS: Final = ("/api/v1/modeldb", "/v1")
_SERVICES: Final = (
    "project",
    "experiment",
    "experiment-run",
    "comment",
    "lineage",
    "dataset",
    "dataset-version",
    "job",
    "metadata",
    "versioning",
    "registry",
    "hydratedData",
)
_LARGER_BODIES: Final[Mapping[_Function, int]] = {
    run_logs.log_observations: 8 * SMALL_BODY,
    runs.create: 8 * SMALL_BODY,
    finding.find_runs: 4 * SMALL_BODY,
}
_MOVES_FILES: Final[frozenset[_Function]] = frozenset({artifacts.commit, artifacts.delete})


class ModeldbApi(Api):
    """ModelDB's API below ``/api/v1/modeldb``, and below ``/v1`` as its protocol buffers have it."""

    name = "modeldb"
    prefixes = ("/api/v1/modeldb/", "/api/v1/uac-proxy/", *(f"/v1/{service}/" for service in _SERVICES))

    def __init__(self) -> None:
        self._memory = Memory(Links(), Pages())

    @override
    def operations(self) -> Sequence[Operation]:
        made = [
            Operation(
                method,
                f"{root}/{path}",
                path,
                self._asking(function, access),
                Access.KNOWN,
                most=_LARGER_BODIES.get(function, SMALL_BODY),
                moves_files=function in _MOVES_FILES,
            )
            for root in _ROOTS
            for method, path, function, access in _OPERATIONS
        ]
        verify = self._asking(server.verify_connection, None)
        made += [
            Operation("GET", f"{root}/project/verifyConnection", "project/verifyConnection", verify, Access.KNOWN)
            for root in _ROOTS
        ]
        place = f"/{PLACE}/{{run_id}}/{{path:path}}"
        for method, function in (("PUT", artifacts.upload), ("GET", artifacts.download)):
            made += [
                Operation(
                    method,
                    root + place,
                    f"{PLACE}/{method.lower()}",
                    self._remembering(function),
                    Access.MAYBE_KNOWN,
                    moves_files=True,
                )
                for root in _ROOTS
            ]
        user = self._asking(server.current_user, None)
        path = "uac-proxy/uac/getCurrentUser"
        return [*made, Operation("GET", f"/api/v1/{path}", path, user, Access.ANYBODY)]

    def _asking(self, function: _Function, access: Access | None) -> Callable[[Call], Awaitable[Response]]:
        async def respond(call: Call) -> Response:
            return await function(await asked_of(call, self._memory, access))

        return respond

    def _remembering(
        self, function: Callable[[Call, Memory], Awaitable[Response]]
    ) -> Callable[[Call], Awaitable[Response]]:
        async def respond(call: Call) -> Response:
            return await function(call, self._memory)

        return respond

    @override
    def namespace(self, headers: Mapping[str, str]) -> str | None:
        return headers.get(NAMESPACE_HEADER)

    @override
    def fault(self, error: KatibError) -> Fault:
        return modeldb_fault(error)

    @override
    def unknown(self, fault: Fault) -> Fault:
        return unknown_operation(fault)

    @override
    def body(self, fault: Fault) -> Any:
        return fault_body(fault)
