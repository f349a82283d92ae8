"""Where a trial template comes from: the experiment itself, or a ConfigMap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from katib.api.document import MAX_BYTES, load
from katib.errors import InvalidExperiment, NotFound, Problem
from katib.template.typing_of_placeholders import note_unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from katib.api.experiment import TrialTemplate

__all__ = ["ConfigMapReader", "LocalConfigMaps", "load_template"]

_PATH = "spec.trialTemplate.configMap"
_SPEC = "spec.trialTemplate.trialSpec"


class ConfigMapReader(Protocol):
    """Reads one key of a ConfigMap."""

    def read(self, namespace: str, name: str, key: str) -> str:
        """Return the text; NotFound with a sentence when it is not there."""


class LocalConfigMaps:
    """A folder that stands for a cluster's ConfigMaps.

    A key is the file ``<folder>/<namespace>/<name>/<key>``, or is in the ConfigMap manifest ``<folder>/<name>.yaml``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, namespace: str, name: str, key: str) -> str:
        """Return the text of a key.

        Raises:
            NotFound: Neither file has it; the message names both.
        """
        for part in (namespace, name, key):
            if "/" in part or part in ("", ".", ".."):
                raise NotFound(f"{part!r} cannot be part of a ConfigMap's name")
        direct = self._folder / namespace / name / key
        manifest = self._folder / f"{name}.yaml"
        try:
            if direct.is_file():
                return _contents(direct).decode()
            if manifest.is_file():
                data = load(_contents(manifest), source=str(manifest))[0].content.get("data")
                if isinstance(data, dict) and isinstance(data.get(key), str):
                    return str(data[key])
        except (OSError, UnicodeDecodeError) as error:
            raise NotFound(f"the ConfigMap {name!r} cannot be read: {error}") from error
        raise NotFound(f"there is no key {key!r} of ConfigMap {namespace}/{name}: neither {direct} nor in {manifest}")


def _contents(path: Path) -> bytes:
    with path.open("rb") as file:
        contents = file.read(MAX_BYTES + 1)
    if len(contents) > MAX_BYTES:
        raise NotFound(f"{path} is longer than the {MAX_BYTES} bytes that a ConfigMap can have")
    return contents


def load_template(trial_template: TrialTemplate, *, config_maps: ConfigMapReader) -> dict[str, Any]:
    """Return the template as a mapping, with its unquoted placeholders noted.

    Raises:
        InvalidExperiment: There is none, there are two, or it cannot be read; with its place in the experiment.
    """
    inline, source = trial_template.trial_spec, trial_template.config_map
    if inline is not None and source is not None:
        raise InvalidExperiment([Problem(_PATH, "cannot be given beside trialSpec")])
    if inline is not None:
        return _noted(dict(inline), _SPEC, "")
    if source is None:
        raise InvalidExperiment([Problem(_SPEC, "is required (or configMap)")])
    missing = [
        Problem(f"{_PATH}.{field}", "must not be empty")
        for field, text in (
            ("configMapName", source.config_map_name),
            ("configMapNamespace", source.config_map_namespace),
            ("templatePath", source.template_path),
        )
        if not text
    ]
    if missing:
        raise InvalidExperiment(missing)
    try:
        text = config_maps.read(source.config_map_namespace, source.config_map_name, source.template_path)
        documents = load(text)
    except NotFound as error:
        raise InvalidExperiment([Problem(_PATH, str(error))]) from error
    except InvalidExperiment as error:
        raise InvalidExperiment([Problem(_PATH, f"its template: {problem}") for problem in error.problems]) from error
    if len(documents) != 1:
        raise InvalidExperiment([Problem(_PATH, "its template must be one document")])
    return _noted(documents[0].content, _PATH, "its template, ")


def _noted(template: dict[str, Any], path: str, said_first: str) -> dict[str, Any]:
    """Note the unquoted placeholders in the template's annotations, which have to be annotations for that."""
    problems = [
        Problem(path, f"{said_first}{place}: {message}", value)
        if said_first
        else Problem(f"{path}.{place}", message, value)
        for place, message, value in _metadata_faults(template.get("metadata"))
    ]
    if problems:
        raise InvalidExperiment(problems)
    return note_unquoted(template)


def _metadata_faults(metadata: object) -> Iterator[tuple[str, str, object]]:
    if metadata is not None and not isinstance(metadata, dict):
        yield "metadata", "must be a mapping of fields", metadata
        return
    for field in ("labels", "annotations"):
        found = (metadata or {}).get(field)
        if found is not None and not isinstance(found, dict):
            yield f"metadata.{field}", "must be a mapping of texts", found
        for key, value in (found or {}).items() if isinstance(found, dict) else ():
            if not isinstance(value, str):
                yield f"metadata.{field}.{key}", "must be text; put it in quotes", value
