"""Datasets that a run says it used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.rest.answers import answer
from katib.rest.mlflow.documents import json_or_text
from katib.rest.mlflow.failures import invalid
from katib.rest.mlflow.fields import body_fields
from katib.rest.mlflow.messages import CONTEXT
from katib.rest.mlflow.runs import run_id_of, writable

if TYPE_CHECKING:
    from starlette.responses import Response

    from katib.rest.mlflow.fields import Fields
    from katib.rest.operations import Call
    from katib.store.tracking.protocol import Tracking

__all__ = ["LARGEST", "log_inputs"]

LARGEST: Final = 32 << 20
"""Bytes; a profile may have 16 MiB."""
_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Input:
    name: str
    digest: str
    source_type: str
    source: str
    schema: Any
    profile: Any
    role: str
    tags: dict[str, str]

    @property
    def rows(self) -> int | None:
        """The number that MLflow's own kinds of datasets tell."""
        rows = self.profile.get("num_rows") if isinstance(self.profile, dict) else None
        return rows if isinstance(rows, int) and not isinstance(rows, bool) and 0 <= rows < 2**63 else None


async def log_inputs(call: Call) -> Response:
    """Note which data a run uses, and as what."""
    fields = await body_fields(call)
    run_id = run_id_of(fields)
    inputs = [_input(found) for found in fields.messages("datasets")]
    if len(inputs) > _MOST:
        raise invalid(f"a run can be given at most {_MOST:,} datasets at once, not {len(inputs):,}")

    def change(tracking: Tracking) -> None:
        with tracking.transaction():
            run = writable(tracking, run_id)
            for found in inputs:
                version = tracking.add_dataset_version(
                    run.project_id,
                    found.name,
                    found.digest,
                    uri=found.source,
                    source_type=found.source_type,
                    rows=found.rows,
                    schema=found.schema,
                    profile=found.profile,
                )
                tracking.use_dataset(run_id, version.id, role=found.role, tags=found.tags)

    await call.write(change, size=2_000 * (1 + len(inputs)))
    return answer({})


def _input(fields: Fields) -> _Input:
    dataset = fields.message("dataset")
    tags = fields.pairs("tags")
    return _Input(
        name=dataset.required("name"),
        digest=dataset.required("digest"),
        source_type=dataset.required("source_type"),
        source=dataset.required("source"),
        schema=json_or_text(dataset.text("schema")),
        profile=json_or_text(dataset.text("profile")),
        role=tags.pop(CONTEXT, ""),
        tags=tags,
    )
