"""``tags.mlflow.parentRunId = '...'`` in a filter: the trials of an experiment, also of one that we drive, where it is no tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.rest.mlflow.messages import PARENT
from katib.store.query.parse import parse_filter
from katib.store.query.printing import print_filter
from katib.store.query.tree import And, Compare, In
from katib.store.query.vocabulary import RUNS, Entity

if TYPE_CHECKING:
    from katib.store.query.tree import Filter

__all__ = ["without_parent"]


def without_parent(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a filter without the condition on the parent, and the parents that it named; the filter as it is where it names none.

    Raises:
        InvalidInput: It is no filter.
    """
    if PARENT not in text:
        return text, ()
    tree = parse_filter(text, RUNS)
    conditions = tree.items if isinstance(tree, And) else (tree,)
    named = [_parents(condition) for condition in conditions]
    if sum(parents is not None for parents in named) != 1:
        return text, ()
    parents = next(parents for parents in named if parents is not None)
    others = tuple(condition for condition, found in zip(conditions, named, strict=True) if found is None)
    if not others:
        return "", parents
    return print_filter(others[0] if len(others) == 1 else And(others)), parents


def _parents(condition: Filter | None) -> tuple[str, ...] | None:
    match condition:
        case Compare(field=field, operator=operator, value=str() as value) if (
            field.entity is Entity.TAG and field.key == PARENT and operator == "="
        ):
            return (value,)
        case In(field=field, values=values, negated=False) if field.entity is Entity.TAG and field.key == PARENT:
            return tuple(str(value) for value in values)
    return None
