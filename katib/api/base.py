"""What every resource of the API shares: the model base, object metadata, conditions, and the scalar types of the format.

Attributes are snake_case in Python and camelCase in the document, as in Katib's own Python client.
Nothing here (or in the rest of ``katib.api``) knows how a resource is stored, run or served.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from katib.api.scalars import WrittenFloat, WrittenInt

__all__ = [
    "API_VERSION",
    "ApiModel",
    "BlankIsAbsent",
    "Condition",
    "Int32",
    "KeyValue",
    "NumberText",
    "ObjectMeta",
    "Time",
]

API_VERSION: Final = "kubeflow.org/v1beta1"


class ApiModel(BaseModel):
    """Base of all API models: camelCase in documents, unknown fields refused, assignments validated."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        validate_assignment=False,
    )

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready document: camelCase keys, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _number_as_text(value: object) -> object:
    """Accept a YAML number where the format wants its text, as people write it (bool is not a number)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return value.text if isinstance(value, (WrittenInt, WrittenFloat)) else repr(value)


NumberText = Annotated[str, BeforeValidator(_number_as_text)]
"""A number written as text (``"0.01"``); a bare YAML number is accepted and kept as it was written (``3.10``)."""


def _blank_as_absent(value: object) -> object:
    return None if value == "" else value


BlankIsAbsent = BeforeValidator(_blank_as_absent)
"""For optional words: to Katib the empty text is the same as none."""

Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1, strict=True)]


def _in_utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is before the first or after the last year there is") from error


def _rfc3339(value: datetime) -> str:
    # Not strftime, which does not pad the year of Kubernetes' zero time, 0001.
    return f"{_in_utc(value).replace(microsecond=0, tzinfo=None).isoformat()}Z"


Time = Annotated[datetime, AfterValidator(_in_utc), PlainSerializer(_rfc3339, when_used="json")]
"""A moment in UTC, printed as ``YYYY-MM-DDThh:mm:ssZ`` as Kubernetes prints it."""


class ObjectMeta(ApiModel):
    """Kubernetes object metadata; fields this project does not read are kept as they came."""

    model_config = ConfigDict(extra="allow")

    name: str = ""
    generate_name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    resource_version: str | None = None
    generation: int | None = None


class Condition(ApiModel):
    """One observed state of a resource; the last element of a list is the current one (facts 2.5)."""

    type: str
    """What it is about."""
    status: str = "True"
    """True, False or Unknown."""
    reason: str | None = None
    """Why, in one word."""
    message: str | None = None
    """Why, for people."""
    last_update_time: Time | None = None
    """When it was last written."""
    last_transition_time: Time | None = None
    """When its status last changed."""


class KeyValue(ApiModel):
    """A named text: an algorithm setting or a parameter assignment."""

    name: str
    """The name."""
    value: NumberText
    """The value, as text."""
