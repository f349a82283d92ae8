"""What a well-shaped experiment must also satisfy; every problem at once, in the order of the file.

Here is everything that needs only the document (facts 2.8, and what Katib misses). What needs the search space, the algorithms
or the template's content is checked above, in ``katib.admission``, which puts it all together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.validate.budgets import budget_problems, update_problems
from katib.api.validate.collectors import collector_problems
from katib.api.validate.initial_trials import initial_trial_problems
from katib.api.validate.metadata import metadata_problems
from katib.api.validate.networks import network_problems
from katib.api.validate.objectives import objective_problems
from katib.api.validate.parameters import constraint_problems, parameter_problems

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.errors import Problem

__all__ = ["problems", "problems_of_update"]


def problems(experiment: Experiment) -> list[Problem]:
    """Return what is wrong with a defaulted experiment."""
    spec = experiment.spec
    return [
        *metadata_problems(experiment),
        *objective_problems(spec),
        *budget_problems(spec),
        *parameter_problems(spec),
        *network_problems(spec),
        *constraint_problems(spec),
        *initial_trial_problems(spec),
        *collector_problems(spec),
    ]


def problems_of_update(old: Experiment, new: Experiment) -> list[Problem]:
    """Return why a recorded experiment may not become ``new`` (facts 2.8, item 4)."""
    return list(update_problems(old, new))
