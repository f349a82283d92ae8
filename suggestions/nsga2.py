"""NSGA-II (Deb et al., 2002), a genetic algorithm for several objectives, by optuna."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, NonNegativeInt

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.algorithm.unseen import draw_unseen, list_unseen

if TYPE_CHECKING:
    import random

    from optuna import Study
    from optuna.trial import FrozenTrial

    from katib.algorithm.history import History
    from katib.space.parameter import Value
    from katib.space.point import Point
    from suggestions._optuna import Breeder, Translation

_LABEL: Final = "katib.kubeflow.org/nsga2-generation"
_GENERATIONS: Final = 5
"""How many generations the budget makes, where the population's size is not stated."""
_SMALLEST: Final = 10
_LARGEST: Final = 50
_TRIES: Final = 50
"""Children that may be in vain, because they were tried or break a constraint, before chance proposes a point."""


class Nsga2(Algorithm, name="nsga2"):
    """A genetic algorithm for several objectives: children of the trials that no other trial beats in everything.

    The first generation is random. Each further one is bred from the best of all before by crossover and mutation, where of equally
    good trials those in sparse regions of the front come first. A generation is complete when as many trials as the population
    has have succeeded; failed trials and those out of bounds have no children.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``nsga2``."""

        population_size: Annotated[int, Field(ge=2)] | None = None
        """Trials in a generation; by default a fifth of ``maxTrialCount``, at least 10 and at most 50."""
        crossover_prob: Annotated[float, Field(ge=0, le=1)] = 0.9
        """Probability that a child has two parents."""
        swapping_prob: Annotated[float, Field(ge=0, le=1)] = 0.5
        """Probability that a child of two has a parameter from the second one."""
        mutation_prob: Annotated[float, Field(ge=0, le=1)] | None = None
        """Probability that a parameter is drawn anew; by default one in the number of parameters."""
        random_state: NonNegativeInt | None = None
        """Seed of this search; without it the experiment's seed is used."""

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return new points; fewer when a finite space has no more."""
        if count <= 0:
            return []
        from suggestions._optuna import study_of

        space = self.problem.space
        trials = self._translation.trials(history)
        study = study_of(self.problem, trials)
        generation, parents = self._generation(history, study, trials)
        points: list[Point] = []
        fresh: set[Point] = set()
        while len(points) < count:
            # Each point has its own numbers: how many are asked for at a time changes none of them.
            rng = self.rng(history, ahead=len(points))
            point = self._child(study, parents, history, fresh, rng) if parents else None
            if point is None:
                point = draw_unseen(space, history, fresh, rng)
            if point is None:
                left = list_unseen(space, history, fresh, count - len(points), self.rng(history))
                return points + [point.labelled(**{_LABEL: str(generation)}) for point in left]
            fresh.add(point)
            points.append(point.labelled(**{_LABEL: str(generation)}))
        return points

    @cached_property
    def _size(self) -> int:
        stated: int | None = self.settings.population_size
        budget = self.problem.max_trials
        if stated is not None:
            return stated
        return _LARGEST if budget is None else min(max(budget // _GENERATIONS, _SMALLEST), _LARGEST)

    @cached_property
    def _translation(self) -> Translation:
        from suggestions._optuna import Translation

        return Translation(self.problem, ranks_stopped=False, completes=True)

    @cached_property
    def _chosen(self) -> list[tuple[list[FrozenTrial], list[FrozenTrial], list[FrozenTrial]]]:
        """Of each generation: who was in it, who its parents were, and who of both were chosen as the next one's parents."""
        return []

    def _generation(self, history: History, study: Study, trials: list[FrozenTrial]) -> tuple[int, list[FrozenTrial]]:
        """Return the number of the generation to come and its parents; none for the first."""
        generations: dict[int, list[FrozenTrial]] = {}
        for past, told in zip(history, trials, strict=True):
            if past.is_measured and past.feasible:
                # Trials that this algorithm did not propose belong to the first generation.
                generations.setdefault(int(past.labels.get(_LABEL, 0)), []).append(told)
        newest = max(generations, default=0)
        complete = len(generations.get(newest, [])) >= self._size
        before = sorted(generations) if complete else sorted(generations)[:-1]
        parents: list[FrozenTrial] = []
        sampler = self._sampler(0, parents)
        for place, number in enumerate(before):
            members = generations[number]
            # Late results change what was chosen long ago, so that an answer depends on the history alone.
            if place == len(self._chosen) or self._chosen[place][:2] != (members, parents):
                sampler.parents, sampler.members = parents, members
                self._chosen[place:] = [(members, parents, sampler.select_parent(study, number + 1))]
            parents = self._chosen[place][2]
        return newest + complete, parents

    def _child(
        self, study: Study, parents: list[FrozenTrial], history: History, fresh: set[Point], rng: random.Random
    ) -> Point | None:
        space, genes = self.problem.space, self._translation.genes
        distributions = {name: gene.distribution for name, gene in genes.items()}
        if len(parents) < 2 or not genes:  # noqa: PLR2004 - a pair
            return None
        sampler = self._sampler(rng.getrandbits(32), parents)
        asked = self._translation.trial(history.next_index, space.point({}))
        for _ in range(_TRIES):
            told = sampler.sample_relative(study, asked, distributions)
            values: dict[str, Value] = {}
            for parameter in space.parameters:
                name = parameter.name
                # The sampler leaves out what is to mutate.
                values[name] = genes[name].value(told[name]) if name in told else parameter.sample(rng)
            point = space.point(values)
            if point not in fresh and not history.was_tried(point) and space.satisfies(point):
                return point
        return None

    def _sampler(self, seed: int, parents: list[FrozenTrial]) -> Breeder:
        from suggestions._optuna import Breeder

        settings = self.settings
        return Breeder(
            parents,
            population_size=self._size,
            crossover_prob=settings.crossover_prob,
            swapping_prob=settings.swapping_prob,
            mutation_prob=settings.mutation_prob,
            seed=seed,
        )
