"""What was answered to changes that may be asked for again, for a day. Functions run in the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, insert, select, update

from katib.store.protocol import Answer
from katib.store.sql.documents import dump, load
from katib.store.sql.schema import answers
from katib.store.sql.values import micros

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sqlalchemy import Connection

__all__ = ["keep_answer", "read_answer"]

_KEPT: Final = timedelta(days=1)
_THIS = answers.c.digest == bindparam("of_digest")
_READ = select(answers.c.request, answers.c.answer).where(_THIS)
_REPLACE = (
    update(answers).where(_THIS).values(request=bindparam("asked"), answer=bindparam("said"), given=bindparam("now"))
)
_INSERT = insert(answers)
_FORGET = delete(answers).where(answers.c.given < bindparam("oldest"))


def read_answer(connection: Connection, namespace: str, request_id: str) -> Answer | None:
    """Return what was answered to a request, if that is known still."""
    row = connection.execute(_READ, {"of_digest": _digest(namespace, request_id)}).first()
    return None if row is None else Answer(row.request, load(row.answer))


def keep_answer(
    connection: Connection, namespace: str, request_id: str, request: str, document: Mapping[str, Any]
) -> None:
    """Insert or replace the answer to a request, and forget those that are a day old."""
    now, digest, said = datetime.now(UTC), _digest(namespace, request_id), dump(dict(document))
    connection.execute(_FORGET, {"oldest": micros(now - _KEPT)})
    given = micros(now)
    if connection.execute(_REPLACE, {"of_digest": digest, "asked": request, "said": said, "now": given}).rowcount == 0:
        connection.execute(_INSERT, {"digest": digest, "request": request, "answer": said, "given": given})


def _digest(namespace: str, request_id: str) -> str:
    """Return what stands for a request in the index."""
    return hashlib.sha256(json.dumps([namespace, request_id]).encode()).hexdigest()
