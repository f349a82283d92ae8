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
from katib.rpc.experiment_message import experiment_of, seed_of
from katib.rpc.trial_message import decode_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["rules_reply"]

_COMPARISONS: Final = {"equal": wire.EQUAL, "less": wire.LESS, "greater": wire.GREATER}


def rules_reply(
    message: wire.Experiment, trials: Iterable[bytes], curves: Mapping[str, Sequence[float]]
) -> wire.GetEarlyStoppingRulesReply:
    """Return the rules for trials that are about to begin.

    Args:
        message: The experiment.
        trials: Its trials, as bytes.
        curves: The objective's values over time, by trial name.

    Raises:
        InvalidInput: The experiment has no such early stopper, or one that cannot do with it.
    """
    experiment = experiment_of(message)
    problems = [*objective_problems(experiment.spec), *early_stoppers.problems(experiment)]
    if problems:
        raise InvalidExperiment(problems)
    stopper = early_stoppers.create(experiment, seed_of(message))
    space = stopper.problem.space
    names = [objective.name for objective in stopper.problem.objectives]
    decoded = [decode_trial(data, space, names, lambda _: {}) for data in trials]
    ordered = sorted(decoded, key=attrgetter("order"))
    history = History(replace(trial.past, index=index) for index, trial in enumerate(ordered) if trial.past is not None)
    reply = wire.GetEarlyStoppingRulesReply()
    for rule in stopper.rules(history, curves):
        reply.early_stopping_rules.add(
            name=rule.name,
            value=rule.value,
            comparison=_COMPARISONS[rule.comparison],
            start_step=rule.start_step or 0,
        )
    return reply
