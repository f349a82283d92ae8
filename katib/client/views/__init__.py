"""What a notebook or a terminal shows of experiments: tables, and progress while one waits.

Example::

    from katib.client.views import progress_view

    with progress_view() as view:
        view.update(experiment, trials)
"""

from __future__ import annotations

from katib.client.views.formatters import TrialList, register
from katib.client.views.html import experiment_html, trial_html, trials_html
from katib.client.views.progress import ProgressView, progress_view

__all__ = [
    "ProgressView",
    "TrialList",
    "experiment_html",
    "progress_view",
    "register",
    "trial_html",
    "trials_html",
]

register()
