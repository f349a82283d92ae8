"""Tree-structured Parzen estimators (Bergstra et al., 2011; jointly over all parameters: Falkner et al., 2018), by optuna."""

from __future__ import annotations

import math
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, Field, NonNegativeInt, model_validator

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.algorithm.unseen import draw_unseen, list_unseen

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from optuna import Study
    from optuna.samplers import TPESampler
    from optuna.trial import FrozenTrial

    from katib.algorithm.history import History
    from katib.space.parameter import Activation, Value
    from katib.space.point import Point
    from suggestions._optuna import Gene, Translation

_STARTUP: Final = 10
_CANDIDATES: Final = 24
_MOST_CANDIDATES: Final = 10_000
"""Each is compared with each trial at once, in memory."""
_MOST_GOOD: Final = 25
_TENTH: Final = 10
_TRIES: Final = 10
"""Points the model may propose in vain, because they were tried or break a constraint, before chance proposes one."""


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("should be great than zero")  # Katib's text
    return value


def _share(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError("should be in the range of (0, 1)")
    return value


class Tpe(Algorithm, name="tpe"):
    """Points that resemble the good trials and not the bad ones, parameter by parameter.

    Splits the trials into the best few and the rest, estimates how either lie along each parameter, and proposes values which are
    likely among the best and unlikely among the rest. Running and failed trials count among the rest. Several objectives are split
    by dominance and hypervolume (Ozaki et al., 2022).
    """

    class Settings(AlgorithmSettings):
        """Settings of ``tpe`` and ``multivariate-tpe``."""

        n_startup_trials: NonNegativeInt = _STARTUP
        """Trials that have to end before the model is used; until then points are random."""
        n_ei_candidates: Annotated[int, AfterValidator(_positive), Field(le=_MOST_CANDIDATES)] | None = None
        """Values drawn for each proposal, of which the most promising one is taken; 24 by default."""
        n_EI_candidates: Annotated[int, AfterValidator(_positive), Field(le=_MOST_CANDIDATES)] | None = None  # noqa: N815 - Katib's name
        """The same under hyperopt's name."""
        gamma: Annotated[float, AfterValidator(_share)] | None = None
        """The best ``gamma * sqrt(trials)``, at most 25, count as good, as in hyperopt; by default a tenth of the trials does."""
        prior_weight: Annotated[float, AfterValidator(_positive)] | None = None
        """How many trials the parameters' whole ranges weigh as much as; 1 by default."""
        random_state: NonNegativeInt | None = None
        """Seed of this search; without it the experiment's seed is used."""

        @model_validator(mode="after")
        def _one_spelling(self) -> Self:
            both = (self.n_ei_candidates, self.n_EI_candidates)
            if None not in both and both[0] != both[1]:
                raise ValueError("n_ei_candidates and n_EI_candidates are the same setting and differ")
            return self

        @property
        def candidates(self) -> int:
            """How many values are drawn for each proposal, by either name."""
            return self.n_ei_candidates or self.n_EI_candidates or _CANDIDATES

    joint: ClassVar[bool] = False
    """Whether parameters are estimated together."""

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return new points; fewer when a finite space has no more."""
        if count <= 0:
            return []
        from suggestions._optuna import study_of

        space = self.problem.space
        trials = self._translation.trials(history)
        self._grade(history, trials)
        study = study_of(self.problem, trials)
        ended = len(history) - len(history.running())
        modelled = ended >= self.settings.n_startup_trials and bool(self._groups)
        points: list[Point] = []
        fresh: set[Point] = set()
        while len(points) < count:
            rng = self.rng(history, ahead=len(points))
            number = history.next_index + len(points)
            point = self._propose(study, number, history, fresh, rng) if modelled else None
            if point is None:
                point = draw_unseen(space, history, fresh, rng)
            if point is None:
                return points + list_unseen(space, history, fresh, count - len(points), self.rng(history))
            fresh.add(point)
            points.append(point)
            # The next point of this call sees this one as it will once it runs.
            trials.append(self._translation.trial(number, point))
        return points

    def _grade(self, history: History, trials: list[FrozenTrial]) -> None:
        """Have what came to no good counted among the rest, never among the good.

        optuna takes a share of all ended trials as good ones, and where too few were measured, the rest of that share from those
        it was told as pruned. So no more than leave the share to the measured ones are told as pruned; any further as running,
        which are among the rest too but count in no share.
        """
        from optuna.trial import TrialState

        lost = [
            told
            for past, told in zip(history, trials, strict=True)
            if not past.state.is_active and not (past.is_measured and past.feasible)
        ]
        measured = len(history) - len(history.running()) - len(lost)
        gamma = self.settings.gamma
        most = measured * _TENTH if gamma is None else int((measured / gamma) ** 2)
        for place, told in enumerate(lost):
            told.state = TrialState.PRUNED if place < most - measured else TrialState.RUNNING

    @cached_property
    def _translation(self) -> Translation:
        from suggestions._optuna import Translation

        return Translation(self.problem, ranks_stopped=True, completes=False)

    @cached_property
    def _groups(self) -> list[tuple[Activation | None, dict[str, Gene]]]:
        """Parameters that are active together, parents first."""
        groups: dict[Any, tuple[Activation | None, dict[str, Gene]]] = {}
        for name, gene in self._translation.genes.items():
            activation = gene.parameter.activation
            key = activation and (activation.parent, activation.values)
            groups.setdefault(key, (activation, {}))[1][name] = gene
        return list(groups.values())

    def _propose(
        self, study: Study, number: int, history: History, fresh: set[Point], rng: random.Random
    ) -> Point | None:
        import numpy as np

        space = self.problem.space
        sampler = self._sampler(rng.getrandbits(32))
        with np.errstate(all="ignore"):  # results near the largest double overflow in its arithmetic, harmlessly
            values: dict[str, Value] = {}
            for _ in range(_TRIES):
                # Where parameters are independent, one after the other is drawn anew: cheaper, and nearer to what is best.
                values = self._draw(study, number, sampler, {} if self.joint else values)
                point = space.point(values)
                if point not in fresh and not history.was_tried(point) and space.satisfies(point):
                    return point
                values.pop(rng.choice([name for name in point if name in self._translation.genes] or list(point)))
        return None

    def _draw(self, study: Study, number: int, sampler: TPESampler, kept: Mapping[str, Value]) -> dict[str, Value]:
        """Go down the tree of conditions, and ask the model for what is active and not kept."""
        asked = self._translation.trial(number, self.problem.space.point({}))
        values: dict[str, Value] = {
            parameter.name: parameter.at(0) for parameter in self.problem.space.parameters if parameter.cardinality == 1
        }
        for activation, genes in self._groups:
            if activation is not None and values.get(activation.parent) not in activation.values:
                continue
            values.update((name, kept[name]) for name in genes if name in kept)
            wanted = {name: gene.distribution for name, gene in genes.items() if name not in kept}
            if self.joint:
                told = sampler.sample_relative(study, asked, wanted)
            else:
                told = {name: sampler.sample_independent(study, asked, name, one) for name, one in wanted.items()}
            values.update((name, genes[name].value(value)) for name, value in told.items())
        return values

    def _sampler(self, seed: int) -> TPESampler:
        from optuna.samplers import TPESampler

        settings = self.settings
        more: dict[str, Any] = {}
        if settings.prior_weight is not None:
            more["prior_weight"] = settings.prior_weight
        if settings.gamma is not None:
            more["gamma"] = lambda trials: min(math.ceil(settings.gamma * math.sqrt(trials)), _MOST_GOOD)
        with warnings.catch_warnings():
            # Of arguments that optuna means to drop in version 6, which this project's requirements exclude.
            warnings.simplefilter("ignore")
            return TPESampler(
                n_startup_trials=0,
                n_ei_candidates=settings.candidates,
                seed=seed,
                multivariate=self.joint,
                constant_liar=True,
                **more,
            )


class MultivariateTpe(Tpe, Algorithm, name="multivariate-tpe"):
    """Points that resemble the good trials and not the bad ones, all parameters together.

    Like ``tpe``, but it estimates how good and bad trials lie in all parameters at once, which sees what matters only in
    combination. Conditional parameters are estimated together with those that are active under the same condition.
    """

    joint = True
