"""The types of experiments' parameters, remembered: trials say their values as text, and callers want numbers to be numbers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from katib.engine.naming import trial_name
from katib.rpc.experiments_messages import kinds_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Experiments

__all__ = ["ParameterKinds"]

_MOST: Final = 1_000


@dataclass(slots=True)
class ParameterKinds:
    """Types of parameters by experiment; an experiment keeps them for life, and another one of its name has other trials."""

    _known: OrderedDict[tuple[str, str], tuple[str, Mapping[str, str]]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def known(self, namespace: str, name: str, records: Sequence[TrialRecord]) -> Mapping[str, str] | None:
        """Return the types for trials of an experiment; None where they have to be looked up."""
        if not records:
            return {}
        with self._lock:
            found = self._known.get((namespace, name))
            if found is None:
                return None
            self._known.move_to_end((namespace, name))
        uid, kinds = found
        # The name of a trial is made of its experiment's uid.
        return kinds if trial_name(name, uid, records[0].index) == records[0].name else None

    def look_up(self, experiments: Experiments, namespace: str, name: str) -> Mapping[str, str]:
        """Return the types of an experiment, and remember them."""
        experiment = experiments.get(namespace, name)
        kinds = kinds_of(experiment)
        with self._lock:
            self._known[namespace, name] = (experiment.metadata.uid or "", kinds)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return kinds

    def of(
        self, experiments: Experiments, namespace: str, name: str, records: Sequence[TrialRecord]
    ) -> Mapping[str, str]:
        """Return the types for trials of an experiment; may block."""
        found = self.known(namespace, name, records)
        return self.look_up(experiments, namespace, name) if found is None else found
