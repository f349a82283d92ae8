"""ModelDB's datasets and their versions. They belong to no project there, and to the project ``Default`` here.

A version is told by its content: the same one again is the version that is there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Conflict, NotFound
from katib.rest.answers import answer
from katib.rest.modeldb import messages
from katib.rest.modeldb.facts import attributes_in, facts_in, tags_in
from katib.rest.modeldb.fields import Fields, milliseconds_of
from katib.rest.modeldb.key_values import attributes, strict
from katib.rest.modeldb.records_found import run_at, writable
from katib.store.tracking.records import DEFAULT_PROJECT, Facts, RunPart

if TYPE_CHECKING:
    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Dataset, DatasetVersion, Json, Run

__all__ = [
    "create",
    "create_version",
    "dataset",
    "get_by_id",
    "get_by_name",
    "get_version",
    "latest_version",
    "list_all",
    "list_versions",
    "log",
    "of_run",
    "use_of",
]

_TYPES: Final = ("RAW", "PATH", "QUERY")
_TYPE: Final = "modeldb.dataset-type"
_DATASETS: Final = frozenset({RunPart.DATASETS})
_INFOS: Final = ("raw_dataset_version_info", "path_dataset_version_info", "query_dataset_version_info", "dataset_blob")
_LOCATIONS: Final = {
    "LOCAL_FILE_SYSTEM": "local",
    "NETWORK_FILE_SYSTEM": "network",
    "HADOOP_FILE_SYSTEM": "hadoop",
    "S3_FILE_SYSTEM": "s3",
}


def dataset(asked: Asked, found: Dataset) -> dict[str, Any]:
    """Return a dataset."""
    kind = found.facts.properties.get(_TYPE)
    return {
        "id": asked.shown(found.id),
        "name": found.name,
        "owner": found.owner,
        "description": found.description,
        "tags": list(found.facts.tags),
        "dataset_type": kind if kind in _TYPES else "RAW",
        "attributes": attributes(found.facts.properties),
        "time_created": milliseconds_of(found.created),
        "time_updated": milliseconds_of(found.updated),
    }


def _version(asked: Asked, found: DatasetVersion) -> dict[str, Any]:
    said = found.profile.get("modeldb") if isinstance(found.profile, dict) else None
    given: dict[str, Any] = said if isinstance(said, dict) else {}
    message = {
        "id": asked.shown(found.id),
        "parent_id": asked.shown(found.parent_id),
        "dataset_id": asked.shown(found.dataset_id),
        "time_logged": milliseconds_of(found.created),
        "time_updated": milliseconds_of(found.created),
        "description": given.get("description", ""),
        "tags": given.get("tags", []),
        "dataset_type": given.get("dataset_type", "PATH"),
        "attributes": attributes(given.get("attributes", {})),
        "version": str(found.number),
    }
    infos: dict[str, Any] = {name: strict(given[name]) for name in _INFOS if name in given}
    if not infos:
        infos["path_dataset_version_info"] = {
            "base_path": found.uri,
            "size": str(found.size or 0),
            "dataset_part_infos": [{"path": found.uri, "size": str(found.size or 0), "checksum": found.digest}],
        }
    return {**message, **infos}


async def create(asked: Asked) -> Response:
    """Make one."""
    fields = asked.fields
    name, description, facts = fields.required("name"), fields.text("description"), facts_in(fields)
    facts = Facts(tags=facts.tags, properties={**facts.properties, _TYPE: fields.one_of("dataset_type", _TYPES)})

    def make(tracking: Tracking) -> Dataset:
        project = tracking.default_project()
        return tracking.create_dataset(project.id, name, description=description, facts=facts)

    return answer({"dataset": dataset(asked, await asked.write(make))})


async def get_by_id(asked: Asked) -> Response:
    """Return one by its id."""
    dataset_id = asked.id()
    return answer({"dataset": dataset(asked, await asked.read(lambda tracking: tracking.dataset(dataset_id)))})


async def get_by_name(asked: Asked) -> Response:
    """Return one by its name."""
    name = asked.fields.required("name")

    def look(tracking: Tracking) -> Dataset:
        for found in _every(tracking):
            if found.name == name:
                return found
        raise NotFound(f"there is no dataset named {name[:80]!r}")

    found = dataset(asked, await asked.read(look))
    return answer({"dataset_by_user": found, "shared_datasets": []})


async def list_all(asked: Asked) -> Response:
    """Return all of the namespace."""
    found = await asked.read(_every)
    return answer({"datasets": [dataset(asked, one) for one in found], "total_records": str(len(found))})


def _every(tracking: Tracking) -> list[Dataset]:
    """Return the datasets of all projects, those of the one that this API puts them into first."""
    projects = sorted(tracking.find_projects().items, key=lambda project: project.name != DEFAULT_PROJECT)
    return [found for project in projects for found in tracking.datasets(project.id)]


async def create_version(asked: Asked) -> Response:
    """Record a version."""
    fields = asked.fields
    dataset_id, parent = asked.id("dataset_id"), asked.optional_id("parent_id")
    infos = {name: fields.value(name) for name in _INFOS if fields.message(name) is not None}
    said: dict[str, Json] = {
        "description": fields.text("description"),
        "tags": list(tags_in(fields)),
        "attributes": attributes_in(fields),
        "dataset_type": fields.one_of("dataset_type", _TYPES),
        **infos,
    }
    place = _place(fields)

    def make(tracking: Tracking) -> DatasetVersion:
        found = tracking.dataset(dataset_id)
        return tracking.add_dataset_version(
            found.project_id,
            found.name,
            _digest(infos or said),
            uri=place.uri,
            source_type=place.source,
            size=place.size,
            rows=place.rows,
            profile={"modeldb": said},
            parent_id=parent or None,
        )

    return answer({"dataset_version": _version(asked, await asked.write(make))})


@dataclass(frozen=True, slots=True)
class _Place:
    uri: str = ""
    source: str = ""
    size: int | None = None
    rows: int | None = None


def _place(fields: Fields) -> _Place:
    """Return what a version says of where its content is and how much there is of it."""
    raw, path, query = (fields.message(name) for name in _INFOS[:3])
    if path is not None:
        kind = _LOCATIONS[path.one_of("location_type", tuple(_LOCATIONS))]
        return _Place(path.text("base_path"), kind, _count(path, "size"))
    if raw is not None:
        return _Place(raw.text("object_path"), "raw", _count(raw, "size"), _count(raw, "num_records"))
    if query is not None:
        return _Place(query.text("data_source_uri"), "query", None, _count(query, "num_records"))
    return _Place()


def _count(fields: Fields, name: str) -> int | None:
    return fields.integer(name, least=0) if fields.has(name) else None


def _digest(document: Json) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


async def get_version(asked: Asked) -> Response:
    """Return a version by its id."""
    version_id = asked.id()
    found = await asked.read(lambda tracking: tracking.dataset_version(version_id))
    return answer({"dataset_version": _version(asked, found)})


async def latest_version(asked: Asked) -> Response:
    """Return the last version of a dataset."""
    dataset_id = asked.id("dataset_id")

    def look(tracking: Tracking) -> DatasetVersion:
        found = tracking.dataset_versions(dataset_id)
        if not found:
            raise NotFound("the dataset has no version yet")
        return found[-1]

    return answer({"dataset_version": _version(asked, await asked.read(look))})


async def list_versions(asked: Asked) -> Response:
    """Return the versions of a dataset, oldest first."""
    dataset_id = asked.id("dataset_id")
    found = await asked.read(lambda tracking: tracking.dataset_versions(dataset_id))
    return answer({"dataset_versions": [_version(asked, one) for one in found], "total_records": str(len(found))})


@dataclass(frozen=True, slots=True)
class _Use:
    """That a run uses a version, or a path of which nobody made one."""

    key: str
    version_id: str
    path: str

    def store(self, tracking: Tracking, run: Run) -> None:
        """Record it."""
        version_id = self.version_id
        if not version_id:
            version = tracking.add_dataset_version(run.project_id, self.key, _digest(self.path), uri=self.path)
            version_id = version.id
        tracking.use_dataset(run.id, version_id, role=self.key)


def use_of(asked: Asked, fields: Fields) -> _Use:
    """Return what a client says of a dataset that a run uses."""
    version_id, path = asked.local(fields.text("linked_artifact_id")), fields.text("path")
    if not version_id and not path:
        raise fields.wrong("linked_artifact_id", "has to be a version of a dataset, or path has to be there", "nothing")
    return _Use(fields.required("key"), version_id, path)


async def log(asked: Asked) -> Response:
    """Record which versions a run uses."""
    run_id, fields, overwrite = asked.id(), asked.fields, asked.fields.flag("overwrite")
    one = fields.message("dataset")
    given = [use_of(asked, message) for message in [*fields.messages("datasets"), *([one] if one is not None else [])]]

    def change(tracking: Tracking) -> None:
        run = writable(tracking, run_id, _DATASETS)
        known = {use.role for use in run.datasets} & {use.key for use in given}
        if known and not overwrite:
            raise Conflict(f"the run has datasets {sorted(known)[:5]} already; say overwrite to add others")
        for use in given:
            use.store(tracking, run)

    await asked.write(change)
    return answer({})


async def of_run(asked: Asked) -> Response:
    """Return which versions a run uses."""
    run_id = asked.id()
    found = await asked.read(lambda tracking: run_at(tracking, run_id, _DATASETS))
    return answer({"datasets": [messages.dataset_use(asked, use) for use in found.datasets]})
