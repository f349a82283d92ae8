"""``katib wait``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import ExperimentName

if TYPE_CHECKING:
    from katib.api.experiment import ExperimentStatus
    from katib.cli.settings import Settings

__all__ = ["command"]

_POLL_SECONDS = 0.3


def command(
    settings: Settings,
    name: ExperimentName,
    condition: Annotated[
        str | None,
        typer.Option("--for", metavar="condition=TYPE", help="Wait for this condition, such as condition=Succeeded."),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="Wait no longer than this, such as 90s or 1h30m.")
    ] = None,
) -> None:
    """Wait until an experiment is over or has a condition.

    Without --for the exit code is that of katib run; with it, 0 when the condition has come and 1 when it no longer can.
    A time that ran out is 124.
    """
    from katib.api.duration import parse_duration
    from katib.cli.driving import exit_code_of
    from katib.cli.lookup import experiment_named
    from katib.cli.printing import note, say
    from katib.cli.run_summary import command_of
    from katib.engine.conditions import current
    from katib.engine.status import over
    from katib.errors import DeadlineExceeded

    wanted = _wanted(condition)
    deadline = None if timeout is None else time.monotonic() + parse_duration(timeout).total_seconds()
    with settings.open_store() as store:
        told = False
        while True:
            experiment = experiment_named(store, settings.namespace, name)
            status = experiment.status
            driven = settings.home.is_driven(experiment.metadata.uid or "")
            if wanted is not None and _has(status, wanted):
                say(f"experiment {experiment.metadata.name} has condition {wanted}")
                return
            if over(status) and not driven:
                last = current(status.conditions) if status else None
                say(f"experiment {experiment.metadata.name} is over: {last.type if last else ''}")
                raise typer.Exit(1 if wanted is not None else exit_code_of(status))
            if not driven and not told:
                told = True
                go_on = command_of("resume", experiment.metadata.name, experiment.metadata.namespace)
                note(f"no process runs experiment {experiment.metadata.name}; {go_on} would")
            if deadline is not None and time.monotonic() >= deadline:
                raise DeadlineExceeded(
                    f"experiment {experiment.metadata.name} did not come to {wanted or 'its end'} within {timeout}"
                )
            time.sleep(_POLL_SECONDS)


def _wanted(condition: str | None) -> str | None:
    """Return the condition type of ``--for``; its spelling may be in any case, as with kubectl."""
    from katib.api.similar import did_you_mean
    from katib.errors import InvalidInput

    if condition is None:
        return None
    known = ("Created", "Running", "Restarting", "Succeeded", "Failed", "Stopped")
    key, _, kind = condition.rpartition("=")
    found = {name.lower(): name for name in known}.get(kind.lower())
    if key not in {"", "condition"} or found is None:
        hint = did_you_mean(kind, known)
        raise InvalidInput(
            f"--for {condition!r} is not known: write condition=TYPE with one of {', '.join(known)}"
            + (f"; {hint}" if hint else "")
        )
    return found


def _has(status: ExperimentStatus | None, kind: str) -> bool:
    return any(item.type == kind and item.status == "True" for item in (status.conditions if status else []))
