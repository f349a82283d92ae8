"""The wire against numbers that were written down from Katib's, by an encoder that knows nothing of protobuf's.

``wire_golden.json`` holds, for every message, an instance with all fields set as Katib's bytes. It only ever gets longer.
"""

import json
import struct
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor

from katib.rpc import v1beta1 as wire
from katib.rpc.descriptors import POOL
from katib.rpc.request_parts import RequestParts

GOLDEN = json.loads(Path(__file__).with_name("wire_golden.json").read_text())

# message: field=number:type, as in Katib's fact sheet; "*" is repeated, "%" a map of texts.
NUMBERS = {
    "Experiment": "name=1:string spec=2:ExperimentSpec",
    "ExperimentSpec": (
        "parameter_specs=1:ExperimentSpec.ParameterSpecs objective=2:ObjectiveSpec algorithm=3:AlgorithmSpec"
        " early_stopping=4:EarlyStoppingSpec parallel_trial_count=5:int32 max_trial_count=6:int32 nas_config=7:NasConfig"
    ),
    "ExperimentSpec.ParameterSpecs": "parameters=1:*ParameterSpec",
    "ParameterSpec": "name=1:string parameter_type=2:ParameterType feasible_space=3:FeasibleSpace",
    "FeasibleSpace": "max=1:string min=2:string list=3:*string step=4:string distribution=5:Distribution",
    "ObjectiveSpec": "type=1:ObjectiveType goal=2:double objective_metric_name=3:string additional_metric_names=4:*string",
    "AlgorithmSpec": "algorithm_name=1:string algorithm_settings=2:*AlgorithmSetting",
    "AlgorithmSetting": "name=1:string value=2:string",
    "EarlyStoppingSpec": "algorithm_name=1:string algorithm_settings=2:*EarlyStoppingSetting",
    "EarlyStoppingSetting": "name=1:string value=2:string",
    "NasConfig": "graph_config=1:GraphConfig operations=2:NasConfig.Operations",
    "NasConfig.Operations": "operation=1:*Operation",
    "GraphConfig": "num_layers=1:int32 input_sizes=2:*int32 output_sizes=3:*int32",
    "Operation": "operation_type=1:string parameter_specs=2:Operation.ParameterSpecs",
    "Operation.ParameterSpecs": "parameters=1:*ParameterSpec",
    "Trial": "name=1:string spec=2:TrialSpec status=3:TrialStatus",
    "TrialSpec": "objective=2:ObjectiveSpec parameter_assignments=3:TrialSpec.ParameterAssignments labels=4:%",
    "TrialSpec.ParameterAssignments": "assignments=1:*ParameterAssignment",
    "ParameterAssignment": "name=1:string value=2:string",
    "TrialStatus": (
        "start_time=1:string completion_time=2:string condition=3:TrialStatus.TrialConditionType observation=4:Observation"
    ),
    "Observation": "metrics=1:*Metric",
    "Metric": "name=1:string value=2:string",
    "ReportObservationLogRequest": "trial_name=1:string observation_log=2:ObservationLog",
    "ReportObservationLogReply": "",
    "ObservationLog": "metric_logs=1:*MetricLog",
    "MetricLog": "time_stamp=1:string metric=2:Metric",
    "GetObservationLogRequest": "trial_name=1:string metric_name=2:string start_time=3:string end_time=4:string",
    "GetObservationLogReply": "observation_log=1:ObservationLog",
    "DeleteObservationLogRequest": "trial_name=1:string",
    "DeleteObservationLogReply": "",
    "GetSuggestionsRequest": (
        "experiment=1:Experiment trials=2:*Trial current_request_number=4:int32 total_request_number=5:int32"
    ),
    "GetSuggestionsReply": (
        "parameter_assignments=1:*GetSuggestionsReply.ParameterAssignments algorithm=2:AlgorithmSpec"
        " early_stopping_rules=3:*EarlyStoppingRule"
    ),
    "GetSuggestionsReply.ParameterAssignments": "assignments=1:*ParameterAssignment trial_name=2:string labels=3:%",
    "ValidateAlgorithmSettingsRequest": "experiment=1:Experiment",
    "ValidateAlgorithmSettingsReply": "",
    "GetEarlyStoppingRulesRequest": "experiment=1:Experiment trials=2:*Trial db_manager_address=3:string",
    "GetEarlyStoppingRulesReply": "early_stopping_rules=1:*EarlyStoppingRule",
    "EarlyStoppingRule": "name=1:string value=2:string comparison=3:ComparisonType start_step=4:int32",
    "ValidateEarlyStoppingSettingsRequest": "early_stopping=1:EarlyStoppingSpec",
    "ValidateEarlyStoppingSettingsReply": "",
    "SetTrialStatusRequest": "trial_name=1:string",
    "SetTrialStatusReply": "",
}
ENUMS = {
    "ParameterType": "UNKNOWN_TYPE DOUBLE INT DISCRETE CATEGORICAL",
    "Distribution": "DISTRIBUTION_UNSPECIFIED UNIFORM LOG_UNIFORM NORMAL LOG_NORMAL",
    "ObjectiveType": "UNKNOWN MINIMIZE MAXIMIZE",
    "ComparisonType": "UNKNOWN_COMPARISON EQUAL LESS GREATER",
    "TrialStatus.TrialConditionType": "CREATED RUNNING SUCCEEDED KILLED FAILED METRICSUNAVAILABLE EARLYSTOPPED UNKNOWN",
}
SERVICES = {
    "DBManager": ("ReportObservationLog", "GetObservationLog", "DeleteObservationLog"),
    "Suggestion": ("GetSuggestions", "ValidateAlgorithmSettings"),
    "EarlyStopping": ("GetEarlyStoppingRules", "SetTrialStatus", "ValidateEarlyStoppingSettings"),
}


