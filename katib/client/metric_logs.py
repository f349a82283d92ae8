"""What a trial reported, as Katib's client hands it over: ``get_trial_metrics(...)[0].metric.value``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from katib.store.protocol import Observed

__all__ = ["MetricLog", "MetricValue", "metric_logs", "remote_metric_logs"]

_UNSAID: Final = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A value of a metric, as it was reported."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MetricLog:
    """One report.

    Attributes:
        time_stamp: When, as RFC 3339; the zero time, as from Katib's collectors, where the report did not say.
        metric: What.
        step: At which step of training, if the report said so (Katib's has none).
    """

    time_stamp: str
    metric: MetricValue
    step: int | None = None


def metric_logs(observed: Iterable[Observed]) -> list[MetricLog]:
    """Return reports in the order of reporting."""
    return [MetricLog(_text(one.time), MetricValue(one.name, one.text), one.step) for one in observed]


def _text(time: datetime | None) -> str:
    return _UNSAID if time is None else time.isoformat().replace("+00:00", "Z")


def remote_metric_logs(address: str, trial: str, timeout: float) -> list[MetricLog]:
    """Return what a DB manager of Katib's, or our store server, has of a trial.

    Raises:
        StoreUnavailable: It does not answer, with gRPC's reason.
    """
    import grpc

    from katib.errors import StoreUnavailable
    from katib.rpc import v1beta1 as wire
    from katib.rpc.services import MESSAGE_OPTIONS

    with grpc.insecure_channel(address, options=MESSAGE_OPTIONS) as channel:
        call = channel.unary_unary(
            "/api.v1.beta1.DBManager/GetObservationLog",
            request_serializer=wire.GetObservationLogRequest.SerializeToString,
            response_deserializer=wire.GetObservationLogReply.FromString,
        )
        try:
            reply = call(wire.GetObservationLogRequest(trial_name=trial), timeout=timeout)
        except grpc.RpcError as error:
            code, details = error.code().name, error.details()
            raise StoreUnavailable(
                f"the DB manager at {address} does not give metrics of {trial!r}: {code}: {details}"
            ) from error
    return [
        MetricLog(log.time_stamp, MetricValue(log.metric.name, log.metric.value))
        for log in reply.observation_log.metric_logs
    ]
