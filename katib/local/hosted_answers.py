"""Makes each change once that is asked for with a request id, also after this process was killed: the store keeps what was answered.

An answer is kept in the transaction of its change. What failed has changed nothing, and may be asked for again.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from katib.api.experiment import Experiment
from katib.errors import InvalidInput, Problem
from katib.experiments.asking import reused

if TYPE_CHECKING:
    from katib.store.protocol import Store

__all__ = ["AskedFor", "check_request_id"]

_LONGEST_ID: Final = 255
_EXPERIMENT: Final = "experiment"


def check_request_id(request_id: str) -> None:
    """Raise InvalidInput for an id that is too long."""
    if len(request_id) > _LONGEST_ID:
        raise InvalidInput([Problem("request_id", f"must have at most {_LONGEST_ID} characters")])


class AskedFor:
    """One change that is asked for.

    Args:
        store: Keeps what was answered.
        namespace: Where it is asked for.
        request_id: Of the caller's choosing; with an empty one it is another change each time.
        what: All that is asked for, beginning with the word for it.

    Raises:
        InvalidInput: The id is too long.
    """

    def __init__(self, store: Store, namespace: str, request_id: str, *what: str | int | bool | None) -> None:
        check_request_id(request_id)
        self._store = store
        self._namespace = namespace
        self._id = request_id
        said = json.dumps(what).encode()
        self._request = hashlib.sha256(said).hexdigest()

    def answer(self) -> dict[str, Any] | None:
        """Return what was kept of it; None where it was not made yet.

        Raises:
            Conflict: Something else was asked for with this id.
        """
        kept = self._store.answer(self._namespace, self._id) if self._id else None
        if kept is None:
            return None
        if kept.request != self._request:
            raise reused(self._id)
        return kept.document

    def keep(self, document: dict[str, Any]) -> None:
        """Keep an answer; in the transaction of the change."""
        if self._id:
            self._store.keep_answer(self._namespace, self._id, self._request, document)

    def experiment(self) -> Experiment | None:
        """Return the experiment that was answered; None where it was not made yet.

        Raises:
            Conflict: Something else was asked for with this id.
        """
        document = self.answer()
        said = None if document is None else document.get(_EXPERIMENT)
        return None if said is None else Experiment.model_validate_json(json.dumps(said))

    def keep_experiment(self, experiment: Experiment) -> None:
        """Keep an experiment as the answer."""
        if self._id:
            self.keep({_EXPERIMENT: experiment.model_dump(by_alias=True, exclude_none=True)})
