"""Early stopping on Katib's wire: from an experiment, its trials and their learning curves to rules for new trials.

The algorithm of the experiment may be one that this server does not have: only its early stopper is made here.
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from katib.algorithm import early_stoppers
from katib.algorithm.history import History
from katib.api.validate.objectives import objective_problems
from katib.errors import InvalidExperiment
from katib.rpc import v1beta1 as wire
from katib.rpc.trial_message import decode_placed_trial, decode_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from katib.algorithm.history import PastTrial
    from katib.rpc.search import Search
    from katib.space.space import Space

__all__ = ["rules_reply"]

_COMPARISONS: Final = {"equal": wire.EQUAL, "less": wire.LESS, "greater": wire.GREATER}


def rules_reply(
    search: Search, trials: Iterable[bytes], curves: Mapping[str, Sequence[float]]
) -> wire.GetEarlyStoppingRulesReply:
    """Return the rules for trials that are about to begin.

    Args:
        search: The experiment.
        trials: Its trials, as bytes.
        curves: The objective's values over time, by trial name.

    Raises:
        InvalidInput: The experiment has no such early stopper, or one that cannot do with it.
    """
    experiment = search.experiment
    problems = [*objective_problems(experiment.spec), *early_stoppers.problems(experiment)]
    if problems:
        raise InvalidExperiment(problems)
    stopper = early_stoppers.create(experiment, search.seed)
    names = [objective.name for objective in stopper.problem.objectives]
    history = History(_past(trials, stopper.problem.space, names, exact=search.exact))
    reply = wire.GetEarlyStoppingRulesReply()
    for rule in stopper.rules(history, curves):
        reply.early_stopping_rules.add(
            name=rule.name,
            value=rule.value,
            comparison=_COMPARISONS[rule.comparison],
            start_step=rule.start_step or 0,
        )
    return reply


def _past(trials: Iterable[bytes], space: Space, names: Sequence[str], *, exact: bool) -> Iterator[PastTrial]:
    """Yield the trials in the order of their places."""
    if exact:
        decoded = [decode_placed_trial(data, space, names) for data in trials]
    else:
        decoded = [decode_trial(data, space, names, lambda _: {}) for data in trials]
    for index, trial in enumerate(sorted(decoded, key=attrgetter("order"))):
        if trial.past is not None:
            yield trial.past if exact else replace(trial.past, index=index)
