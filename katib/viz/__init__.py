"""Plots of experiments, for notebooks and pages: plotly's figures (``pip install 'katib[viz]'``).

Every plot takes what has the trials: a ``KatibClient`` and the name of an experiment; anything else that has experiments
(``katib.experiments.protocol.Experiments``) and a name; an ``Experiment`` with its trials as a pair, or with what they reported as the
third; or a study of Optuna's. Where there is nothing to draw, the figure says why.

Example::

    import katib.viz

    katib.viz.history(client, "my-sweep").show()
    katib.viz.contour(client, "my-sweep", parameters=["lr", "momentum"]).write_html("contour.html")
"""

from __future__ import annotations

from katib.viz.curves_plot import learning_curves
from katib.viz.history_plot import history
from katib.viz.parameter_plots import contour, importance, parallel_coordinates, slices
from katib.viz.pareto_plot import pareto
from katib.viz.results import Results
from katib.viz.source import results_of
from katib.viz.timeline_plot import timeline

__all__ = [
    "Results",
    "contour",
    "history",
    "importance",
    "learning_curves",
    "parallel_coordinates",
    "pareto",
    "results_of",
    "slices",
    "timeline",
]
