"""CMA-ES: a normal distribution that learns the shape of the objective, generation by generation.

Continuous spaces: CMA-ES (Hansen and Ostermeier, 2001; Hansen, 2016). Spaces with integers, steps, discrete or categorical values:
CatCMA with margin (Hamano et al., 2025), which keeps the least probability for the neighbours of an integer (CMA-ES with margin,
Hamano et al., 2022) and learns categories beside the normal distribution (CatCMA, Hamano et al., 2024). Restarts: IPOP (Auger and
Hansen, 2005), BIPOP (Hansen, 2009).

Nothing is kept that cannot be rebuilt. Each update of the distribution takes the results of one generation; which trials they were is
written on the points that were drawn afterwards: all trials in the order of their indices, but for those that had not ended at the
time. A point also carries what it was drawn with, because the optimiser wants to hear of the place between two integers that it drew,
which the rounded point does not tell.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from dataclasses import dataclass, field
from itertools import chain, takewhile
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.algorithm.unseen import draw_unseen, list_unseen
from katib.api.trial import TrialState
from katib.errors import Problem
from suggestions._cma_distributions import Coding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from katib.algorithm.history import History, PastTrial
    from katib.algorithm.problem import SearchProblem
    from katib.space.point import Point
    from suggestions._cma_distributions import Continuous, Mixed

_DRAWN: Final = "katib.kubeflow.org/cmaes-drawn"
"""Generation, place and attempt of a draw; ``x`` for a point that was found in another way."""
_PASSED: Final = "katib.kubeflow.org/cmaes-passed-over"
"""Trials that had not ended when the generation before was complete: bits in the order of indices, hexadecimal."""
_DRAWN_FORM: Final = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,3}|x)")
_PASSED_FORM: Final = re.compile(r"[0-9a-f]{1,60}")
_BITS: Final = 240
"""As many as a label's value holds; also the largest population, so that one slow trial cannot hold up a generation."""
_SIGMA: Final = 1 / 6
_SIGMA_MIXED: Final = 1 / 8
"""A little less, as in the package's own beginnings: a list of values reaches less far than a continuum."""
_MOST_PARAMETERS: Final = 1_000
_TRIES: Final = 30
"""Draws before a new point is looked for in the neighbourhood of draws."""
_LARGEST: Final = 1e100
"""Results are cut off here, so that no difference or penalty overflows."""
_FLAT: Final = 10
"""Generations without any difference between their results after which a run is over."""


