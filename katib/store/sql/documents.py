"""Documents as JSON text in a column: models of the API, jobs, checkpoints, labels."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from katib.errors import StoreUnavailable
from katib.store.sql.text import storable_json

if TYPE_CHECKING:
    from katib.api.base import ApiModel

__all__ = ["dump", "dump_model", "load", "load_model"]

ModelT = TypeVar("ModelT", bound="ApiModel")


def _jsonable(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a stored document")


def dump(document: object) -> str:
    """Return a document as JSON text; times keep their microseconds, NaN and infinities their names."""
    return storable_json(json.dumps(document, separators=(",", ":"), ensure_ascii=False, default=_jsonable))


def load(text: str) -> Any:
    """Return a dumped document; times stay text."""
    return json.loads(text)


def dump_model(model: ApiModel) -> str:
    """Return a model as JSON text, with the microseconds that its printed form leaves out."""
    return dump(model.model_dump(by_alias=True, exclude_none=True))


def load_model(kind: type[ModelT], text: str, of: str) -> ModelT:
    """Return a dumped model.

    Args:
        of: Whose it is, for the message.

    Raises:
        StoreUnavailable: The text is none of this model.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise StoreUnavailable(
            f"the stored {kind.__name__} of {of} cannot be read: a newer version of katib wrote it, or the store is damaged"
        ) from error
