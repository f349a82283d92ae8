"""What is noted in an experiment that a service made for somebody: by which request, and on which machine it runs.

It is kept as annotations, so that it is there for as long as the experiment, whoever serves it; ``hosted_answers`` knows of a request
for a day only, but also when its experiment is gone.
"""

from __future__ import annotations

import hashlib
import json
import socket
from typing import TYPE_CHECKING, Final

from katib.errors import Conflict, NotFound
from katib.local.runtime import RUNTIME
from katib.local.source_folder import SOURCE_FOLDER

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.local.home import Home

__all__ = ["as_given", "digest_of", "gone", "is_at_home", "made_by", "noted"]

_REQUEST: Final = "katib.kubeflow.org/request-id"
_DIGEST: Final = "katib.kubeflow.org/request-digest"
_HOME: Final = "katib.kubeflow.org/local-home"
_DRIVER: Final = "katib.kubeflow.org/driver"
_OURS: Final = frozenset({_REQUEST, _DIGEST, _HOME, _DRIVER, RUNTIME, SOURCE_FOLDER})


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


def made_by(experiment: Experiment, request_id: str, digest: str) -> bool:
    """Whether an experiment was made by a request.

    Raises:
        Conflict: By another one with the same id.
    """
    annotations = experiment.metadata.annotations or {}
    if not request_id or annotations.get(_REQUEST) != request_id:
        return False
    if annotations.get(_DIGEST) != digest:
        name = experiment.metadata.name
        raise Conflict(
            f"the request id {request_id!r} was used to create experiment {name!r} from another document: "
            "choose a new id for another request"
        )
    return True


def gone(name: str) -> NotFound:
    """Return what is said of an experiment that its own request cannot make again."""
    return NotFound(f"experiment {name!r} was created by this request, and deleted since")
