"""One request with the namespace it is about, which ModelDB's clients name as a workspace once and never again.

Further calls carry only ids. So an id of a namespace that is not the caller's own is answered with the namespace behind it,
``4f1c…@team-b``, and clients send back what they were given. Ids alone are of the caller's own namespace.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from katib.access import Role
from katib.access.identity import is_namespace
from katib.errors import Denied
from katib.rest.modeldb.failures import invalid
from katib.rest.modeldb.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from katib.rest.modeldb.links import Links
    from katib.rest.modeldb.paging import Pages
    from katib.rest.needed_access import Access
    from katib.rest.operations import Call
    from katib.store.tracking.protocol import Tracking

__all__ = ["NAMESPACE_HEADER", "Asked", "Memory", "asked_of", "denied"]

T = TypeVar("T")

NAMESPACE_HEADER: Final = "x-katib-namespace"
_UNKNOWN_SIZE: Final = 64 << 10
_PERSONAL: Final = "personal"
"""What the client calls the workspace of whoever has named none."""
_IDS: Final = (
    "id",
    "ids",
    "project_id",
    "project_ids",
    "experiment_id",
    "experiment_ids",
    "experiment_run",
    "experiment_run_id",
    "experiment_run_ids",
    "parent_id",
    "dataset_id",
    "dataset_version_id",
    "entity_id",
    "entityId",
    "external_id",
    "linked_artifact_id",
)
_MESSAGES_WITH_IDS: Final = ("input", "output", "items", "entry", "dataset", "datasets")


@dataclass(frozen=True, slots=True)
class Memory:
    """What the server remembers between calls; without it every call is answered the same, only later."""

    links: Links
    pages: Pages


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a caller who may do this in ``call.namespace``.

    Attributes:
        home: The namespace that an id alone is of.
        size: About how many bytes are written.
    """

    call: Call
    fields: Fields
    home: str
    size: int
    memory: Memory

    def local(self, qualified: str) -> str:
        """Return an id as the store knows it.

        Raises:
            InvalidInput: It is of another namespace than the rest of the request.
        """
        found, namespace = _parts(qualified)
        if (namespace or self.home) != self.call.namespace and found:
            raise invalid("id", f"is not of the namespace {self.call.namespace}, which the call is about", qualified)
        return found

    def id(self, name: str = "id") -> str:
        """Return the id in a field that has to be there."""
        return self.local(self.fields.required(name))

    def optional_id(self, name: str) -> str:
        """Return the id in a field, empty where there is none."""
        return self.local(self.fields.text(name))

    def ids(self, name: str = "ids") -> list[str]:
        """Return the ids in a list."""
        return [self.local(text) for text in self.fields.texts(name)]

    def shown(self, found: str | None) -> str:
        """Return an id as the caller knows it; empty for none."""
        return (
            found if found and self.call.namespace == self.home else f"{found}@{self.call.namespace}" if found else ""
        )

    async def read(self, function: Callable[[Tracking], T]) -> T:
        """Return what a function reads of the namespace."""
        return await self.call.read(function)

    async def write(self, function: Callable[[Tracking], T]) -> T:
        """Return what a function returns once what it wrote is durable: all of it, or nothing. It may be called again."""

        def together(tracking: Tracking) -> T:
            with tracking.transaction():
                return function(tracking)

        return await self.call.write(together, size=self.size)


async def asked_of(call: Call, memory: Memory, access: Access | None) -> Asked:
    """Return what a call asks.

    Args:
        access: What it needs in the namespace; None for nothing.

    Raises:
        InvalidInput: It cannot be read, or is about several namespaces.
        Denied: The caller may not.
    """
    behind: dict[str, list[Any]] = {}
    for name, text in call.request.query_params.multi_items():
        behind.setdefault(name, []).append(text)
    document = await call.document() if call.request.method != "GET" else {}
    fields = Fields(document) if document else Fields(behind, of_query=True)
    namespace = _namespace_of(fields, call.namespace)
    if access is not None and not await call.may(Role(access.value), namespace):
        raise denied(call, Role(access.value), namespace)
    return Asked(replace(call, namespace=namespace), fields, call.namespace, _size(call), memory)


def denied(call: Call, role: Role, namespace: str) -> Denied:
    """Return the error of a caller who may not."""
    where = f"namespace {namespace!r}"
    if namespace == call.namespace:
        where += " (another one is named as the workspace, or in the header X-Katib-Namespace)"
    return Denied(f"{call.identity.name!r} may not {role.name.lower()} in {where}")


def _size(call: Call) -> int:
    said = call.request.headers.get("content-length", "")
    return 500 + (min(int(said[:12]), call.most) if said.isdecimal() else _UNKNOWN_SIZE)


def _namespace_of(fields: Fields, home: str) -> str:
    named = {_parts(text)[1] or home for text in _ids_in(fields, levels=3)}
    workspace = fields.text("workspace_name")
    if workspace and workspace != _PERSONAL:
        if not is_namespace(workspace):
            raise invalid("workspace_name", "cannot be the name of a namespace", workspace[:80])
        named.add(workspace)
    if len(named) > 1:
        raise invalid("id", f"the call is about several namespaces: {', '.join(sorted(named)[:5])}")
    return next(iter(named), home)


def _ids_in(fields: Fields, levels: int) -> Iterator[str]:
    for name in _IDS:
        for value in fields.document.get(name, ()) if fields.of_query else _listed(fields.value(name)):
            if isinstance(value, str) and value:
                yield value
    for name in _MESSAGES_WITH_IDS if levels else ():
        for value in _listed(fields.value(name)):
            if isinstance(value, dict):
                yield from _ids_in(Fields(value), levels - 1)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _parts(qualified: str) -> tuple[str, str]:
    found, at, namespace = qualified.rpartition("@")
    if not at:
        return namespace, ""
    if not found or not is_namespace(namespace):
        raise invalid("id", "is none", qualified[:80])
    return found, namespace
