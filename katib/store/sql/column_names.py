"""The names of all tables and their columns, as of the newest migration, as plain text: whoever opens a store need not load the tables.

A test holds it equal to the table definitions, and prints what has to stand here.
"""

from __future__ import annotations

from typing import Final

__all__ = ["COLUMNS"]

COLUMNS: Final[dict[str, str]] = {
    "answers": "answer digest given request",
    "archived_runs": "archive_id deleted trial_id",
    "archives": "id namespace project uid written",
    "artifacts": "content_type created digest id metadata path sha256 size state trial_id type uid uri",
    "audit": "action actor details id namespace node_id node_kind time",
    "collectors": "checkpoint collected next_sequence trial_id",
    "comments": "author created edited id text trial_id uid",
    "counters": "name value",
    "dataset_properties": "dataset_id name number text value",
    "dataset_tags": "dataset_id name text",
    "dataset_versions": (
        "created dataset_id digest id number parent_id profile row_count schema size source_type uid uri"
    ),
    "datasets": "created description id name owner project_id uid updated",
    "events": "change count digest experiment_id first id kind last message reason trial",
    "experiments": (
        "algorithm best_value created deleted description generation id kind max_trials metadata name "
        "namespace objective objective_type owner project_id root_id spec status title trial_count uid "
        "updated version"
    ),
    "file_removals": "id namespace project run",
    "leases": "beat holder name",
    "lineage": "input_id input_kind output_id output_kind",
    "metrics": "digest id name",
    "observations": "kind metric_id sequence step text time trial_id value",
    "parameter_names": "digest id name",
    "parameters": "number parameter_id text trial_id",
    "project_properties": "name number project_id text value",
    "project_tags": "name project_id text",
    "projects": "created deleted description id name namespace owner retention uid updated",
    "provenance": "digest document id kind",
    "requests": "action created experiment_id id",
    "run_datasets": "role tags trial_id version_id",
    "run_properties": "name number text trial_id value",
    "run_tags": "name text trial_id",
    "summaries": (
        "count first first_kind first_sequence first_step first_time first_value latest latest_kind "
        "latest_step latest_time latest_value max max_kind max_value metric_id min min_kind min_value "
        "project_id trial_id"
    ),
    "trial_jobs": "job trial_id",
    "trials": (
        "assignments attempt began change code_id created deleted description environment_id experiment_id "
        "finished id imported labels message name observation owner place project_id reason rules started "
        "state stopping title trial_index uid"
    ),
    "unclaimed_observations": "metric_id sequence text time trial_id",
    "unclaimed_trials": "id name namespace next_sequence",
}
"""By table, separated by blanks."""
