"""Datasets that a run says it used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.rest.answers import answer
from katib.rest.mlflow.dataset_inputs import DatasetInput
from katib.rest.mlflow.failures import invalid
from katib.rest.mlflow.fields import body_fields
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
                found.record(tracking, run.project_id, run_id)

    await call.write(change, size=2_000 * (1 + len(inputs)))
    return answer({})


def _input(fields: Fields) -> DatasetInput:
    dataset = fields.message("dataset")
    for name in ("name", "digest", "source_type", "source"):
        dataset.required(name)
    return DatasetInput.of(fields)