def message_class(name):
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"api.v1.beta1.{name}"))


# -- an encoder of its own ----------------------------------------------------------------------------------------------


def varint(number):
    encoded = bytearray()
    number &= (1 << 64) - 1
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def chunk(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def fields_of(message):
    for part in NUMBERS[message].split():
        name, _, rest = part.partition("=")
        number, _, kind = rest.partition(":")
        yield name, int(number), kind


def text_of(number, which=0):
    return f"text {number} of {which}: ü"


def encoded(message):
    """The bytes of a message with every field set, and two of each that is repeated."""
    parts = []
    for _, number, kind in fields_of(message):
        if kind == "*int32":
            parts.append(chunk(number, varint(-number) + varint(number + 1)))
        else:
            parts += [_field(number, kind.lstrip("*"), which) for which in range(2 if kind.startswith("*") else 1)]
    return b"".join(parts)


def _field(number, kind, which):
    match kind:
        case "string":
            return chunk(number, text_of(number, which).encode())
        case "int32":
            return varint(number << 3) + varint(number + 1000)
        case "double":
            return varint(number << 3 | 1) + struct.pack("<d", -0.125)
        case "%":
            return chunk(number, chunk(1, b"key") + chunk(2, b"value"))
        case kind if kind in ENUMS:
            return varint(number << 3) + varint(2)
        case _:
            return chunk(number, encoded(kind))


def holds_all(message, name):
    for field, number, kind in fields_of(name):
        value = getattr(message, field)
        match kind:
            case "string":
                assert value == text_of(number)
            case "*string":
                assert list(value) == [text_of(number), text_of(number, 1)]
            case "int32":
                assert value == number + 1000
            case "*int32":
                assert list(value) == [-number, number + 1]
            case "double":
                assert value == -0.125
            case "%":
                assert dict(value) == {"key": "value"}
            case kind if kind in ENUMS:
                assert value == 2
            case kind if kind.startswith("*"):
                assert len(value) == 2
                for item in value:
                    holds_all(item, kind[1:])
            case _:
                assert message.HasField(field)
                holds_all(value, kind)


# -- the tests ----------------------------------------------------------------------------------------------------------


def every_message(file):
    def inside(message, prefix=""):
        if not message.GetOptions().map_entry:
            yield f"{prefix}{message.name}"
            for nested in message.nested_types:
                yield from inside(nested, f"{prefix}{message.name}.")

    return {name for message in file.message_types_by_name.values() for name in inside(message)}


def test_the_table_knows_every_message():
    assert every_message(wire.DESCRIPTOR) == set(NUMBERS) == set(GOLDEN)


@pytest.mark.parametrize("name", NUMBERS)
def test_fields_have_katibs_numbers_and_no_others_are_there(name):
    described = message_class(name).DESCRIPTOR
    assert {(field.name, field.number) for field in described.fields} == {
        (field, number) for field, number, _ in fields_of(name)
    }


@pytest.mark.parametrize("name", NUMBERS)
def test_what_another_encoder_wrote_is_read(name):
    message = message_class(name).FromString(encoded(name))
    holds_all(message, name)
    assert message.SerializeToString(deterministic=True) == encoded(name)


@pytest.mark.parametrize("name", NUMBERS)
def test_the_golden_bytes_are_still_read_and_written(name):
    golden = bytes.fromhex(GOLDEN[name])
    message = message_class(name).FromString(golden)
    holds_all(message, name)
    assert message.SerializeToString(deterministic=True) == golden


@pytest.mark.parametrize("name", NUMBERS)
def test_unknown_fields_are_passed_on_and_change_nothing(name):
    later = chunk(900, b"of a later version") + varint(901 << 3) + varint(7)
    message = message_class(name).FromString(later + encoded(name))
    holds_all(message, name)
    assert sorted(message.SerializeToString()) == sorted(later + encoded(name))


@pytest.mark.parametrize("name", ENUMS)
def test_enums_count_as_katibs(name):
    owner, _, own = name.rpartition(".")
    enums = (message_class(owner).DESCRIPTOR if owner else wire.DESCRIPTOR).enum_types_by_name
    assert {value.name: value.number for value in enums[own].values} == {
        word: number for number, word in enumerate(ENUMS[name].split())
    }


def test_services_are_katibs_and_their_messages_are_named_for_their_calls():
    assert {
        name: tuple(service.methods_by_name) for name, service in wire.DESCRIPTOR.services_by_name.items()
    } == SERVICES
    for service in wire.DESCRIPTOR.services_by_name.values():
        assert service.full_name == f"api.v1.beta1.{service.name}"
        for method in service.methods:
            assert (method.input_type.name, method.output_type.name) == (f"{method.name}Request", f"{method.name}Reply")


@pytest.mark.parametrize("name", ["GetSuggestionsRequest", "GetEarlyStoppingRulesRequest"])
def test_a_request_in_parts_has_the_same_bytes_in_it(name):
    request = encoded(name)
    parts, whole = RequestParts.FromString(request), message_class(name).FromString(request)
    assert b"".join(parts.experiment) == whole.experiment.SerializeToString(deterministic=True)
    assert list(parts.trials) == [trial.SerializeToString(deterministic=True) for trial in whole.trials]
    for field in ("current_request_number", "total_request_number", "db_manager_address"):
        if hasattr(whole, field):
            assert getattr(parts, field) == getattr(whole, field)


def test_an_experiment_in_two_pieces_is_one():
    first, second = wire.Experiment(name="e"), wire.Experiment()
    second.spec.max_trial_count = 3
    request = chunk(1, first.SerializeToString()) + chunk(1, second.SerializeToString())
    parts = RequestParts.FromString(request)
    assert wire.Experiment.FromString(b"".join(parts.experiment)) == (
        wire.GetSuggestionsRequest.FromString(request).experiment
    )


def test_katibs_own_module_can_be_loaded_beside_it():
    """Its file has the same name and package, and lands in the pool that all of a process share by default."""
    theirs = descriptor_pb2.FileDescriptorProto(name="api.proto", package="api.v1.beta1", syntax="proto3")
    message = theirs.message_type.add(name="Experiment")
    message.field.add(
        name="name",
        number=1,
        type=FieldDescriptor.TYPE_STRING,
        label=FieldDescriptor.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(theirs.SerializeToString())
    other = message_factory.GetMessageClass(pool.FindMessageTypeByName("api.v1.beta1.Experiment"))
    assert other.FromString(wire.Experiment(name="both").SerializeToString()).name == "both"
    assert other is not wire.Experiment
