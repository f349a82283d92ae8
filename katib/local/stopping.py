"""Ends an experiment from another process than the one that drives it, also when that one has died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.errors import Conflict
from katib.local.driver import Driver
from katib.local.runtime import is_run_by_callers

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.local.home import Home
    from katib.store.full_store import FullStore

__all__ = ["stop"]


def stop(home: Home, store: FullStore, experiment: Experiment, *, at_once: bool = False) -> None:
    """Ask for the end of an experiment; one that is over already is left as it is.

    With a process that drives it this only asks (``katib wait`` sees the end); without one, trials that a dead process left
    running are ended here and recorded, so that nothing runs on unseen.

    Args:
        at_once: Kill running trials instead of giving them time to end.

    Raises:
        Conflict: Its trials are run by callers, and nobody is there whom they could ask.
    """
    uid = experiment.metadata.uid or ""
    if home.is_driven(uid):
        store.request(uid, "kill" if at_once else "stop")
        return
    if is_run_by_callers(experiment):
        raise Conflict(
            f"the trials of experiment {experiment.metadata.name!r} are run by callers of `katib up`, "
            "and no such server runs here: start it, then stop the experiment"
        )
    driver = Driver(home, store, experiment)
    driver.request_stop()
    if at_once:
        driver.request_stop()
    driver.run()
