"""Tags and attributes of projects, experiments, runs and datasets: one set of operations for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.errors import Conflict, InvalidInput
from katib.rest.answers import answer
from katib.rest.modeldb import messages
from katib.rest.modeldb.failures import invalid, taken
from katib.rest.modeldb.key_values import attribute_of, attributes
from katib.rest.modeldb.records_found import experiment_at, project_at, run_at, writable
from katib.store.tracking.records import Facts, Node, NodeKind, RunPart

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked
    from katib.rest.modeldb.fields import Fields
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Json

__all__ = [
    "FactsOf",
    "attributes_in",
    "facts_in",
    "log_attributes",
    "tags_in",
]

_FACTS = frozenset({RunPart.TAGS, RunPart.PROPERTIES})


def tags_in(fields: Fields) -> dict[str, str]:
    """Return the tags that a request gives, one or several."""
    names = [*fields.texts("tags"), *([fields.required("tag")] if fields.has("tag") else [])]
    if not all(names):
        raise invalid(f"{fields.path}tags", "has an empty one")
    return dict.fromkeys(names, "")


def attributes_in(fields: Fields) -> dict[str, Json]:
    """Return the attributes that a request gives, one or several."""
    found: dict[str, Json] = {}
    one = fields.message("attribute")
    for message in [*fields.messages("attributes"), *([one] if one is not None else [])]:
        key, value = attribute_of(message)
        if key in found:
            raise invalid(f"{message.path}key", "is there twice", key[:80])
        found[key] = value
    return found


def facts_in(fields: Fields) -> Facts:
    """Return the tags and attributes of a record that is made."""
    return Facts(tags=tags_in(fields), properties=attributes_in(fields))


async def log_attributes(asked: Asked) -> Response:
    """Store attributes of a run, which have no other value yet."""
    run_id, given = asked.id(), attributes_in(asked.fields)

    def change(tracking: Tracking) -> None:
        run = writable(tracking, run_id, _FACTS)
        known = given.keys() & run.facts.properties.keys()
        if known:
            raise Conflict(taken("attributes", known))
        tracking.set_facts(Node(NodeKind.RUN, run_id), Facts(properties=given))

    await asked.write(change)
    return answer({})


class FactsOf:
    """The operations on facts of one kind of record.

    Args:
        kind: Of the records.
        noun: The field of the answer that holds the record; empty where the answer is empty.
    """

    def __init__(self, kind: NodeKind, noun: str, message: Callable[[Asked, Any], dict[str, Any]]) -> None:
        self._kind = kind
        self._noun = noun
        self._message = message

    async def add_tags(self, asked: Asked) -> Response:
        """Add tags; those that are there are fine."""
        return await self._changed(asked, Facts(tags=tags_in(asked.fields)))

    async def add_attributes(self, asked: Asked) -> Response:
        """Add attributes, in the place of those that have the same names."""
        return await self._changed(asked, Facts(properties=attributes_in(asked.fields)))

    async def delete_tags(self, asked: Asked) -> Response:
        """Remove tags, or all."""
        names = None if asked.fields.flag("delete_all") else list(tags_in(asked.fields))
        return await self._removed(asked, tags=names)

    async def delete_attributes(self, asked: Asked) -> Response:
        """Remove attributes, or all."""
        every = asked.fields.flag("delete_all")
        return await self._removed(asked, properties=None if every else asked.fields.texts("attribute_keys"))

    async def get_tags(self, asked: Asked) -> Response:
        """Return the tags."""
        record_id = asked.id()
        found = await asked.read(lambda tracking: self._record(tracking, record_id))
        return answer({"tags": list(found.facts.tags)})

    async def get_attributes(self, asked: Asked) -> Response:
        """Return attributes: those that are named, or all."""
        record_id, names = asked.id(), set(asked.fields.texts("attribute_keys"))
        found = await asked.read(lambda tracking: self._record(tracking, record_id))
        every = attributes(found.facts.properties)
        some = every if asked.fields.flag("get_all") or not names else [one for one in every if one["key"] in names]
        return answer({"attributes": some})

    def _record(self, tracking: Tracking, record_id: str, *, whole: bool = False) -> Any:
        match self._kind:
            case NodeKind.PROJECT:
                return project_at(tracking, record_id)
            case NodeKind.EXPERIMENT:
                return experiment_at(tracking, record_id)
            case NodeKind.RUN:
                return run_at(tracking, record_id, messages.SHOWN if whole else _FACTS)
            case NodeKind.DATASET:
                return tracking.dataset(record_id)
        raise InvalidInput(f"a {self._kind.value} has no tags and attributes")

    async def _changed(self, asked: Asked, facts: Facts) -> Response:
        record_id = asked.id()

        def change(tracking: Tracking) -> Any:
            self._record(tracking, record_id)
            tracking.set_facts(Node(self._kind, record_id), facts)
            return self._record(tracking, record_id, whole=True)

        return self._answered(asked, await asked.write(change))

    async def _removed(
        self, asked: Asked, *, tags: Collection[str] | None = (), properties: Collection[str] | None = ()
    ) -> Response:
        record_id = asked.id()

        def change(tracking: Tracking) -> Any:
            known = self._record(tracking, record_id)
            # What this API keeps for itself stays.
            named = [one["key"] for one in attributes(known.facts.properties)] if properties is None else properties
            tracking.delete_facts(Node(self._kind, record_id), tags=tags, properties=_public(named))
            return self._record(tracking, record_id, whole=True)

        return self._answered(asked, await asked.write(change))

    def _answered(self, asked: Asked, record: Any) -> Response:
        return answer({self._noun: self._message(asked, record)} if self._noun else {})


def _public(names: Collection[str]) -> list[str]:
    return [one["key"] for one in attributes(dict.fromkeys(names, ""))]
