"""The words by which a trial that goes on from another one's checkpoint is known, to algorithms and to those who run trials."""

from __future__ import annotations

from typing import Final

__all__ = ["PARENT", "TRIAL_FOLDER"]

PARENT: Final = "pbt.suggestion.katib.kubeflow.org/parent"
"""The label with the name of the trial whose checkpoint a new one begins with; absent on one that begins with nothing."""
TRIAL_FOLDER: Final = "suggestion_trial_dir"
"""The algorithm setting with the path at which a trial finds its folder, its checkpoint in it."""
