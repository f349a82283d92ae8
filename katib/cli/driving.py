"""Runs one recorded experiment in this process and shows it: what ``run`` and ``resume`` have in common."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from katib.cli.exit_codes import EXPERIMENT_FAILED, OK
from katib.cli.printing import say
from katib.engine.conditions import current
from katib.errors import Interrupted, RunnerError, StoreUnavailable

if TYPE_CHECKING:
    from katib.api.experiment import Experiment, ExperimentStatus
    from katib.cli.line_view import LineView
    from katib.cli.live_view import LiveView
    from katib.cli.settings import Settings
    from katib.store.full_store import FullStore

__all__ = ["drive", "exit_code_of"]


def exit_code_of(status: ExperimentStatus | None) -> int:
    """Return what the shell is told of an experiment that is over."""
    condition = current(status.conditions) if status is not None else None
    state = condition.type if condition is not None else ""
    return {"Failed": EXPERIMENT_FAILED, "Stopped": Interrupted.exit_code}.get(state, OK)


def drive(
    settings: Settings,
    store: FullStore,
    experiment: Experiment,
    *,
    runtime: str | None,
    tracking_uri: str | None,
    no_live: bool,
    quiet: bool,
) -> int:
    """Run an experiment to its end, print its result, and return the exit code."""
    from katib.cli.run_summary import command_of, summary_lines
    from katib.local.driver import Driver
    from katib.local.signals import stop_on_signals

    view = _view(settings, experiment, no_live=no_live, quiet=quiet)
    driver = Driver(settings.home, store, experiment, runtime=runtime, tracking_uri=tracking_uri, listener=view)
    try:
        with stop_on_signals(driver.request_stop), view:
            status = driver.run()
    except (StoreUnavailable, RunnerError) as error:
        if not settings.home.store_path.exists():  # the whole home was removed: there is nothing to go on with
            raise
        go_on = command_of("resume", experiment.metadata.name, experiment.metadata.namespace)
        raise type(error)(f"{error}; then {go_on} goes on with it") from error
    with contextlib.suppress(OSError):  # whoever closed the pipe or the terminal finds the result with `katib best`
        say("\n".join(["", *summary_lines(status, view.progress, settings.home)]))
        sys.stdout.flush()
    return exit_code_of(status)


def _view(settings: Settings, experiment: Experiment, *, no_live: bool, quiet: bool) -> LineView | LiveView:
    if sys.stdout.isatty() and not no_live and not quiet:
        from katib.cli.live_view import LiveView

        return LiveView(experiment, color=settings.color)
    from katib.cli.line_view import LineView

    return LineView(experiment, quiet=quiet, verbose=settings.verbose)
