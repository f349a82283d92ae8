"""From what the user wrote to what is meant: ``exp/digits``, ``trials``, ``digits``, a trial's name."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from katib.api.similar import did_you_mean
from katib.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import Store

__all__ = ["Kind", "Reference", "experiment_named", "find_trial", "kind_of", "parse_reference"]


class Kind(enum.StrEnum):
    """What can be looked at."""

    EXPERIMENT = "experiment"
    TRIAL = "trial"
    SUGGESTION = "suggestion"


_SHORT = {Kind.EXPERIMENT: "exp", Kind.TRIAL: "tr", Kind.SUGGESTION: "sug"}
_GROUP = ".kubeflow.org"
"""What ``-o name`` puts behind the kind; what was printed can be typed."""
_WORDS = {word: kind for kind in Kind for word in (kind.value, f"{kind.value}s", _SHORT[kind])}


@dataclass(frozen=True, slots=True)
class Reference:
    """Objects of one kind; no names means all of them.

    Attributes:
        kind: Their kind.
        names: Their names.
        is_stated: The user said the kind; without a word it is an experiment.
    """

    kind: Kind
    names: tuple[str, ...]
    is_stated: bool = True


def parse_reference(words: Sequence[str], *, needs_name: bool = False) -> Reference:
    """Return what words such as ``trials``, ``trial NAME``, ``exp/NAME`` or ``NAME`` mean.

    Args:
        words: As on the command line.
        needs_name: A kind alone means nothing here, so such a word is the name of an experiment.

    Raises:
        InvalidInput: A kind that is none, or names of several kinds.
    """
    if not words:
        return Reference(Kind.EXPERIMENT, (), is_stated=False)
    if words[0].lower() in _WORDS and not (needs_name and len(words) == 1):
        kind, names = _WORDS[words[0].lower()], list(words[1:])
    else:
        kind, names = None, list(words)
    found: list[str] = []
    for name in names:
        stated, slash, rest = name.partition("/")
        if slash:
            named = _WORDS.get(stated.lower().removesuffix(_GROUP))
            if named is None:
                hint = did_you_mean(stated, _WORDS)
                raise InvalidInput(
                    f"{stated!r} is no kind; there are experiments, trials and suggestions" + f"; {hint}" * bool(hint)
                )
            if kind not in {None, named} or not rest:
                raise InvalidInput(
                    f"{name!r} has no name" if not rest else f"{name!r} is {_one(named)}, and {kind}s are asked for"
                )
            kind = named
        found.append(rest if slash else name)
    return Reference(kind or Kind.EXPERIMENT, tuple(found), is_stated=kind is not None)


def _one(kind: Kind) -> str:
    return f"an {kind}" if kind is Kind.EXPERIMENT else f"a {kind}"


def kind_of(store: Store, namespace: str, reference: Reference, name: str) -> Kind:
    """Return the kind of one of a reference's names: a name without a kind may be a trial's, if no experiment has it."""
    if reference.is_stated:
        return reference.kind
    try:
        store.experiment(namespace, name)
    except NotFound:
        try:
            find_trial(store, namespace, name)
        except NotFound:
            return Kind.EXPERIMENT  # whose absence is told with what is like it
        return Kind.TRIAL
    return Kind.EXPERIMENT


def experiment_named(store: Store, namespace: str, name: str) -> Experiment:
    """Return an experiment by its name, also written ``exp/NAME``; raises NotFound."""
    reference = parse_reference([name]) if "/" in name else Reference(Kind.EXPERIMENT, (name,))
    if reference.kind is not Kind.EXPERIMENT:
        raise InvalidInput(f"{name!r} is no experiment")
    try:
        return store.experiment(namespace, reference.names[0])
    except NotFound as error:
        raise NotFound(f"{error}{_elsewhere(store, namespace, reference.names[0])}") from error


def _elsewhere(store: Store, namespace: str, name: str) -> str:
    """Return where an experiment of that name is instead, or which name is like it."""
    known = store.experiments()
    others = sorted({item.namespace for item in known if item.name == name})
    if others:
        return "".join(["; there is one in namespace ", " and ".join(others), f" (-n {others[0]})"])
    hint = did_you_mean(name, [item.name for item in known if item.namespace == namespace])
    return f"; {hint}" if hint else ""


def find_trial(store: Store, namespace: str, name: str) -> tuple[Experiment, TrialRecord]:
    """Return a trial by its name alone, with its experiment.

    A trial's name begins with that of its experiment (cut when that is long), so only those are asked.

    Raises:
        NotFound: No experiment of the namespace has it.
    """
    if "/" in name:
        reference = parse_reference([name])
        if reference.kind is not Kind.TRIAL:
            raise InvalidInput(f"{name!r} is no trial")
        name = reference.names[0]
    prefix = name.rpartition("-")[0]
    summaries = store.experiments(namespace)
    for summary in summaries:
        if prefix and summary.name.startswith(prefix):
            try:
                return store.experiment(namespace, summary.name), store.trial(summary.uid, name)
            except NotFound:
                continue
    if any(summary.name == name for summary in summaries):
        raise NotFound(f"{name!r} is an experiment, not a trial; `katib trials {name}` lists its trials")
    known = [
        record.name
        for item in summaries
        if prefix and item.name.startswith(prefix)
        for record in store.trials(item.uid)
    ]
    hint = did_you_mean(name, known)
    raise NotFound(f"there is no trial {name!r} in namespace {namespace!r}" + f"; {hint}" * bool(hint))
