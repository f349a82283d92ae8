"""Population based training (Jaderberg, Dalibard, Osindero et al., 2017): hyperparameters that change while a population trains.

Each member of the population trains in short trials, one generation after the other, and each trial begins with the checkpoint of
the one before. Between two trials a member that is among the worst goes on from a better one instead, with its checkpoint and its
hyperparameters, and then every member perturbs what it has.

The paper's members never wait for each other, and neither do these. But they are compared at the same age: a trial of generation 3
with others of generation 3, since another generation of training alone makes a member look better.

All that must be found again is the generation and the member of a trial. They travel as labels and, because Katib's controller
keeps labels to itself, in the trial's name. Neither the parents of past trials nor trials that vanished are needed: what a member's
next trial is follows from the results that there are.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, NonNegativeInt, field_validator, model_validator

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.lineage import PARENT
from katib.algorithm.settings import AlgorithmSettings
from katib.algorithm.unseen import draw_unseen, list_unseen
from katib.errors import Problem
from suggestions._perturbation import perturbed

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Mapping

    from katib.algorithm.history import History, PastTrial
    from katib.algorithm.problem import SearchProblem
    from katib.space.point import Point

_GENERATION: Final = "pbt.suggestion.katib.kubeflow.org/generation"
_MEMBER: Final = "pbt.suggestion.katib.kubeflow.org/member"
_BIRTH: Final = "pbt.suggestion.katib.kubeflow.org/birth"
"""What makes a trial's name unique: two trials of one member and generation, of which one failed, have different ones."""
_NAME: Final = re.compile(r"-g(\d{1,9})-m(\d{1,9})-[0-9a-f]{8}\Z")
_NUMBER: Final = re.compile(r"\d{1,9}")
_LONGEST_NAME: Final = 63
_ROUNDING: Final = 1e-9
_LEAST_POPULATION: Final = 5
_LARGEST_POPULATION: Final = 10_000
_REQUIRED: Final = ("suggestion_trial_dir", "n_population", "truncation_threshold")

_Rank = tuple[bool, float]
"""Smaller is better: whether a bound on another metric is broken, then the loss."""


