"""Where the trials of this machine come from: the code's revision, the interpreter and its packages, the machine.

Captured once when an experiment is driven, from what is there; what is not (no git, no Python) is left out, and nothing here can fail
an experiment.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from katib.errors import KatibError
from katib.local.source_folder import SOURCE_FOLDER
from katib.store.tracking.template_environment import environment_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from katib.api.experiment import Experiment
    from katib.store.full_store import FullStore

__all__ = ["code_in", "python_of", "record_provenance"]

_PYTHON: Final = re.compile(r"python[0-9.]*")
_WHERE: Final = "import sys; print(sys.version.split()[0]); print(*sys.path, sep='\\n')"
_PATIENCE: Final = 5.0
_MOST_PACKAGES: Final = 2_000


def record_provenance(store: FullStore, experiment: Experiment, *, runtime: str) -> None:
    """Record where the trials of an experiment come from, before the first of them; those recorded earlier keep what they have."""
    annotations = experiment.metadata.annotations or {}
    folder = Path(annotations.get(SOURCE_FOLDER) or ".")
    environment = environment_of(experiment.spec) or {}
    if runtime == "process":
        environment |= python_of(environment.get("command"), folder) | {"system": platform.platform()}
    code = code_in(folder)
    with contextlib.suppress(KatibError):  # what is recorded beside an experiment never stops it
        tracking = store.tracking(experiment.metadata.namespace or "default", actor="")
        root = tracking.search(experiment.metadata.uid or "").run_id
        tracking.update_run(root, code=code, environment=environment, place={"host": socket.gethostname()})


def code_in(folder: Path) -> dict[str, Any] | None:
    """Return ``repository``, ``revision``, ``branch``, ``dirty`` and ``folder`` (below the repository's) of a folder's git, or None."""
    status = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if status is None:
        return None
    lines = status.splitlines()
    headers = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# ") and line.count(" ") > 1)
    revision = headers.get("branch.oid", "")
    code: dict[str, Any] = {"dirty": any(not line.startswith("#") for line in lines)}
    if revision and revision != "(initial)":
        code["revision"] = revision
    if headers.get("branch.head", "(detached)") != "(detached)":
        code["branch"] = headers["branch.head"]
    remote = _git(folder, "remote", "get-url", "origin")
    if remote:
        code["repository"] = _without_secrets(remote.strip())
    prefix = _git(folder, "rev-parse", "--show-prefix")
    if prefix and prefix.strip():
        code["folder"] = prefix.strip().rstrip("/")
    return code


def _git(folder: Path, *arguments: str) -> str | None:
    return _output(["git", "-C", str(folder), *arguments], {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"})


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def python_of(command: Sequence[str] | None, folder: Path) -> dict[str, Any]:
    """Return ``python`` (version) and ``requirements`` (``name==version``) of the interpreter that a command begins with, if it does."""
    if not command or not _PYTHON.fullmatch(Path(str(command[0])).name):
        return {}
    named = str(command[0])
    program = shutil.which(str(folder / named) if os.sep in named else named)
    told = None if program is None else _output([program, "-c", _WHERE], {})
    if not told:
        return {}
    version, *places = told.splitlines()
    return {"python": version, "requirements": sorted(set(_packages(places)), key=str.lower)[:_MOST_PACKAGES]}


def _packages(places: Sequence[str]) -> Iterator[str]:
    for place in filter(None, places):
        with contextlib.suppress(OSError):
            for entry in os.scandir(place):
                name, dash, version = entry.name.removesuffix(".dist-info").rpartition("-")
                if dash and entry.name.endswith(".dist-info"):
                    yield f"{name}=={version}"


def _output(command: Sequence[str], more: dict[str, str]) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - git, or what the trials will run anyway
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
            env={**os.environ, **more},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
