"""Datasets of runs in MLflow's messages, read and recorded: by the server, and by the copy of another server's runs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from katib.rest.mlflow.messages import CONTEXT

if TYPE_CHECKING:
    from katib.rest.mlflow.fields import Fields
    from katib.store.tracking.protocol import Tracking

__all__ = ["DatasetInput"]


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A dataset that a run used.

    Attributes:
        schema, profile: JSON, or the text as it came where it is none.
        role: What MLflow calls its context.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: Any
    profile: Any
    role: str
    tags: dict[str, str]

    @classmethod
    def of(cls, fields: Fields) -> DatasetInput:
        """Read one."""
        dataset, tags = fields.message("dataset"), fields.pairs("tags")
        return cls(
            name=dataset.required("name"),
            digest=dataset.required("digest"),
            source_type=dataset.text("source_type") or "",
            source=dataset.text("source") or "",
            schema=_json_or_text(dataset.text("schema")),
            profile=_json_or_text(dataset.text("profile")),
            role=tags.pop(CONTEXT, ""),
            tags=tags,
        )

    @property
    def rows(self) -> int | None:
        """The number that MLflow's own kinds of datasets tell."""
        rows = self.profile.get("num_rows") if isinstance(self.profile, dict) else None
        return rows if isinstance(rows, int) and not isinstance(rows, bool) and 0 <= rows < 2**63 else None

    def record(self, tracking: Tracking, project_id: str, run_id: str) -> None:
        """Record that a run used it."""
        version = tracking.add_dataset_version(
            project_id,
            self.name,
            self.digest,
            uri=self.source,
            source_type=self.source_type,
            rows=self.rows,
            schema=self.schema,
            profile=self.profile,
        )
        tracking.use_dataset(run_id, version.id, role=self.role, tags=self.tags)


def _json_or_text(text: str | None) -> Any:
    """Return the JSON in a text; a text that is none, or has numbers that JSON has not, stays a text."""
    if not text:
        return None
    try:
        found = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict | list) else text


def _no_number(word: str) -> Any:
    raise ValueError(word)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number
