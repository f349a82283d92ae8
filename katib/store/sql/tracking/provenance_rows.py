"""What runs came from (their code, their environments), each document once however many runs had it.

A row is never changed. Functions run in the caller's transaction.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select

from katib.store.sql.documents import load
from katib.store.sql.tracking.given_values import canonical_text
from katib.store.sql.tracking.scope import chunks
from katib.store.sql.tracking_tables import provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from katib.store.tracking.records import Json

__all__ = ["documents", "intern"]

_FIND = (
    select(provenance.c.id)
    .where(provenance.c.kind == bindparam("of_kind"), provenance.c.digest == bindparam("of_digest"))
    .with_for_update(read=True, key_share=True)  # a purge removes documents that nobody has
)
_INSERT = insert(provenance)
_READ = select(provenance.c.id, provenance.c.document).where(provenance.c.id.in_(bindparam("keys", expanding=True)))


def intern(connection: Connection, kind: str, document: Mapping[str, Json] | None) -> int | None:
    """Return the key of a document, storing it if it is new; None where there is nothing to say.

    When two writers store the same one at once, the database undoes one call, which is then made again (``Database.write``).

    Args:
        kind: Such as ``code`` or ``environment``; who stores several in one change takes the kinds in alphabetical order.

    Raises:
        InvalidInput: It is no JSON, or too deep.
    """
    if not document:
        return None
    text = canonical_text(kind, document)
    digest = hashlib.sha256(text.encode()).hexdigest()
    key = connection.execute(_FIND, {"of_kind": kind, "of_digest": digest}).scalar()
    if key is None:
        inserted = connection.execute(_INSERT, {"kind": kind, "digest": digest, "document": text}).inserted_primary_key
        key = inserted[0] if inserted else None
    return None if key is None else int(key)


def documents(connection: Connection, keys: Iterable[int | None]) -> dict[int, dict[str, Any]]:
    """Return documents by key; those that are not there are left out."""
    wanted = sorted({key for key in keys if key is not None})
    return {
        key: load(document) for some in chunks(wanted) for key, document in connection.execute(_READ, {"keys": some})
    }
