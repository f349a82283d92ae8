"""One of everything that the store keeps, and for each method of its service a request for some of it."""

import json

from tracking_client import points, uploading

MARK = "hidden"
RUN = {"kind": "NODE_KIND_RUN", "id": "run1"}
RESOURCE = json.dumps(
    {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "mine", "uid": "experiment1"},
        "spec": {},
    }
)
TRIAL = json.dumps({"index": 0, "name": MARK, "state": "Running", "created": "2026-03-01T12:00:00Z"})
ALL_RUNS = {"scope": {"lifecycle": "LIFECYCLE_ALL"}}


def requests_for(version_id):
    """Return fields of a request for each method, for what ``made_world`` makes."""
    version = {"kind": "NODE_KIND_DATASET_VERSION", "id": version_id}
    return {
        "CreateProject": {"project_id": "project1", "name": "mine"},
        "GetProject": {"project_id": "project1"},
        "GetDefaultProject": {},
        "UpdateProject": {"project_id": "project1", "name": "taken"},
        "FindProjects": {"lifecycle": "LIFECYCLE_ALL", "count": True},
        "CreateExperiment": {"experiment_id": "experiment1", "name": "mine", "project_id": "project1"},
        "GetExperiment": {"project_id": "project1", "name": MARK},
        "UpdateExperiment": {"experiment_id": "experiment1", "description": "taken"},
        "FindExperiments": {"project_ids": ["project1"], "lifecycle": "LIFECYCLE_ALL"},
        "CreateRun": {"run_id": "run1", "experiment_id": "experiment1"},
        "GetRun": {"experiment_id": "experiment1", "name": MARK},
        "BatchGetRuns": {"run_ids": ["run1"]},
        "UpdateRun": {"run_id": "run1", "description": "taken"},
        "SetParentRun": {"run_id": "run1", "parent_id": "run2"},
        "FindRuns": {"filter": f"params.p = '{MARK}'", **ALL_RUNS, "count": True},
        "CountRuns": {"filter": f"params.p = '{MARK}'", **ALL_RUNS},
        "CompareRuns": {"run_ids": ["run1", "run2"]},
        "ParetoRuns": {"objectives": [{"metric": MARK, "type": "OBJECTIVE_TYPE_MINIMIZE"}], **ALL_RUNS},
        "SimilarRuns": {"run_id": "run1", **ALL_RUNS},
        "GetImportances": {"experiment_id": "experiment1"},
        "WatchRuns": {"scope": {"project_ids": ["project1"]}, "heartbeat": {"seconds": 1}},
        "Log": {"run_id": "run1", "parameters": {"q": "1"}},
        "Append": {"run_id": "run1", "first_sequence": 2, "observations": points(2, 1)},
        "AppendObservations": {"run_id": "run1", "first_sequence": 2, "observations": points(2, 1)},
        "ListObservations": {"run_id": "run1"},
        "WatchObservations": {"run_id": "run1"},
        "GetCharts": {"run_ids": ["run1"], "metric": MARK},
        "DeleteParameters": {"run_id": "run1", "all": True},
        "DeleteMetrics": {"run_id": "run1", "all": True},
        "SetFacts": {"node": RUN, "tags": {"t": "taken"}},
        "DeleteFacts": {"node": RUN, "all_tags": True},
        "RecordExperiment": {"resource_json": RESOURCE, "version": 1},
        "RecordTrials": {"experiment_id": "experiment1", "trials": [{"record_json": TRIAL, "job_json": "{}"}]},
        "GetTrialSummaries": {"experiment_id": "experiment1", "trials": [MARK]},
        "RecordEvent": {"experiment_id": "experiment1", "reason": "Taken", "event_id": "e1"},
        "MarkExperimentDeleted": {"experiment_id": "experiment1"},
        "ListOpenExperiments": {"cluster": MARK},
        "CreateDataset": {"dataset_id": "dataset1", "project_id": "project1", "name": "mine"},
        "GetDataset": {"dataset_id": "dataset1"},
        "ListDatasets": {"project_id": "project1"},
        "AddDatasetVersion": {"project_id": "project1", "name": MARK, "digest": "d"},
        "GetDatasetVersion": {"version_id": version_id},
        "ListDatasetVersions": {"dataset_id": "dataset1"},
        "UseDataset": {"run_id": "run1", "version_id": version_id, "role": "taken"},
        "PutArtifact": {"run_id": "run1", "path": MARK, "state": "ARTIFACT_STATE_LINK", "uri": "taken"},
        "GetArtifact": {"run_id": "run1", "path": MARK},
        "ListArtifacts": {"run_id": "run1"},
        "DeleteArtifact": {"run_id": "run1", "path": MARK},
        "UploadArtifact": {"run_id": "run1", "path": MARK},
        "DownloadArtifact": {"run_id": "run1", "path": MARK},
        "AddComment": {"comment_id": "comment1", "run_id": "run1", "text": "mine"},
        "EditComment": {"comment_id": "comment1", "text": "taken"},
        "DeleteComment": {"comment_id": "comment1"},
        "ListComments": {"run_id": "run1"},
        "AddLineage": {"edges": [{"input": RUN, "output": {"kind": "NODE_KIND_RUN", "id": "run2"}}]},
        "DeleteLineage": {"edges": [{"input": version, "output": RUN}]},
        "ListUpstream": {"node": RUN},
        "ListDownstream": {"node": version},
        "ListCommonAncestors": {"nodes": [RUN, RUN]},
        "Delete": {"node": RUN},
        "Restore": {"node": RUN},
        "Purge": {"deleted_before": {"seconds": 4_000_000_000}, "keep_best": 0},
        "ListAuditEntries": {},
    }


def made_world(client):
    """Make one of everything, with the mark in it, and return the requests for it."""
    client.CreateProject(project_id="project1", name=MARK)
    client.CreateExperiment(experiment_id="experiment1", project_id="project1", name=MARK, objective=MARK)
    for number, name in enumerate((MARK, f"{MARK}2"), 1):
        client.CreateRun(
            run_id=f"run{number}", experiment_id="experiment1", name=name, parameters={"p": MARK}, tags={"t": MARK}
        )
    client.Append(run_id="run1", first_sequence=0, observations=points(0, 2, MARK))
    client.CreateDataset(dataset_id="dataset1", project_id="project1", name=MARK)
    version = client.AddDatasetVersion(project_id="project1", name=MARK, digest=MARK)
    client.UseDataset(run_id="run1", version_id=version.id, role=MARK)
    client.UploadArtifact(requests=uploading("run1", MARK, MARK.encode(), namespace=client.namespace))
    client.AddComment(comment_id="comment1", run_id="run1", text=MARK)
    return requests_for(version.id)
