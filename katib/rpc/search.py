"""What a request is about: from its experiment, as Katib's message or as our JSON, to what is searched and with which seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from katib.rpc import v1beta1 as wire
from katib.rpc.experiment_encoding import experiment_of_json
from katib.rpc.experiment_message import check_search, experiment_of, seed_of
from katib.rpc.requests import decoded

if TYPE_CHECKING:
    from collections.abc import Hashable

    from katib.api.experiment import Experiment
    from katib.rpc.request_parts import RequestParts

__all__ = ["Search", "checked_search", "search_key", "search_of"]


@dataclass(frozen=True, slots=True)
class Search:
    """An experiment as a request has it.

    Attributes:
        experiment: With defaults.
        seed: All randomness derives from it.
        exact: Whether it came as JSON: the seed is the experiment's own, and each trial says its place.
    """

    experiment: Experiment
    seed: int
    exact: bool = False

    @classmethod
    def of_message(cls, message: wire.Experiment) -> Search:
        """Return that of Katib's message; raises ``InvalidExperiment`` where it says nothing."""
        return cls(experiment_of(message), seed_of(message))


def search_key(parts: RequestParts) -> Hashable:
    """Return what is the same whenever the same is searched."""
    return bool(parts.experiment_json), parts.experiment_json or b"".join(parts.experiment)


def search_of(parts: RequestParts) -> Search:
    """Return what is searched, unchecked.

    Raises:
        InvalidInput: It cannot be read.
    """
    if not parts.experiment_json:
        return Search.of_message(decoded(wire.Experiment, b"".join(parts.experiment), "experiment"))
    experiment = experiment_of_json(parts.experiment_json)
    stated = experiment.spec.seed
    return Search(experiment, _drawn(experiment) if stated is None else stated, exact=True)


def checked_search(parts: RequestParts) -> Search:
    """Return what is searched if it can be.

    Raises:
        InvalidInput: It cannot be read, or its space, objective and algorithm are not sound; with every problem.
    """
    search = search_of(parts)
    check_search(search.experiment)
    return search


def _drawn(experiment: Experiment) -> int:
    """Return the seed of an experiment that states none: another one for each, and always the same."""
    text = experiment.metadata.uid or f"{experiment.metadata.namespace}/{experiment.metadata.name}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
