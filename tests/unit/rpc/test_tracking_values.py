"""JSON, times and enums of the store's API: what goes in comes out, and faults have a place."""

import datetime as dt
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.rpc import store_v1 as wire
from katib.rpc.tracking_messages import run_message
from katib.rpc.tracking_requests import RunMask, at_most, node_of, read_samples, read_scope
from katib.rpc.tracking_values import (
    ARTIFACT_STATES,
    EXPERIMENT_KINDS,
    LIFECYCLES,
    NODE_KINDS,
    OBJECTIVE_TYPES,
    RUN_STATES,
    fill_values,
    read_time,
    read_values,
)
from katib.store.tracking.protocol import ALL_PARTS
from katib.store.tracking.records import Facts, Metric, NodeKind, Run, RunPart, RunScope

NOON = dt.datetime(2026, 3, 1, 12, 0, 0, 1, dt.UTC)
texts = some.text(some.characters(codec="utf-8"), max_size=20)
leaves = some.none() | some.booleans() | texts | some.floats(allow_nan=False) | some.integers(-(2**53), 2**53)
documents = some.recursive(
    leaves, lambda inner: some.lists(inner, max_size=4) | some.dictionaries(texts, inner, max_size=4), max_leaves=20
)


def through(values):
    """Return JSON after it was on the wire."""
    message = wire.Run()
    fill_values(message.properties, values)
    return read_values(wire.Run.FromString(message.SerializeToString()).properties)


class TestJson:
    @given(some.dictionaries(texts, documents, max_size=4))
    def test_comes_back(self, values):
        assert through(values) == values

    def test_numbers_that_json_has_no_word_for(self):
        found = through({"nan": math.nan, "inf": -math.inf, "zero": -0.0})
        assert math.isnan(found["nan"])
        assert found["inf"] == -math.inf

    def test_whole_numbers_stay_whole_as_long_as_doubles_can_say_them(self):
        found = through({"a": 2**53, "b": 2**53 + 1, "c": 10**400, "d": -(10**400)})
        assert (found["a"], found["b"], found["c"], found["d"]) == (2**53, 2.0**53, math.inf, -math.inf)
        assert isinstance(found["a"], int)

    def test_what_is_too_deep_becomes_its_text(self):
        deep = []
        for _ in range(500):
            deep = [deep]
        found = through({"deep": deep})["deep"]
        levels = 0
        while isinstance(found, list):
            [found] = found
            levels += 1
        inside = json.loads(found)
        while inside:
            [inside] = inside
            levels += 1
        assert levels == 500


class TestEnums:
    @pytest.mark.parametrize(
        ("ours", "wires"),
        [
            (RUN_STATES, wire.RunState),
            (NODE_KINDS, wire.NodeKind),
            (LIFECYCLES, wire.Lifecycle),
            (EXPERIMENT_KINDS, wire.ExperimentKind),
            (ARTIFACT_STATES, wire.ArtifactState),
            (OBJECTIVE_TYPES, wire.ObjectiveType),
        ],
    )
    def test_each_value_has_one_of_ours(self, ours, wires):
        for number in wires.values():
            if number:
                assert ours.number(ours.read(number, "field")) == number
        for number in (0, 99, -1):
            with pytest.raises(InvalidInput, match="field: must be one of"):
                ours.read(number, "field")
        assert ours.read_or(0, "field", "default") == "default"

    def test_a_trial_has_no_state_that_the_wire_has_not(self):
        assert all(RUN_STATES.number(state) for state in TrialState)


class TestTimes:
    def test_comes_back_to_the_microsecond(self):
        assert read_time(wire.CreateRunRequest(start_time=NOON), "start_time") == NOON
        assert read_time(wire.CreateRunRequest(), "start_time") is None

    @pytest.mark.parametrize("seconds", [2**63 - 1, -(2**63), 253_402_300_800])
    def test_what_is_none(self, seconds):
        with pytest.raises(InvalidInput, match="start_time: must be a time"):
            read_time(wire.CreateRunRequest(start_time={"seconds": seconds}), "start_time")


