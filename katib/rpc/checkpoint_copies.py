"""Prepares the checkpoint folders of trials that were just suggested, for algorithms that hand checkpoints on (`pbt`).

Katib mounts the suggestion's volume into each trial at ``<experiment>/<trial>``; before the trial begins its folder has to be there,
as a copy of the folder of the trial it goes on from.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from katib.algorithm.lineage import PARENT, TRIAL_FOLDER
from katib.errors import InvalidInput, Problem
from katib.rpc import v1beta1 as wire
from katib.runners.checkpoints import inherit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["prepare_checkpoints"]

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def prepare_checkpoints(root: Path, experiment: bytes, reply: bytes) -> None:
    """Make the folder of each trial in a reply, if the experiment's trials have such folders.

    Args:
        root: The folder that holds one folder for each experiment.
        experiment: The experiment's message.
        reply: A ``GetSuggestionsReply``.

    Raises:
        InvalidInput: The experiment's name is none that a folder may have.
        RunnerError: A folder cannot be made or copied.
    """
    message = wire.Experiment.FromString(experiment)
    if not any(setting.name == TRIAL_FOLDER for setting in message.spec.algorithm.algorithm_settings):
        return
    if not _NAME.fullmatch(message.name):
        raise InvalidInput([Problem("metadata.name", "cannot be the name of a folder", message.name)])
    for assigned in wire.GetSuggestionsReply.FromString(reply).parameter_assignments:
        if assigned.trial_name:
            inherit(root / message.name, assigned.trial_name, assigned.labels.get(PARENT) or None)
