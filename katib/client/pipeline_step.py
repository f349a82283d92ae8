"""A whole experiment as one step of a workflow: create it, wait for it, write its best parameters where the next step finds them.

For Kubeflow Pipelines, Argo Workflows and everything else that runs containers and hands files on (``examples/pipelines``)::

    python -m katib.client.pipeline_step --experiment @sweep.yaml --run "$WORKFLOW_UID" --best-parameters /tmp/best.json

Workflow engines start a step again when its machine is lost. With ``--run``, a second start finds the experiment of the first and waits on.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from katib.api.document import load
from katib.api.typed_value import typed_value
from katib.client.katib_client import KatibClient
from katib.client.views.progress import progress_view
from katib.client.views.standing import readable
from katib.engine.observe import UNAVAILABLE, metric_value
from katib.errors import Conflict, DeadlineExceeded, Interrupted, InvalidInput, KatibError, NotFound, Problem, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from katib.api.experiment import Experiment

__all__ = ["main"]

_Answer = TypeVar("_Answer")

_RUN_LABEL: Final = "katib.kubeflow.org/pipeline-run"
_PATIENCE: Final = 600.0
"""Seconds to wait for a server that does not answer: longer than its pod needs to come back on another machine."""
_LONGEST_NAME: Final = 40
_STOPPING: Final = 20
"""Seconds: engines kill what does not end within thirty."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step, and return its exit code: 0 if the experiment succeeded, else that of ``katib.errors``."""
    options = _parser().parse_args(arguments)
    try:
        with _cancelling():
            _run(options)
    except KatibError as error:
        for line in str(error).splitlines():
            print(f"error: {readable(line)}", file=sys.stderr)  # noqa: T201 - a program's own words
        return error.exit_code
    except OSError as error:
        print(f"error: {error.filename or 'cannot write'}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return InvalidInput.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m katib.client.pipeline_step", description=__doc__.split("\n")[0])
    parser.add_argument("--experiment", required=True, metavar="TEXT|@FILE", help="an Experiment as YAML or JSON")
    parser.add_argument(
        "--run", default="", metavar="ID", help="of the workflow: names the experiment, and finds it again"
    )
    parser.add_argument("--namespace", default=None, help="where the experiment is; by default the pod's")
    parser.add_argument("--backend", choices=["local", "grpc", "kubernetes"], help="by default as KatibClient chooses")
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="of a server (backend grpc); its token comes from KATIB_TOKEN"
    )
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="stop the experiment when it takes longer")
    parser.add_argument(
        "--leave-running", action="store_true", help="do not stop the experiment when this step is cancelled"
    )
    parser.add_argument("--best-parameters", type=Path, metavar="PATH", help="where to write them, a JSON object")
    parser.add_argument("--best-value", type=Path, metavar="PATH", help="where to write the objective's value")
    parser.add_argument("--best-trial", type=Path, metavar="PATH", help="where to write the name of the best trial")
    parser.add_argument("--experiment-name", type=Path, metavar="PATH", help="where to write the experiment's name")
    return parser


@contextlib.contextmanager
def _cancelling() -> Iterator[None]:
    """Make SIGTERM, by which workflow engines cancel, an error that is cleaned up after."""

    def cancelled(_number: int, _frame: object) -> None:
        raise Interrupted("the step was cancelled")

    before = signal.signal(signal.SIGTERM, cancelled)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(options: argparse.Namespace) -> None:
    document = _document(options.experiment, options.run)
    given = {"backend": options.backend, "address": options.address, "namespace": options.namespace}
    client = KatibClient(**{name: value for name, value in given.items() if value is not None})
    with client:
        namespace = options.namespace or document["metadata"].get("namespace") or client.namespace
        name = _patiently(lambda: _begin(client, document, namespace, options.run))
        _say(f"experiment {name} in {namespace}")
        try:
            experiment = _wait(client, name, namespace, options.timeout)
        except (Interrupted, KeyboardInterrupt, DeadlineExceeded) as error:
            if not options.leave_running:
                _stop(client, name, namespace)
            if isinstance(error, DeadlineExceeded):
                after = "goes on" if options.leave_running else "was stopped"
                raise DeadlineExceeded(
                    f"experiment {name!r} has not succeeded within {options.timeout:g} s and {after}"
                ) from None
            raise
        _hand_on(experiment, options)


