"""What a trial's template says of the environment its trials run in, so that it is recorded without anybody's work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from katib.api.experiment import ExperimentSpec

__all__ = ["environment_of"]

_LISTS = ("containers", "initContainers")


def environment_of(spec: ExperimentSpec) -> dict[str, Any] | None:
    """Return the environment that a template describes; None where it has no container (one in a ConfigMap is not read).

    Values of environment variables stay out, as some are secrets; of placeholders, the template has the names.

    Returns:
        ``job`` (what kind of job), ``image``, ``command``, ``args``, ``working_dir``, ``resources`` and ``env`` (names) of the primary
        container; ``containers`` has the images of all others by their place.
    """
    template = spec.trial_template
    job = template.trial_spec if template else None
    if not isinstance(job, dict):
        return None
    found = dict(_containers(job, ""))
    if not found:
        return None
    primary = template.primary_container_name if template else None
    place = next((place for place, container in found.items() if container.get("name") == primary), next(iter(found)))
    environment: dict[str, Any] = {"job": " ".join(str(job[key]) for key in ("apiVersion", "kind") if key in job)}
    environment |= {
        name: value
        for name, value in (
            ("image", found[place].get("image")),
            ("command", found[place].get("command")),
            ("args", found[place].get("args")),
            ("working_dir", found[place].get("workingDir")),
            ("resources", found[place].get("resources")),
            ("env", _names(found[place])),
        )
        if value
    }
    others = {at: str(container.get("image", "")) for at, container in found.items() if at != place}
    return environment | ({"containers": others} if others else {})


def _containers(tree: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every container of a job of any kind, with its place in it."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in _LISTS and isinstance(value, list):
                for number, container in enumerate(value):
                    if isinstance(container, dict):
                        yield f"{path}{key}[{number}]", container
            else:
                yield from _containers(value, f"{path}{key}.")
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _containers(value, f"{path.removesuffix('.')}[{number}].")


def _names(container: Mapping[str, Any]) -> list[str]:
    listed = container.get("env")
    return [str(item["name"]) for item in listed if isinstance(item, dict) and "name" in item] if listed else []
