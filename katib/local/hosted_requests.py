"""What is noted in an experiment that a service made for somebody: by which request, and on which machine it runs.

It is kept as annotations, so that it is there for as long as the experiment, whoever serves it.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from katib.errors import Conflict, InvalidInput, NotFound, Problem
from katib.local.runtime import RUNTIME
from katib.local.source_folder import SOURCE_FOLDER

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.local.home import Home

__all__ = ["RecentRequests", "as_given", "digest_of", "is_at_home", "noted"]

_REQUEST: Final = "katib.kubeflow.org/request-id"
_DIGEST: Final = "katib.kubeflow.org/request-digest"
_HOME: Final = "katib.kubeflow.org/local-home"
_DRIVER: Final = "katib.kubeflow.org/driver"
_OURS: Final = frozenset({_REQUEST, _DIGEST, _HOME, _DRIVER, RUNTIME, SOURCE_FOLDER})
_LONGEST_ID: Final = 255
_MOST_RECENT: Final = 10_000


def as_given(experiment: Experiment) -> Experiment:
    """Return an experiment without what only we may note: a document that was copied from another one says it of that one."""
    annotations = {
        name: text for name, text in (experiment.metadata.annotations or {}).items() if name not in _OURS
    } or None
    return _with(experiment, annotations)


def digest_of(experiment: Experiment) -> str:
    """Return what two requests have in common that want the same experiment."""
    text = json.dumps(as_given(experiment).to_document(), sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def noted(experiment: Experiment, home: Home, request_id: str, digest: str) -> Experiment:
    """Note the machine and the request, if it has an id."""
    annotations = {**(experiment.metadata.annotations or {}), _HOME: _name_of(home)}
    if request_id:
        annotations |= {_REQUEST: request_id, _DIGEST: digest}
    return _with(experiment, annotations)


def is_at_home(experiment: Experiment, home: Home) -> bool:
    """Whether an experiment runs on this machine; a store may be shared with other ones."""
    if home.experiment_folder(experiment.metadata.uid or "").exists():
        return True
    return (experiment.metadata.annotations or {}).get(_HOME) == _name_of(home)


def _name_of(home: Home) -> str:
    return f"{socket.gethostname()}:{home.path}"


def _with(experiment: Experiment, annotations: dict[str, str] | None) -> Experiment:
    metadata = experiment.metadata.model_copy(update={"annotations": annotations})
    return experiment.model_copy(update={"metadata": metadata})


class RecentRequests:
    """The requests that were carried out lately; those from before are known by what they made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], tuple[str, str, str]] = OrderedDict()

    def check(self, namespace: str, request_id: str, digest: str) -> None:
        """Raise Conflict where an id was used for something else."""
        if len(request_id) > _LONGEST_ID:
            raise InvalidInput([Problem("request_id", f"must have at most {_LONGEST_ID} characters")])
        known = self._known.get((namespace, request_id)) if request_id else None
        if known is not None and known[0] != digest:
            raise _used(request_id, known[1])

    def made(self, namespace: str, request_id: str) -> tuple[str, str] | None:
        """Return name and uid of what a request made lately."""
        known = self._known.get((namespace, request_id)) if request_id else None
        return None if known is None else known[1:]

    def note(self, namespace: str, request_id: str, digest: str, experiment: Experiment) -> None:
        """Remember what a request made."""
        if not request_id:
            return
        with self._lock:
            self._known[namespace, request_id] = digest, experiment.metadata.name, experiment.metadata.uid or ""
            while len(self._known) > _MOST_RECENT:
                self._known.popitem(last=False)

    @staticmethod
    def made_by(experiment: Experiment, request_id: str, digest: str) -> bool:
        """Whether an experiment was made by a request.

        Raises:
            Conflict: By another one with the same id.
        """
        annotations = experiment.metadata.annotations or {}
        if not request_id or annotations.get(_REQUEST) != request_id:
            return False
        if annotations.get(_DIGEST) != digest:
            raise _used(request_id, experiment.metadata.name)
        return True


def _used(request_id: str, name: str) -> Conflict:
    return Conflict(
        f"the request id {request_id!r} was used to create experiment {name!r} from another document: "
        "choose a new id for another request"
    )


def gone(name: str) -> NotFound:
    """Return what is said of an experiment that its own request cannot make again."""
    return NotFound(f"experiment {name!r} was created by this request, and deleted since")
