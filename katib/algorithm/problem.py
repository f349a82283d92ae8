"""What an algorithm is to solve: the space, the objectives and the frame, without anything that was tried yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from katib.space.space import Space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.experiment import Experiment, NasConfig

__all__ = ["Objective", "SearchProblem"]


@dataclass(frozen=True, slots=True)
class Objective:
    """One number to make small or large.

    Attributes:
        name: The metric.
        minimize: Whether small is good.
        goal: Good enough; None when there is no such value.
    """

    name: str
    minimize: bool
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class SearchProblem:
    """Everything about an experiment that its algorithm may depend on besides the trials.

    Attributes:
        space: The points to choose from.
        objectives: At least one; values of trials come in this order.
        seed: All randomness derives from it.
        parallel: How many trials run at a time.
        max_trials: The budget, or None for no limit.
        experiment_name: For messages.
        nas: The network outline of a neural architecture search.
    """

    space: Space
    objectives: tuple[Objective, ...]
    seed: int
    parallel: int = 1
    max_trials: int | None = None
    experiment_name: str = ""
    nas: NasConfig | None = None

    @classmethod
    def from_experiment(cls, experiment: Experiment, seed: int, assigns: Sequence[str] = ()) -> SearchProblem:
        """Return the problem of a validated, defaulted experiment.

        Args:
            experiment: What is to be solved.
            seed: All randomness derives from it.
            assigns: What points are made of where the experiment has ``nasConfig`` instead of parameters (``Algorithm.assigns``).
        """
        spec = experiment.spec
        stated = ([spec.objective] if spec.objective else []) + list(spec.objectives or [])
        return cls(
            space=Space.from_spec(spec, assigns=assigns),
            objectives=tuple(
                Objective(item.objective_metric_name, item.type == "minimize", item.goal) for item in stated
            ),
            seed=seed,
            parallel=spec.parallel_trial_count or 1,
            max_trials=spec.max_trial_count,
            experiment_name=experiment.metadata.name,
            nas=spec.nas_config,
        )
