"""``docker`` and ``podman``: the command line that runs a trial's image instead of its command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from katib.errors import RunnerError, Unsupported
from katib.runners.container import Command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

__all__ = ["find_engine", "remove_command", "run_command", "without_advice"]

_ANSWER_SECONDS: Final = 30.0
_ADVICE: Final = re.compile(r"(Run|See) '\S+ run --help'.*")


def find_engine(runtime: str) -> str:
    """Return the path of the engine's program.

    Raises:
        Unsupported: It is not installed.
        RunnerError: It cannot run anything now, as without its daemon; better said once than by every trial.
    """
    path = shutil.which(runtime)
    if path is None:
        raise Unsupported(
            f"--runtime {runtime}: there is no program {runtime!r} on PATH; install it, or run without --runtime"
        )
    _make_sure_it_answers(path, runtime)
    return path


def _make_sure_it_answers(path: str, runtime: str) -> None:
    try:
        asked = subprocess.run(  # noqa: S603 - the program that was just found
            [path, "version"], check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=_ANSWER_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise RunnerError(f"--runtime {runtime}: it did not answer in {_ANSWER_SECONDS:g} s") from error
    except OSError as error:
        raise RunnerError(f"--runtime {runtime}: {path} cannot be run: {error.strerror}") from error
    if asked.returncode:
        said = [line.strip() for line in asked.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        raise RunnerError(f"--runtime {runtime}: {said[-1] if said else f'exit code {asked.returncode}'}")


def without_advice(lines: Sequence[str]) -> list[str]:
    """Return what an engine printed without the line on its options, which stands below the reason why it failed."""
    return [line for line in lines if not _ADVICE.fullmatch(line)]


def run_command(
    engine: str,
    command: Command,
    container: Mapping[str, Any],
    *,
    name: str,
    env: Mapping[str, str],
    folder: Path,
    mounts: Mapping[str, Path],
) -> Command:
    """Return the engine's command that runs a container in the foreground.

    Args:
        engine: The program.
        command: What the container runs.
        container: As the Job says.
        name: The name of the container to the engine.
        env: Further variables of the trial.
        folder: The trial's folder; it has the same path inside.
        mounts: Folders of the container and what lies there.
    """
    argv = [engine, "run", "--rm", "--name", name]
    policy = container.get("imagePullPolicy")
    if policy in {"Always", "Never"}:
        argv += ["--pull", policy.lower()]
    for inside, local in {str(folder): folder, **mounts}.items():
        argv += ["--volume", f"{local}:{inside}"]
    if command.working_dir:
        argv += ["--workdir", command.working_dir]
    variables = {**env, **command.env}
    # By name only: a value on a command line can be read by every user of the machine.
    for variable in variables:
        argv += ["--env", variable]
    words = list(command.argv)
    if container.get("command"):
        argv += ["--entrypoint", words.pop(0)]
    argv += [str(container.get("image") or ""), *words]
    return Command(command.name, tuple(argv), {**variables, "PATH": os.environ.get("PATH", os.defpath)}, None)


def remove_command(engine: str, name: str) -> list[str]:
    """Return the command that makes sure a container is gone."""
    return [engine, "rm", "--force", name]
