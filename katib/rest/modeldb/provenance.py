"""Where a run came from: ModelDB's code versions and environments as ours, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.errors import Conflict
from katib.rest.answers import answer
from katib.rest.modeldb.key_values import strict
from katib.rest.modeldb.records_found import run_at, writable
from katib.store.tracking.records import RunPart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked
    from katib.rest.modeldb.fields import Fields
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Json

__all__ = [
    "code_of",
    "code_version",
    "environment",
    "environment_of",
    "get_code_version",
    "log_code_version",
    "log_environment",
]

_TERNARY: Final = ("UNKNOWN", "TRUE", "FALSE")
_DIRTY: Final = {"UNKNOWN": None, "TRUE": True, "FALSE": False}
_AS_GIVEN: Final = "modeldb"
"""The field of an environment that holds ModelDB's own message."""
_CODE: Final = ("files", "repository", "revision", "dirty", "archive")
_PROVENANCE: Final = frozenset({RunPart.PROVENANCE})


def code_of(fields: Fields) -> dict[str, Json]:
    """Return a ``CodeVersion`` as ours."""
    git, archive = fields.message("git_snapshot"), fields.message("code_archive")
    found: dict[str, Json] = {}
    if git is not None:
        found = {
            "files": git.texts("filepaths"),
            "repository": git.text("repo"),
            "revision": git.text("hash"),
            "dirty": _DIRTY[git.one_of("is_dirty", _TERNARY)],
        }
    if archive is not None:
        found["archive"] = archive.text("path") or archive.text("key")
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def code_version(code: Mapping[str, Json] | None) -> dict[str, Any] | None:
    """Return our record of code as a ``CodeVersion``; None where nothing is known."""
    known = {name: value for name, value in (code or {}).items() if value is not None}
    if known.get("archive"):
        path = str(known["archive"])
        return {"code_archive": {"key": "code", "path": path, "artifact_type": "CODE", "filename_extension": "zip"}}
    if not any(known.get(name) is not None for name in _CODE):
        return None
    files, dirty = known.get("files"), known.get("dirty")
    return {
        "git_snapshot": {
            "filepaths": [str(path) for path in files] if isinstance(files, list) else [],
            "repo": str(known.get("repository", "")),
            "hash": str(known.get("revision", "")),
            "is_dirty": _TERNARY[1 if dirty is True else 2 if dirty is False else 0],
        }
    }


def environment_of(fields: Fields) -> dict[str, Json]:
    """Return an ``EnvironmentBlob`` as ours, and beside it as it was given."""
    found: dict[str, Json] = {_AS_GIVEN: dict(fields.document)}
    python, docker = fields.message("python"), fields.message("docker")
    if python is not None:
        version = python.message("version")
        if version is not None:
            found["python"] = _version(version)
        requirements = [_requirement(one) for one in python.messages("requirements")]
        found["requirements"] = requirements or python.text("raw_requirements").splitlines()
    if docker is not None:
        tag, digest = docker.text("tag"), docker.text("sha")
        found["image"] = docker.text("repository") + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    variables = fields.messages("environment_variables")
    if variables:
        found["env"] = {one.required("name"): one.text("value") for one in variables}
    command = fields.texts("command_line")
    if command:
        found["command"] = command
    return found


def environment(found: Mapping[str, Json] | None) -> dict[str, Any] | None:
    """Return our record of an environment as an ``EnvironmentBlob``; None where nothing is known."""
    if not found:
        return None
    given = found.get(_AS_GIVEN)
    if isinstance(given, dict):
        message: dict[str, Any] = strict(given)
        return message
    message = {}
    image, requirements, variables = found.get("image"), found.get("requirements"), found.get("env")
    if isinstance(image, str) and image:
        name, _, digest = image.partition("@")
        repository, colon, tag = name.rpartition(":")
        tagged = bool(colon) and "/" not in tag
        message["docker"] = {
            "repository": repository if tagged else name,
            "tag": tag if tagged else "",
            "sha": digest,
        }
    elif isinstance(requirements, list) and requirements:
        message["python"] = {"raw_requirements": "\n".join(map(str, requirements))}
    if isinstance(variables, dict):
        message["environment_variables"] = [
            {"name": name, "value": str(value)} for name, value in sorted(variables.items())
        ]
    words = [found.get("command"), found.get("args")]
    command = [str(word) for some in words if isinstance(some, list) for word in some]
    if command:
        message["command_line"] = command
    return message or None


def _version(fields: Fields) -> str:
    numbers = ".".join(str(fields.integer(name, least=0, most=2**31 - 1)) for name in ("major", "minor", "patch"))
    return numbers + fields.text("suffix")


def _requirement(fields: Fields) -> str:
    version = fields.message("version")
    wanted = "" if version is None else f"{fields.text('constraint') or '=='}{_version(version)}"
    return fields.required("library") + wanted


async def log_code_version(asked: Asked) -> Response:
    """Store what code a run is of."""
    run_id, overwrite = asked.id(), asked.fields.flag("overwrite")
    code = code_of(asked.fields.required_message("code_version"))

    def change(tracking: Tracking) -> None:
        run = writable(tracking, run_id, _PROVENANCE)
        known = code_version(run.code)
        if known is not None and not overwrite:
            raise Conflict("the run has a code version already; say overwrite to give it another one")
        gone = {name: None for name in _CODE if (run.code or {}).get(name) is not None}
        tracking.update_run(run_id, code={**gone, **code})

    await asked.write(change)
    return answer({})


async def get_code_version(asked: Asked) -> Response:
    """Return what code a run is of."""
    run_id = asked.id()
    found = await asked.read(lambda tracking: run_at(tracking, run_id, _PROVENANCE))
    code = code_version(found.code)
    return answer({} if code is None else {"code_version": code})


async def log_environment(asked: Asked) -> Response:
    """Store in what a run ran; another one takes its place."""
    run_id, environment = asked.id(), environment_of(asked.fields.required_message("environment"))

    def change(tracking: Tracking) -> None:
        writable(tracking, run_id)
        tracking.update_run(run_id, environment=environment)

    await asked.write(change)
    return answer({})