class TestObservations:
    def test_every_fault_is_told_with_its_place(self):
        observations = wire.LogRequest(
            observations=[{"metric": "m", "text": "1"}, {"text": "1"}, {"metric": "m", "time": {"seconds": 2**62}}]
        ).observations
        with pytest.raises(InvalidInput) as caught:
            read_samples(observations)
        assert [problem.path for problem in caught.value.problems] == [
            "observations[1].metric",
            "observations[2].text",
            "observations[2].time",
        ]

    def test_not_all_of_very_many_faults(self):
        with pytest.raises(InvalidInput) as caught:
            read_samples([wire.Observation()] * 10_000)
        assert len(caught.value.problems) == 20

    def test_a_value_is_written_so_that_it_is_read_back(self):
        [sample] = read_samples([wire.Observation(metric="m", value=0.1)])
        assert (sample.text, sample.step, sample.time) == ("0.1", None, None)


class TestMasks:
    def test_what_is_wanted_is_read_and_no_more(self):
        mask = RunMask(wire.FindRunsRequest(read_mask={"paths": ["id", "metrics", "code"]}))
        assert mask.parts == {RunPart.METRICS, RunPart.PROVENANCE}
        message = mask.applied(wire.Run(id="r", name="n", code={"fields": {"a": {"bool_value": True}}}))
        assert {field.name for field, _ in message.ListFields()} == {"id", "code"}

    @pytest.mark.parametrize("paths", [[], ["*"], ["id", "*"]])
    def test_everything(self, paths):
        mask = RunMask(wire.GetRunRequest(read_mask={"paths": paths}))
        assert mask.parts == ALL_PARTS
        assert mask.applied(wire.Run(name="n")).name == "n"

    def test_a_field_there_is_not(self):
        with pytest.raises(InvalidInput, match="read_mask: is no field of a run"):
            RunMask(wire.GetRunRequest(read_mask={"paths": ["metrics.loss"]}))


class TestRequests:
    def test_a_scope(self):
        assert read_scope(wire.RunScope()) == RunScope()
        with pytest.raises(InvalidInput, match=r"scope.run_ids: must be at most 1,000"):
            read_scope(wire.RunScope(run_ids=["r"] * 1001))

    @pytest.mark.parametrize("wanted", [-1, 11])
    def test_more_than_there_may_be(self, wanted):
        assert at_most("page_size", 0, 10, 5) == 5
        with pytest.raises(InvalidInput, match="page_size"):
            at_most("page_size", wanted, 10, 5)

    def test_a_node_of_another_kind(self):
        with pytest.raises(InvalidInput, match="must be one of NODE_KIND_RUN"):
            node_of(wire.Node(kind=wire.NODE_KIND_PROJECT, id="p"), {NodeKind.RUN})
        with pytest.raises(InvalidInput, match=r"node.id: is required"):
            node_of(wire.Node(kind=wire.NODE_KIND_RUN))


def test_what_a_run_has_not_is_absent():
    metric = Metric("m", "x", None, None, None, "x", None, "", None, "", None, 1)
    run = Run(
        id="r",
        namespace="n",
        project_id="p",
        project="P",
        experiment_id=None,
        experiment=None,
        parent_id=None,
        root_of=None,
        name="r",
        index=None,
        state=TrialState.CREATED,
        reason="",
        message="",
        description="",
        owner="",
        created=NOON,
        began=NOON,
        started=None,
        ended=None,
        deleted=None,
        facts=Facts(),
        metrics=(metric,),
    )
    message = run_message(run)
    present = {field.name for field, _ in message.ListFields()}
    assert present == {"id", "namespace", "project_id", "project", "name", "state", "create_time", "metrics"}
    assert {field.name for field, _ in message.metrics[0].ListFields()} == {"name", "latest", "first", "count"}
