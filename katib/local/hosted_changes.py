"""What changed in a store since a cursor; the cursor says what is known, so nobody has to remember who asks.

Asking is cheap where nothing changed: versions are compared, and only what is another than before is read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, NotFound, Problem
from katib.experiments.protocol import Changes

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.store.protocol import Store

__all__ = ["changes_of_experiment", "changes_of_namespace"]

_ALL: Final = "all"
_ONE: Final = "one"


def changes_of_experiment(store: Store, namespace: str, name: str, cursor: str) -> Changes:
    """Return what changed of one experiment and its trials; see ``Experiments.changes``.

    Raises:
        NotFound: It is not there, and was not there before.
    """
    uid, version, since = _known_of_one(cursor)
    gone = ((namespace, name, uid),)
    current = store.versions(namespace, name)
    if not current and uid:
        return Changes("", deleted=gone)
    experiments: tuple[Experiment, ...] = ()
    if not current or (current[0].uid, current[0].version) != (uid, version):
        try:
            found = store.experiment(namespace, name)
        except NotFound:
            if not uid:
                raise
            return Changes("", deleted=gone)
        experiments = (found,)
        new_uid, version = found.metadata.uid or "", found.metadata.resource_version or ""
    else:
        new_uid = uid
    # Read after the experiment: who has seen its end has seen the end of its trials.
    since, trials = store.changes(new_uid, since if new_uid == uid else 0)
    return Changes(
        json.dumps([_ONE, new_uid, version, since]),
        experiments=experiments,
        trials=tuple(trials),
        deleted=gone if uid and uid != new_uid else (),
    )


def changes_of_namespace(store: Store, namespace: str, cursor: str) -> Changes:
    """Return what changed of all experiments of a namespace; see ``Experiments.changes``."""
    known = _known_of_all(cursor)
    current = {each.name: (each.uid, each.version) for each in store.versions(namespace)}
    if cursor and current == known:
        return Changes(cursor)
    experiments: list[Experiment] = []
    for name, seen in list(current.items()):
        if known.get(name) == seen:
            continue
        try:
            found = store.experiment(namespace, name)
        except NotFound:  # since just now
            del current[name]
            continue
        current[name] = (found.metadata.uid or "", found.metadata.resource_version or "")
        experiments.append(found)
    deleted = [
        (namespace, name, uid) for name, (uid, _) in known.items() if name not in current or current[name][0] != uid
    ]
    return Changes(json.dumps([_ALL, current]), experiments=tuple(experiments), deleted=tuple(deleted))


def _known_of_one(cursor: str) -> tuple[str, str, int]:
    """Return uid and version of the experiment that is known, and the number of the last change of a trial."""
    match _parsed(cursor):
        case None:
            return "", "", 0
        case [kind, str(uid), str(version), int(since)] if kind == _ONE:
            return uid, version, since
    raise _no_cursor(cursor)


def _known_of_all(cursor: str) -> dict[str, tuple[str, str]]:
    """Return uid and version of each experiment that is known, by name."""
    match _parsed(cursor):
        case None:
            return {}
        case [kind, dict(known)] if kind == _ALL:
            try:
                return {str(name): (str(uid), str(version)) for name, (uid, version) in known.items()}
            except (TypeError, ValueError) as error:
                raise _no_cursor(cursor) from error
    raise _no_cursor(cursor)


def _parsed(cursor: str) -> Any:
    if not cursor:
        return None
    try:
        parsed = json.loads(cursor)
    except (ValueError, RecursionError) as error:
        raise _no_cursor(cursor) from error
    return [] if parsed is None else parsed


def _no_cursor(cursor: str) -> InvalidInput:
    return InvalidInput([Problem("cursor", "is not what an answer before this one said; begin again without", cursor)])
