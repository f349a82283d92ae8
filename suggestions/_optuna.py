"""What optuna's samplers are told: a space as its distributions, trials as its trials, a history as its study.

A study is made anew for every call from trials that were translated before, so that no state but the history exists. It holds no
algorithm and decides nothing about points.
"""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import NSGAIISampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from katib.algorithm.history import PastTrial
from katib.api.trial import TrialState as Became
from katib.space.parameter import Choice, Grid

if TYPE_CHECKING:
    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.space.parameter import Parameter, Value
    from katib.space.point import Point

__all__ = ["Breeder", "Gene", "Translation", "genes_of", "study_of"]

_NAME: Final = "history"
_MOST_STEPS: Final = 2**31
"""More values than this are no longer told as numbered steps but as a continuum; the space still makes them exact."""
_LARGEST: Final = 280
"""Decimal exponent the product of all objectives may reach: several objectives are multiplied as volumes."""


@dataclass(frozen=True, slots=True)
class Gene:
    """A parameter as optuna sees it.

    Attributes:
        parameter: What it is in the space.
        distribution: What it is in optuna.
    """

    parameter: Parameter
    distribution: BaseDistribution

    def told(self, value: Value) -> float | int:
        """Return optuna's number for a value."""
        if isinstance(self.distribution, FloatDistribution):
            return self.parameter.to_unit(value)
        if isinstance(self.distribution, CategoricalDistribution) or not isinstance(self.parameter, Choice):
            return self.parameter.index_of(value)
        return int(self.parameter.to_unit(value) * self.parameter.cardinality)

    def value(self, told: Any) -> Value:
        """Return the value optuna's number stands for."""
        if isinstance(self.distribution, FloatDistribution):
            return self.parameter.from_unit(min(max(float(told), 0.0), 1.0))
        if isinstance(self.distribution, CategoricalDistribution) or not isinstance(self.parameter, Choice):
            return self.parameter.at(int(told))
        return self.parameter.from_unit((int(told) + 0.5) / self.parameter.cardinality)


def genes_of(problem: SearchProblem) -> dict[str, Gene]:
    """Return the parameters with more than one value; the others have nothing to be chosen."""
    return {
        parameter.name: Gene(parameter, _distribution(parameter))
        for parameter in problem.space.parameters
        if parameter.cardinality != 1
    }


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Choice):
        if parameter.kind == "categorical":
            return CategoricalDistribution(range(parameter.cardinality))
        return IntDistribution(0, parameter.cardinality - 1)  # the places of the numbers in their order
    if isinstance(parameter, Grid) and parameter.distribution == "uniform" and parameter.cardinality <= _MOST_STEPS:
        return IntDistribution(0, parameter.cardinality - 1)
    # optuna has no normal and no logarithmic steps: the unit interval has all distributions, by their quantiles.
    return FloatDistribution(0.0, 1.0)


class Translation:
    """Translates trials, each once as long as it does not change.

    Args:
        problem: The experiment's.
        ranks_stopped: Whether early-stopped trials rank behind all that ran to their end, whatever they had reached.
        completes: Whether a parameter that was not active gets a number by chance, for samplers that need all of them.
    """

    def __init__(self, problem: SearchProblem, *, ranks_stopped: bool, completes: bool) -> None:
        self.genes = genes_of(problem)
        self._ranks_stopped = ranks_stopped and len(problem.objectives) == 1
        self._completes = completes
        self._limit = 10.0 ** (_LARGEST // len(problem.objectives))
        self._told: dict[str, tuple[PastTrial, FrozenTrial]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Past trials are not made to be sent to another process, which sees them in its own history.
        return {**self.__dict__, "_told": {}}

    def trials(self, history: History) -> list[FrozenTrial]:
        """Return all trials; those that were not translated before cost something, and those that are gone are forgotten."""
        known, self._told = self._told, {}
        trials = []
        for past in history:
            pair = known.get(past.name)
            if pair is None or not (pair[0] is past or pair[0] == past):
                pair = (past, self._translate(past))
            self._told[past.name] = pair
            trials.append(pair[1])
        return trials

    def _translate(self, past: PastTrial) -> FrozenTrial:
        if not past.is_measured or not past.feasible or past.values is None:
            return self.trial(past.index, past.point)
        values = tuple(min(max(value, -self._limit), self._limit) for value in past.values)
        if past.state is Became.EARLY_STOPPED and self._ranks_stopped:
            return self.trial(past.index, past.point, TrialState.PRUNED, reached={0: values[0]})
        return self.trial(past.index, past.point, TrialState.COMPLETE, values)

    def trial(
        self,
        number: int,
        point: Point,
        state: TrialState = TrialState.RUNNING,
        values: tuple[float, ...] | None = None,
        *,
        reached: dict[int, float] | None = None,
    ) -> FrozenTrial:
        """Return a point as optuna's trial."""
        told = {name: gene.told(point[name]) for name, gene in self.genes.items() if name in point}
        if self._completes:
            for name, gene in self.genes.items():
                if name not in told:
                    chance = random.Random(f"{number}/{name}").random()
                    told[name] = gene.told(gene.parameter.from_unit(chance))
        return _Told(number, state, None, None, None, told, {}, {}, {}, reached or {}, number, values=values)


def study_of(problem: SearchProblem, trials: list[FrozenTrial]) -> Study:
    """Return a study of these trials; a list that grows later is a study that grows."""
    directions = [
        StudyDirection.MINIMIZE if objective.minimize else StudyDirection.MAXIMIZE for objective in problem.objectives
    ]
    return Study(_NAME, _Storage(directions, trials))


class _Told(FrozenTrial):
    """A trial without constraints: optuna looks for them in each trial, again for each parameter of each point."""

    @property
    @override
    def constraints(self) -> dict[str, float]:
        return {}


class Breeder(NSGAIISampler):
    """An NSGA-II that is told which trials are parents, instead of looking for what it noted on trials when they began.

    Attributes:
        parents: Of whom ``sample_relative`` makes children.
        members: Their children so far; ``select_parent`` chooses among both.
    """

    def __init__(self, parents: list[FrozenTrial], **settings: Any) -> None:
        super().__init__(**settings)
        self.parents = parents
        self.members: list[FrozenTrial] = []

    @override
    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return 1

    @override
    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        return self.members

    @override
    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        return self.parents


class _Storage(BaseStorage):
    """One study over a list of trials, which it neither copies nor changes: optuna's own spends most of a call on copying."""

    def __init__(self, directions: list[StudyDirection], trials: list[FrozenTrial]) -> None:
        self._directions = directions
        self._trials = trials
        self._attributes: dict[str, Any] = {}

    @override
    def get_study_id_from_name(self, study_name: str) -> int:
        return 0

    @override
    def get_study_name_from_id(self, study_id: int) -> str:
        return _NAME

    @override
    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._directions

    @override
    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return {}

    @override
    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._attributes

    @override
    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._attributes[key] = value

    @override
    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Forget it: what samplers leave on the trial they are asked for is for other processes of a shared study."""

    @override
    def get_trial(self, trial_id: int) -> FrozenTrial:
        return next(trial for trial in self._trials if trial.number == trial_id)

    @override
    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return [trial for trial in self._trials if states is None or trial.state in states]

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("a sampler wants to change the history")

    create_new_study = _refuse
    delete_study = _refuse
    set_study_user_attr = _refuse
    get_all_studies = _refuse
    create_new_trial = _refuse
    set_trial_param = _refuse
    set_trial_state_values = _refuse
    set_trial_intermediate_value = _refuse
    set_trial_user_attr = _refuse
