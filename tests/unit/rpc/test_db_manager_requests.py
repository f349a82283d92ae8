from datetime import UTC, datetime

import pytest

from katib.errors import InvalidInput, Overloaded
from katib.metrics.sample import Sample
from katib.rpc import db_manager_requests
from katib.rpc import v1beta1 as wire
from katib.rpc.db_manager_requests import bounds_of, named_trial, reply_of, report_of
from katib.rpc.requests import decoded
from katib.store.observation_logs import Logged

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def request(*rows, trial="t"):
    return wire.ReportObservationLogRequest(
        trial_name=trial,
        observation_log={
            "metric_logs": [
                {"time_stamp": time, "metric": {"name": name, "value": value}} for time, name, value in rows
            ]
        },
    )


def faults(function, *arguments):
    with pytest.raises(InvalidInput) as caught:
        function(*arguments)
    return [(problem.path, problem.message) for problem in caught.value.problems]


def test_rows_without_a_time_are_left_out_and_the_unset_time_is_none():
    found = report_of(
        request(("", "", ""), ("2026-03-01T12:00:00Z", "loss", "0.50"), ("0001-01-01T00:00:00Z", "acc", "")), "ns"
    )
    assert (found.trial, found.namespace) == ("t", "ns")
    assert found.samples == [Sample("loss", "0.50", NOON), Sample("acc", "", None)]


def test_every_fault_is_told_with_its_place():
    good = "2026-03-01T12:00:00Z"
    told = faults(
        report_of,
        request(
            (good, "loss", "1"),
            ("yesterday", "", "1"),
            (good, "m" * 256, "x" * 65_536),
            (good, "m" * 255, "λ" * 32_768),
        ),
        None,
    )
    rows = "observation_log.metric_logs"
    assert told == [
        (f"{rows}[1].time_stamp", "must be a time such as 2006-01-02T15:04:05.999999Z (RFC 3339)"),
        (f"{rows}[1].metric.name", "is required"),
        (f"{rows}[2].metric.name", "must have at most 255 characters, this has 256"),
        (f"{rows}[2].metric.value", "must have at most 65535 bytes"),
        (f"{rows}[3].metric.value", "must have at most 65535 bytes"),
    ]
    assert len(faults(report_of, request(*[("x", "m", "1")] * 1000), None)) == 20


def test_values_as_long_as_katibs_table_takes():
    found = report_of(request(("2026-03-01T12:00:00Z", "m", "x" * 65_535)), None)
    assert len(found.samples[0].text) == 65_535


@pytest.mark.parametrize(
    ("name", "message"), [("", "is required"), ("t" * 256, "must have at most 255 characters, this has 256")]
)
def test_names_no_trial_can_have(name, message):
    for message_of_trial in (request(trial=name), wire.DeleteObservationLogRequest(trial_name=name)):
        assert faults(named_trial, message_of_trial) == [("trial_name", message)]


def test_bounds():
    assert bounds_of(wire.GetObservationLogRequest()) == (None, None)
    unset = "0001-01-01T00:00:00Z"
    least = datetime.min.replace(tzinfo=UTC)
    assert bounds_of(wire.GetObservationLogRequest(start_time=unset, end_time=unset)) == (least, least)
    assert bounds_of(wire.GetObservationLogRequest(start_time="2026-03-01T13:00:00+01:00")) == (NOON, None)
    told = faults(bounds_of, wire.GetObservationLogRequest(start_time="x", end_time="y"))
    assert [path for path, _ in told] == ["start_time", "end_time"]


def test_bytes_that_are_no_request():
    assert faults(decoded, wire.GetObservationLogRequest, b"\xff\xff")[0][1].startswith(
        "the request is no GetObservationLogRequest: "
    )


def test_a_log_becomes_a_reply():
    reply = wire.GetObservationLogReply.FromString(reply_of([Logged("a", "1", None), Logged("b", "x", NOON)]))
    found = [(row.time_stamp, row.metric.name, row.metric.value) for row in reply.observation_log.metric_logs]
    assert found == [("0001-01-01T00:00:00Z", "a", "1"), ("2026-03-01T12:00:00Z", "b", "x")]


def test_a_log_larger_than_a_message_says_what_to_do(monkeypatch):
    monkeypatch.setattr(db_manager_requests, "MOST_BYTES", 1000)
    with pytest.raises(Overloaded, match="ask for one metric"):
        reply_of([Logged("a", "1" * 1000, None)])
    monkeypatch.setattr(db_manager_requests, "MOST_ROWS", 1)
    with pytest.raises(Overloaded, match="span of time"):
        reply_of([Logged("a", "1", None)] * 2)
