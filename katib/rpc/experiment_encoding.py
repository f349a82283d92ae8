"""The experiment of a request: Katib's message for every server, and for ours the whole of it as JSON.

Katib's ``Experiment`` has no field for a seed, for conditions of parameters, constraints, bounds or further objectives, and names
neither uid nor namespace. What no search depends on (the trials' template and what may stand in it, collectors, status) is not sent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from katib.api.base import ObjectMeta
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.errors import InvalidExperiment, Problem
from katib.rpc import v1beta1 as wire
from katib.rpc.request_message import experiment_message
from katib.rpc.request_parts import RequestParts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.api.experiment import Experiment

__all__ = ["encoded_experiment", "experiment_of_json"]

_NOT_SEARCHED: Final = frozenset(
    {
        "trial_template",
        "metrics_collector_spec",
        "initial_trials",
        "resume_policy",
        "max_failed_trial_count",
        "max_runtime",
        "trial_timeout",
    }
)
_MOST_BYTES: Final = 4 << 20
"""An experiment has at most 1 MiB as text; its JSON may be longer where characters are escaped."""


def encoded_experiment(experiment: Experiment, *, settings: Iterable[tuple[str, str]] = (), extended: bool) -> bytes:
    """Return the field ``experiment`` of a request, and ``experiment_json`` with it.

    Args:
        experiment: Defaulted, with its uid.
        settings: What the server itself returned last; they take the place of the experiment's in Katib's message. Ours returns none.
        extended: Whether the whole is sent as well.

    Raises:
        Unsupported: Without the whole, something would be left out that changes the search.
    """
    message = experiment_message(experiment, partial=extended)
    stated = message.spec.algorithm.algorithm_settings
    for name, value in settings:
        known = next((setting for setting in stated if setting.name == name), None)
        if known is None:
            stated.add(name=name, value=value)
        else:
            known.value = value
    request = wire.GetSuggestionsRequest(experiment=message).SerializeToString()
    return request + RequestParts(experiment_json=_json(experiment)).SerializeToString() if extended else request


def _json(experiment: Experiment) -> bytes:
    metadata = experiment.metadata
    searched = experiment.model_copy(
        update={
            "metadata": ObjectMeta(name=metadata.name, namespace=metadata.namespace, uid=metadata.uid),
            "spec": experiment.spec.model_copy(update=dict.fromkeys(_NOT_SEARCHED)),
            "status": None,
        }
    )
    return json.dumps(searched.to_document(), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def experiment_of_json(data: bytes) -> Experiment:
    """Return the experiment that a request has as JSON, with defaults.

    Raises:
        InvalidExperiment: It is no JSON, or no experiment.
    """
    if len(data) > _MOST_BYTES:
        raise _unreadable(f"has {len(data)} bytes, at most {_MOST_BYTES} are read")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise _unreadable("is no experiment")
    return with_defaults(parse_experiment(document))


def _unreadable(message: str) -> InvalidExperiment:
    return InvalidExperiment([Problem("experiment_json", message)])