class PopulationBasedTraining(Algorithm, name="pbt"):
    """Trains a population in short trials; the worst go on from the best ones' checkpoints, and all perturb their hyperparameters.

    A trial finds its folder at ``suggestion_trial_dir`` (the variable KATIB_TRIAL_DIR says where that is), with everything in it that
    its parent left there: the program loads its checkpoint from it and saves it to it. Generation 0 begins with nothing. After each
    trial a member that is in the lowest ``truncation_threshold`` of its generation takes hyperparameters and checkpoint of a better
    one in the highest; all others keep their own. Then each number is multiplied by 0.8 or 1.2, at least by a step where it has
    steps, and each category becomes its neighbour; or, with ``resample_probability``, a value is drawn anew.

    A trial that failed or was killed is tried again by its member: from the same results, with another perturbation. Where more
    trials run at a time than the population has members, the population grows to as many.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``pbt``."""

        suggestion_trial_dir: str
        """The absolute path at which a trial finds the checkpoint of its parent and leaves its own."""
        n_population: int
        """How many members the population has; at least 5."""
        truncation_threshold: float = Field(ge=0, le=1)
        """The share of a generation that takes over from better ones, and the share that is taken from."""
        resample_probability: float | None = Field(default=None, ge=0, le=1)
        """How likely a value is drawn anew instead of perturbed; without it all are perturbed."""
        random_state: NonNegativeInt | None = None
        """Seed of this search; without it the experiment's seed is used."""

        @model_validator(mode="before")
        @classmethod
        def _as_katib_says(cls, values: Any) -> Any:
            missing = [name for name in _REQUIRED if isinstance(values, dict) and values.get(name) is None]
            if missing:
                raise ValueError(f"Required params missing: {', '.join(missing)}")
            return values

        @field_validator("suggestion_trial_dir")
        @classmethod
        def _is_a_folder(cls, value: str) -> str:
            parts = value.split("/")
            if not value.startswith("/") or not value.strip("/") or ".." in parts or "\0" in value:
                raise ValueError("must be an absolute path of a folder, such as /opt/katib/data")
            return value

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:
        """Refuse a population too small to have a best and a worst part, and several objectives."""
        if settings.n_population < _LEAST_POPULATION:
            said = f"Param(n_population) should be >= {_LEAST_POPULATION}"
            yield Problem("spec.algorithm.algorithmSettings", said, settings.n_population, katib_text=said)
        for path, size in (
            ("spec.algorithm.algorithmSettings", settings.n_population),
            ("spec.parallelTrialCount", problem.parallel),
        ):
            if size > _LARGEST_POPULATION:
                yield Problem(path, f"a population has at most {_LARGEST_POPULATION} members", size)
        if len(problem.objectives) != 1:
            yield Problem("spec.objectives", "population based training ranks by one objective")

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return one trial for each member that has none running, the youngest generation first; always as many as are wanted."""
        population = self._read(history)
        points: list[Point] = []
        fresh: set[Point] = set()
        for number in self._ready(population):
            if len(points) >= count:
                break
            member = population.members.get(number) or _Member()
            rng = self.rng(history, ahead=len(points))
            point, parent = self._next(member, population, history, fresh, rng)
            fresh.add(point)
            labels = {_GENERATION: str(member.generation), _MEMBER: str(number)}
            if parent is not None:
                labels[PARENT] = parent.name
            labels[_BIRTH] = self._birth(history, len(points), point, labels)
            points.append(point.labelled(**labels))
        return points

    def trial_name(self, point: Point) -> str:
        """Return ``<experiment>-g<generation>-m<member>-<birth>``, at most 63 characters of a DNS label."""
        labels = point.labels
        end = f"-g{labels.get(_GENERATION, '0')}-m{labels.get(_MEMBER, '0')}-{labels.get(_BIRTH, '0' * 8)}"
        stem = re.sub("[^a-z0-9-]+", "-", self.problem.experiment_name.lower()).lstrip("-")
        return f"{stem[: _LONGEST_NAME - len(end)].rstrip('-') or 'trial'}{end}"

    def labels_from_name(self, name: str) -> Mapping[str, str]:
        """Return the generation and the member that a name tells."""
        found = _NAME.search(name)
        return {} if found is None else {_GENERATION: found[1], _MEMBER: found[2]}

    # -- the population ---------------------------------------------------------------------------------------------

    @property
    def _size(self) -> int:
        size: int = self.settings.n_population
        return max(size, self.problem.parallel)

    def _read(self, history: History) -> _Population:
        """Sort trials by member. One without labels, such as the user's own, belongs to the youngest generation of some member."""
        population = _Population()
        unlabelled = 0
        for trial in history:
            generation, number = trial.labels.get(_GENERATION, ""), trial.labels.get(_MEMBER, "")
            if _NUMBER.fullmatch(generation) and _NUMBER.fullmatch(number):
                place = int(number), int(generation)
            else:
                place = unlabelled % self._size, 0
                unlabelled += 1
            population.add(trial, *place, rank=self._rank(trial))
        return population

    def _rank(self, trial: PastTrial) -> _Rank | None:
        if not trial.is_measured or not trial.values:
            return None
        objective = self.problem.objectives[0]
        return not trial.feasible, trial.values[0] if objective.minimize else -trial.values[0]

    def _ready(self, population: _Population) -> Iterator[int]:
        """Yield the members whose turn it is: those of the population, then others that there once were, then new ones."""
        members = population.members
        known = sorted({*range(self._size), *members})
        idle = [number for number in known if number not in members or not members[number].running]
        own = sum(number < self._size for number in idle)
        for part in (idle[:own], idle[own:]):
            yield from sorted(part, key=lambda number: (members[number].generation if number in members else 0, number))
        yield from (number for number in itertools.count(self._size) if number not in members)

    def _next(
        self, member: _Member, population: _Population, history: History, fresh: set[Point], rng: random.Random
    ) -> tuple[Point, PastTrial | None]:
        """Return what a member tries next, and the trial whose checkpoint it begins with."""
        if member.best is None:
            return self._newcomer(history, fresh, rng), None
        parent = self._parent(member.best, population, rng)
        space, resample = self.problem.space, self.settings.resample_probability or 0.0
        return perturbed(space, parent.point, history, fresh, resample=resample, rng=rng), parent

    def _newcomer(self, history: History, fresh: set[Point], rng: random.Random) -> Point:
        """Draw a point, a new one where there is one: in a small space two members may begin with the same."""
        space = self.problem.space
        found = draw_unseen(space, history, fresh, rng)
        if found is not None:
            return found
        left = list_unseen(space, history, fresh, 1, rng)
        return left[0] if left else space.sample(rng)

    def _parent(self, own: _Result, population: _Population, rng: random.Random) -> PastTrial:
        """Return the member's own last trial; or, when that is among the worst of its generation, one of the best (exploit).

        Where the two shares begin is Katib's choice, that of quantiles that are interpolated: of ten with a threshold of 0.2 the last
        two and the first two, and never none of several.
        """
        peers = sorted(population.generations[own.generation], key=lambda result: (result.rank, result.trial.index))
        threshold, last = self.settings.truncation_threshold, len(peers) - 1
        worst = math.ceil(threshold * last - _ROUNDING)
        if peers.index(own) < len(peers) - worst:
            return own.trial
        best = len(peers) - math.ceil((1 - threshold) * last - _ROUNDING)
        better = [peer for peer in peers[:best] if peer.rank < own.rank]
        return rng.choice(better).trial if better else own.trial

    def _birth(self, history: History, ahead: int, point: Point, labels: Mapping[str, str]) -> str:
        """Return eight characters that another trial of the same member and generation will not have."""
        parts = [
            self.problem.experiment_name,
            str(self._seed_of(history.next_index + ahead)),
            *(f"{name}={value}" for name, value in labels.items()),
            *(f"{item.name}={item.value}" for item in point.assignments()),
        ]
        for again in range(len(history) + 1):  # there are no more names that could be taken
            text = "\0".join([*parts, str(again)])
            birth = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
            if self.trial_name(point.labelled(**labels, **{_BIRTH: birth})) not in history:
                break
        return birth


@dataclass(frozen=True, slots=True)
class _Result:
    """A trial that ended with a number, and what that is worth."""

    trial: PastTrial
    generation: int
    rank: _Rank


@dataclass(slots=True)
class _Member:
    """What is known of one member.

    Attributes:
        best: Its result of the highest generation, and of several there the best one.
        running: Whether a trial of it has not ended.
    """

    best: _Result | None = None
    running: bool = False

    @property
    def generation(self) -> int:
        """The generation of its next trial; one that came to nothing is tried again."""
        return 0 if self.best is None else self.best.generation + 1


@dataclass(slots=True)
class _Population:
    """The members by number, and the results of each generation."""

    members: dict[int, _Member] = field(default_factory=lambda: defaultdict(_Member))
    generations: dict[int, list[_Result]] = field(default_factory=lambda: defaultdict(list))

    def add(self, trial: PastTrial, number: int, generation: int, *, rank: _Rank | None) -> None:
        """Note what became of a member's trial."""
        member = self.members[number]
        member.running = member.running or trial.state.is_active
        if rank is None:
            return
        result = _Result(trial, generation, rank)
        self.generations[generation].append(result)
        best = member.best
        if best is None or (-generation, rank) < (-best.generation, best.rank):
            member.best = result