def _document(text: str, run: str) -> dict[str, Any]:
    """Return the experiment, named after the run of the workflow where there is one.

    Raises:
        InvalidInput: It cannot be read, or is no single document with a name.
    """
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput([Problem("--experiment", f"cannot be read: {error}")]) from None
    documents = [one.content for one in load(text)]
    if len(documents) != 1:
        raise InvalidInput([Problem("--experiment", f"has to be one document, this is {len(documents)}")])
    document = dict(documents[0])
    metadata = document.get("metadata")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    name = metadata.get("name") or str(metadata.pop("generateName", "")).rstrip("-")
    if not isinstance(name, str) or not name:
        raise InvalidInput([Problem("--experiment", "needs metadata.name")])
    if run:
        mark = hashlib.sha256(run.encode()).hexdigest()[:16]
        name = f"{name[: _LONGEST_NAME - 9].rstrip('-')}-{mark[:8]}"
        labels = metadata.get("labels")
        metadata["labels"] = {**(labels if isinstance(labels, dict) else {}), _RUN_LABEL: mark}
    metadata["name"] = name
    document["metadata"] = metadata
    return document


def _begin(client: KatibClient, document: dict[str, Any], namespace: str, run: str) -> str:
    """Create the experiment, or take up that of an earlier start of the same step."""
    name: str = document["metadata"]["name"]
    try:
        client.create_experiment(document, namespace)
    except Conflict:
        experiment = client.get_experiment(name, namespace)
        labels = experiment.metadata.labels or {}
        if not run or labels.get(_RUN_LABEL) != document["metadata"]["labels"][_RUN_LABEL]:
            raise
        _say(f"experiment {name} was begun by an earlier start of this step")
        if _state(experiment) not in {"Succeeded", "Failed"}:
            client.resume_experiment(name, namespace)  # one that runs is left as it is
    return name


def _wait(client: KatibClient, name: str, namespace: str, timeout: float | None) -> Experiment:
    deadline = None if timeout is None else time.monotonic() + timeout
    with progress_view("lines") as view:

        def wait() -> Experiment:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            return client.wait_for_experiment_condition(name, namespace, timeout=left, view=view)

        return _patiently(wait)


def _stop(client: KatibClient, name: str, namespace: str) -> None:
    """Stop the experiment, and see it stopped: a local one is driven by this process."""
    _say(f"stopping experiment {name}")
    client.stop_experiment(name, namespace, at_once=True)
    with contextlib.suppress(KatibError):  # it has come to another end, or does not come to one while an engine waits
        client.wait_for_experiment_condition(
            name, namespace, expected_condition="Stopped", timeout=_STOPPING, view=progress_view("none")
        )


def _patiently(call: Callable[[], _Answer]) -> _Answer:
    """Make a call until it is answered, for as long as a server may need to come back."""
    pause, until = 1.0, time.monotonic() + _PATIENCE
    while True:
        try:
            return call()
        except KatibError as error:
            if error.retry is not Retry.LATER or isinstance(error, DeadlineExceeded) or time.monotonic() > until:
                raise
            _say(f"{error}; trying again")
        time.sleep(pause)
        pause = min(2 * pause, 15.0)


def _hand_on(experiment: Experiment, options: argparse.Namespace) -> None:
    """Write what the next step is to know.

    Raises:
        NotFound: There is no best trial.
    """
    status, spec = experiment.status, experiment.spec
    best = status.current_optimal_trial if status else None
    if best is None or not best.best_trial_name:
        raise NotFound(
            f"experiment {experiment.metadata.name!r} has succeeded without a best trial: nothing to hand on"
        )
    kinds = {one.name: one.parameter_type for one in spec.parameters or []}
    parameters = {
        one.name: typed_value(kinds.get(one.name, "categorical"), one.value) for one in best.parameter_assignments
    }
    metric = spec.objective.objective_metric_name if spec.objective else ""
    number = metric_value(best.observation, metric, spec)
    words = [
        one.latest for one in best.observation.metrics if one.name == metric and one.latest not in {None, UNAVAILABLE}
    ]
    value = repr(number) if number is not None else (words[0] or "" if words else "")
    _write(options.best_parameters, json.dumps(parameters))
    _write(options.best_value, value)
    _write(options.best_trial, best.best_trial_name)
    _write(options.experiment_name, experiment.metadata.name)
    _say(f"best trial {best.best_trial_name}: {metric}={value} {json.dumps(parameters)}")


def _write(path: Path | None, text: str) -> None:
    """Write a file as a whole: an engine that looks at it never sees a part."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.name}.{os.getpid()}")
    written.write_text(text, encoding="utf-8")
    written.replace(path)


def _state(experiment: Experiment) -> str:
    conditions = experiment.status.conditions if experiment.status else []
    return conditions[-1].type if conditions else "Created"


def _say(text: str) -> None:
    print(readable(text), flush=True)  # noqa: T201 - a program's own words


if __name__ == "__main__":
    sys.exit(main())