class CmaEs(Algorithm, name="cmaes"):
    """Adapts a normal distribution to the objective: strong from 5 to 50 dimensions and on ill-conditioned problems.

    Integers, steps and discrete values are searched with a margin, categories with a distribution of their own. A conditional
    parameter is drawn like the others, and its value is left out where it is not active: the optimiser sees that it does not matter
    there. Points are handed out as asked, however many run; a generation is complete when as many trials as it needs have ended.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``cmaes``."""

        random_state: NonNegativeInt | None = None
        """Seed of this search; without it the experiment's seed is used."""
        sigma: NonNegativeFloat | None = None
        """Standard deviation at the beginning, as a share of each parameter's range; when it is 0 or not given, a sixth, and an
        eighth where some parameters are no continuum."""
        restart_strategy: Literal["ipop", "bipop", "none"] | None = None
        """What to do when the search has converged: start anew with twice the population (ipop), or with large and small
        populations in turn (bipop); otherwise it goes on where it is."""
        popsize: Annotated[int, Field(ge=4, le=_BITS)] | None = None
        """Trials in a generation; without it 4 + 3 ln(number of parameters)."""

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:  # noqa: ARG003 - nothing to check
        """Refuse several objectives, and more parameters than a matrix of them all can be made for in time."""
        if problem.space.dimension > _MOST_PARAMETERS:
            yield Problem("spec.parameters", f"cmaes takes at most {_MOST_PARAMETERS}", problem.space.dimension)
        if len(problem.objectives) > 1:
            yield Problem("spec.objectives", "cmaes has one objective; nsga2 and tpe can do with several")

    def __init__(self, problem: SearchProblem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self._coding = Coding(problem.space)
        self._state: _State | None = None

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return draws that were not tried; fewer when a finite space has no more."""
        if not count:
            return []
        state = self._rebuilt(history) if self._coding.dimension else None
        points: list[Point] = []
        fresh: set[Point] = set()
        while len(points) < count:
            point = state and self._draw(state, history, fresh, history.next_index + len(points))
            if not point:
                left = list_unseen(self.problem.space, history, fresh, count - len(points), self.rng(history))
                return points + left
            fresh.add(point)
            points.append(point)
        return points

    # -- one point --------------------------------------------------------------------------------------------------

    def _draw(self, state: _State, history: History, fresh: set[Point], place: int) -> Point | None:
        """Return a draw, or something near one, that was not tried and keeps the constraints."""
        space = self.problem.space
        passed = {_PASSED: f"{state.passed:x}"} if state.passed else {}

        def found(point: Point, attempt: int | str) -> Point | None:
            if point in fresh or history.was_tried(point) or not space.satisfies(point):
                return None
            return point.labelled(**{_DRAWN: f"{state.generation}.{place}.{attempt}"}, **passed)

        for attempt in range(_TRIES):
            unit = self._coding.unit(state.optimiser.draw(self._number(state.generation, place, attempt)))
            if new := found(space.from_unit(unit), attempt):
                return new
        # The distribution has contracted to what was tried, or lies where the constraints do not hold: move ever more coordinates.
        rng = random.Random(self._number(state.generation, place, "near"))
        for attempt in range(_TRIES):
            unit = self._coding.unit(state.optimiser.draw(rng.getrandbits(32)))
            share = max((attempt + 1) / _TRIES, 1 / len(unit))
            near = [rng.random() if rng.random() < share else coordinate for coordinate in unit]
            if new := found(space.from_unit(near), "x"):
                return new
        unseen = draw_unseen(space, history, fresh, rng)
        return unseen and found(unseen, "x")

    def _number(self, *what: int | str) -> int:
        """Return a seed for numpy that depends on the search's seed and this."""
        seed = self.problem.seed if self.settings.random_state is None else self.settings.random_state
        text = "/".join(map(str, (seed, *what)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")

    # -- the state --------------------------------------------------------------------------------------------------

    def _rebuilt(self, history: History) -> _State:
        """Return the state after the last complete generation."""
        trials = list(history)
        state = self._state
        if state is None or not state.is_of(trials):
            state = self._begun()
        self._state = None  # until it is whole again
        draws = _Draw.by_generation(trials, state.position)
        while self._next_generation(state, trials, draws):
            pass
        self._state = state
        return state

    def _begun(self) -> _State:
        import numpy as np

        optimiser = self._coding.optimiser(np.full(self._coding.numbers, 0.5), self._sigma, self._popsize)
        return _State(optimiser, self._popsize)

    @property
    def _sigma(self) -> float:
        return self.settings.sigma or (_SIGMA_MIXED if self._coding.is_mixed else _SIGMA)

    @property
    def _popsize(self) -> int:
        return self.settings.popsize or self._coding.popsize

    def _next_generation(self, state: _State, trials: list[PastTrial], draws: dict[int, list[_Draw]]) -> bool:
        """Tell the optimiser of the next generation, if it is complete."""
        following = draws.get(state.generation + 1)
        choice = state.choose(trials, following[0].passed_over if following else None)
        if choice is None:
            return False
        current = draws.get(state.generation, [])
        # Draws can be repeated only while the distribution is the one that they came from.
        if self._coding.is_mixed:
            for draw in current:
                if draw.attempt is not None:
                    number = self._number(draw.generation, draw.place, draw.attempt)
                    state.drawn[draw.trial] = state.optimiser.draw(number)
        own = {draw.trial for draw in current if draw.attempt is not None}
        solutions = []
        for trial in choice.batch:
            solution = self._coding.solution(trial.point, state.drawn.pop(trial.name, None))
            solutions.append(solution if trial.name in own else state.optimiser.within_reach(solution))
        minimize = self.problem.objectives[0].minimize
        informative = state.optimiser.tell(solutions, _losses(choice.batch, minimize=minimize))
        state.advance(trials, choice, current[0] if current else None)
        state.flat = 0 if informative else state.flat + 1
        self._restart_if_due(state)
        return True

    def _restart_if_due(self, state: _State) -> None:
        import numpy as np

        strategy = self.settings.restart_strategy
        broken = not state.optimiser.is_sound()
        if not broken and (strategy in (None, "none") or not (state.flat >= _FLAT or state.optimiser.has_converged())):
            return
        rng = random.Random(self._number("restart", state.generation))
        sigma, popsize = self._sigma, state.popsize
        if strategy == "ipop":
            popsize = min(2 * popsize, _BITS)
        elif strategy == "bipop":
            if state.run:
                state.spent[state.is_small] += state.told
            # The first run counts for neither side; then the side that has spent less has its turn.
            state.is_small = state.run > 0 and state.spent[True] < state.spent[False]
            if state.is_small:
                share = rng.random() ** 2
                popsize = max(4, math.floor(self._popsize * (0.5 * state.large / self._popsize) ** share))
                sigma *= 10 ** (-2 * rng.random())
            else:
                popsize = state.large = min(2 * max(state.large, self._popsize), _BITS)
        mean = np.array([rng.random() for _ in range(self._coding.numbers)])
        state.begin_run(self._coding.optimiser(mean, sigma, popsize), popsize)


def _losses(batch: list[PastTrial], *, minimize: bool) -> list[float]:
    """Return what to minimise, for each trial; those without a result that counts are as bad as the worst."""
    values = [
        None
        if trial.values is None or math.isnan(trial.values[0]) or not (trial.feasible and _counts(trial))
        else max(-_LARGEST, min(_LARGEST, trial.values[0] if minimize else -trial.values[0]))
        for trial in batch
    ]
    worst = max((value for value in values if value is not None), default=0.0)
    return [worst if value is None else value for value in values]


def _counts(trial: PastTrial) -> bool:
    return trial.state in (TrialState.SUCCEEDED, TrialState.EARLY_STOPPED)


@dataclass(frozen=True, slots=True)
class _Draw:
    """Where a trial's point came from: what its labels say."""

    trial: str
    number: int
    generation: int
    place: int
    attempt: int | None
    passed_over: int

    @classmethod
    def of(cls, trial: PastTrial, number: int) -> _Draw | None:
        """Return the draw, or None where the labels are not ours; ``number`` is the trial's place in the history."""
        form = _DRAWN_FORM.fullmatch(trial.labels.get(_DRAWN, ""))
        if form is None:
            return None
        generation, place, attempt = form.groups()
        passed = trial.labels.get(_PASSED, "")
        return cls(
            trial.name,
            number,
            int(generation),
            int(place),
            None if attempt == "x" else int(attempt),
            int(passed, 16) if _PASSED_FORM.fullmatch(passed) else 0,
        )

    @classmethod
    def by_generation(cls, trials: Sequence[PastTrial], start: int) -> dict[int, list[_Draw]]:
        """Return the draws among the trials from ``start`` on."""
        found: dict[int, list[_Draw]] = {}
        for number in range(start, len(trials)):
            if draw := cls.of(trials[number], number):
                found.setdefault(draw.generation, []).append(draw)
        return found


@dataclass(frozen=True, slots=True)
class _Choice:
    """The trials of a generation.

    Attributes:
        batch: Those.
        passed: Which were passed over because they had not ended, as bits.
        over: Their names.
        position: How many trials, by index, were looked at.
        left: The places of those among them that wait for a later generation.
    """

    batch: list[PastTrial]
    passed: int
    over: set[str]
    position: int
    left: list[int]


@dataclass(slots=True)
class _State:
    """A search after some complete generations, and which trials it was made of.

    Attributes:
        optimiser: The distribution.
        popsize: Trials in a generation.
        generation: Complete generations of all runs.
        passed: Which trials the last of them passed over, as bits.
        over: Their names.
        unsaid: The names of trials that were passed over earlier, when no later point says so.
        position: How many trials, by index, were looked at.
        left: The places of those among them that wait for a later generation.
        drawn: What was drawn for them, by name.
        seen: The trials looked at, and the points that say what was passed over, as they were then.
        used: Their names, of those whose results are in the state.
        run: Restarts so far.
        since: The generation the run began with.
        told: Results in this run.
        flat: Generations in a row whose results did not differ.
        large: The large population of BIPOP.
        spent: The trials of its small and large runs.
        is_small: Which of them this one is.
    """

    optimiser: Continuous | Mixed
    popsize: int
    generation: int = 0
    passed: int = 0
    over: set[str] = field(default_factory=set)
    unsaid: set[str] = field(default_factory=set)
    position: int = 0
    left: list[int] = field(default_factory=list)
    drawn: dict[str, Any] = field(default_factory=dict)
    seen: list[PastTrial] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    run: int = 0
    since: int = 0
    told: int = 0
    flat: int = 0
    large: int = 0
    spent: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})
    is_small: bool = False

    def is_of(self, trials: list[PastTrial]) -> bool:
        """Whether rebuilding from these trials would come through this state."""
        if len(trials) < len(self.seen):
            return False
        # Another process may have completed the generation with other trials, and its points are those that ran.
        current = _Draw.by_generation(trials, self.position).get(self.generation)
        if current and current[0].passed_over != self.passed:
            return False
        # Where nothing says that a trial was passed over, it is not once it has ended.
        waiting = self.unsaid if current else self.unsaid | self.over
        for old, new in zip(self.seen, trials, strict=False):
            if new is old:
                continue
            if (new.name, new.point, new.labels) != (old.name, old.point, old.labels):
                return False
            if new.name in self.used and (new.values, new.state, new.feasible) != (old.values, old.state, old.feasible):
                return False
            if new.name in waiting and not new.state.is_active:
                return False
        return True

    def choose(self, trials: list[PastTrial], stated: int | None) -> _Choice | None:
        """Return the next generation, or None while it is not complete.

        Args:
            trials: All of them.
            stated: What the points that were drawn afterwards say was passed over; None when there are none yet.
        """
        batch: list[PastTrial] = []
        left: list[int] = []
        over: set[str] = set()
        passed = bit = 0
        waiting = iter(chain(self.left, range(self.position, len(trials))))
        for place in waiting:
            trial = trials[place]
            if self.since and (draw := _Draw.of(trial, place)) and draw.generation < self.since:
                continue  # of an earlier run: far from this one
            if (trial.state.is_active if stated is None else stated >> bit & 1) and bit < _BITS:
                passed |= 1 << bit
                over.add(trial.name)
                left.append(place)
            elif trial.state.is_active and stated is None:
                return None
            else:
                batch.append(trial)
            bit += 1
            if len(batch) == self.popsize:
                left += takewhile(lambda later: later < self.position, waiting)
                return _Choice(batch, passed, over, max(place + 1, self.position), left)
        return None

    def advance(self, trials: list[PastTrial], choice: _Choice, current: _Draw | None) -> None:
        """Note that a generation is complete; ``current`` is the first point of the distribution that it changed."""
        if current is None:
            self.unsaid |= self.over
        self.generation += 1
        self.told += len(choice.batch)
        self.passed, self.over, self.position, self.left = choice.passed, choice.over, choice.position, choice.left
        self.used.update(trial.name for trial in choice.batch)
        self.seen = trials[: max(self.position, len(self.seen), current.number + 1 if current else 0)]

    def begin_run(self, optimiser: Continuous | Mixed, popsize: int) -> None:
        """Start anew."""
        self.optimiser, self.popsize = optimiser, popsize
        self.run += 1
        self.since = self.generation
        self.told = self.flat = 0
        self.drawn.clear()
