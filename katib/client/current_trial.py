"""``katib.current_trial``: what a program knows of the trial that it is, from its environment; light, as training scripts import it.

The variables are the same ones on one machine, under ``katib up`` and on a cluster (``katib.template.trial_environment``).
"""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from katib.client.reporting import report_metrics
from katib.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

__all__ = ["CurrentTrial", "current_trial"]


def current_trial() -> CurrentTrial | None:
    """Return the trial that this program is; None where it is run by hand.

    Example::

        trial = katib.current_trial()
        lr = trial.parameters["lr"] if trial else 0.01
    """
    environment = os.environ
    name = environment.get("KATIB_TRIAL_NAME")
    if not name:
        return None
    index = environment.get("KATIB_TRIAL_INDEX", "")
    checkpoints = environment.get("KATIB_TRIAL_DIR")
    return CurrentTrial(
        name=name,
        experiment=environment.get("KATIB_EXPERIMENT_NAME", ""),
        namespace=environment.get("KATIB_NAMESPACE", ""),
        index=int(index) if index.isdecimal() else None,
        checkpoint_directory=Path(checkpoints) if checkpoints else None,
        stated_parameters=environment.get("KATIB_TRIAL_PARAMETERS", ""),
    )


@dataclass(frozen=True)
class CurrentTrial:
    """A trial, seen from inside.

    Attributes:
        name: Its name.
        experiment: The name of its experiment.
        namespace: Where both are; empty where nobody said so.
        index: Its place in the experiment, from 0; None where nobody said so.
        checkpoint_directory: What it finds of the trial it goes on from, and leaves for those that go on from it; None where its
            algorithm does not ask for that.
        stated_parameters: As the environment has them.
    """

    name: str
    experiment: str = ""
    namespace: str = ""
    index: int | None = None
    checkpoint_directory: Path | None = None
    stated_parameters: str = field(default="", repr=False)

    @cached_property
    def parameters(self) -> dict[str, float | int | str]:
        """The values to try, by name: ints, floats, and for categorical ones texts.

        Raises:
            Unsupported: Whatever started this trial does not tell.
        """
        try:
            found = json.loads(self.stated_parameters)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Unsupported(
                f"trial {self.name} was not told its parameters (KATIB_TRIAL_PARAMETERS): take them from the arguments of its command"
            )
        return found

    @property
    def working_directory(self) -> Path:
        """Where it runs."""
        return Path.cwd()

    def report(
        self, metrics: Mapping[str, float | str] | None = None, *, step: int | None = None, **more: float | str
    ) -> None:
        """Report values of metrics; see ``katib.report_metrics``.

        Example::

            trial.report(loss=0.08, accuracy=0.97, step=epoch)
        """
        report_metrics({**(metrics or {}), **more}, step=step)

    def should_stop(self, *, alone: bool = False) -> bool:
        """Whether to end now, in good order: the trial is stopped early, or its experiment is.

        A trial is told by the signal TERM, and killed half a minute later. From the first call of this on, TERM does not end the program
        any more: ask again after each epoch. The first call has to come from the main thread; from another one the answer is False,
        and TERM ends the program as ever.

        Example::

            for epoch in range(epochs):
                ...
                if trial.should_stop():
                    break

        Args:
            alone: Others who listened for TERM before do not hear of it any more; else they do.
        """
        return _ORDER.is_given(alone=alone)


class _Order:
    """Whether this process was told to end."""

    def __init__(self) -> None:
        self._given = threading.Event()
        self._before: signal._HANDLER = None
        self._is_passing_on = False

    def is_given(self, *, alone: bool) -> bool:
        if threading.current_thread() is threading.main_thread():
            if not self._listens():
                self._before = signal.signal(signal.SIGTERM, self._note)
            if alone:
                self._before = None
        return self._given.is_set()

    def _listens(self) -> bool:
        return signal.getsignal(signal.SIGTERM) == self._note

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._given.set()
        # Others who listen hear it too, once: they may pass it on to us, whom they found here before.
        if callable(self._before) and not self._is_passing_on:
            self._is_passing_on = True
            try:
                self._before(number, frame)
            finally:
                self._is_passing_on = False

    def forget(self) -> None:
        """End by TERM as ever: a copy of this process, such as one that loads data, asks nothing."""
        if self._listens():
            signal.signal(signal.SIGTERM, signal.SIG_DFL if self._before is None else self._before)
        self._given.clear()


_ORDER: Final = _Order()
os.register_at_fork(after_in_child=_ORDER.forget)
