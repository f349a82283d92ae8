"""What a container of a Job runs: its command, arguments, environment and working directory, by Kubernetes' rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Command", "command_of", "expand", "main_container", "pod_spec", "replace_paths"]

_FIELD = re.compile(r"metadata\.(?:(name|namespace|uid)|(labels|annotations)\['([^']*)'\])")


@dataclass(frozen=True, slots=True)
class Command:
    """One container as a process.

    Attributes:
        name: The container's.
        argv: Program and arguments; empty where the image decides.
        env: What is added to the environment.
        working_dir: Where it runs; None for where it is started.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    working_dir: str | None


def pod_spec(job: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a Job's pod spec; an empty one when there is none."""
    return ((job.get("spec") or {}).get("template") or {}).get("spec") or {}


def main_container(job: Mapping[str, Any], primary: str | None) -> Mapping[str, Any]:
    """Return the primary container, or the first when none has that name."""
    containers: list[Mapping[str, Any]] = list(pod_spec(job).get("containers") or [])
    named = [container for container in containers if container.get("name") == primary]
    return (named or containers or [{}])[0]


def command_of(container: Mapping[str, Any], job: Mapping[str, Any]) -> Command:
    """Return what a container runs, with every ``$(NAME)`` expanded."""
    env: dict[str, str] = {}
    for item in container.get("env") or []:
        value = _value(item, job)
        if value is not None:
            env[str(item["name"])] = expand(value, env)
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    return Command(
        name=str(container.get("name") or ""),
        argv=tuple(expand(str(word), env) for word in words),
        env=env,
        working_dir=container.get("workingDir"),
    )


def _value(item: Mapping[str, Any], job: Mapping[str, Any]) -> str | None:
    """Return the text of an environment variable before expansion; None where only a cluster knows it."""
    source = item.get("valueFrom")
    if not source:
        return str(item.get("value") or "")
    path = (source.get("fieldRef") or {}).get("fieldPath", "")
    match = _FIELD.fullmatch(path)
    if match is None:
        return None
    metadata = job.get("metadata") or {}
    if match[1]:
        return str(metadata.get(match[1]) or "")
    return str((metadata.get(match[2]) or {}).get(match[3], ""))


_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


def expand(text: str, env: Mapping[str, str]) -> str:
    """Return the text with ``$(NAME)`` replaced; ``$$`` is a dollar, and an unknown name stays as it is written."""

    def replacement(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return env.get(match[2], match[0])

    return _REFERENCE.sub(replacement, text)


def replace_paths(command: Command, paths: Mapping[str, Path]) -> Command:
    """Return the command with paths of the container replaced by those of this machine, wherever they stand alone or below."""
    if not paths:
        return command
    local = {path.rstrip("/"): str(place) for path, place in paths.items()}
    longest_first = sorted(local, key=len, reverse=True)  # one path may lie below another
    pattern = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, longest_first))})(?![\w.-])")

    def replaced(text: str) -> str:
        return pattern.sub(lambda match: local[match[1]], text)

    return Command(
        name=command.name,
        argv=tuple(replaced(word) for word in command.argv),
        env={name: replaced(value) for name, value in command.env.items()},
        working_dir=command.working_dir,
    )
