"""Whatever arrives, each call is answered or refused as the caller's fault: nothing else, and soon."""

import random
import resource

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from katib.algorithm import early_stoppers, registry
from katib.rpc import v1beta1 as wire
from katib.rpc.answer import Answerer
from katib.rpc.worker_call import Kind, Task

KINDS = {
    Kind.SUGGEST: wire.GetSuggestionsRequest,
    Kind.VALIDATE: wire.ValidateAlgorithmSettingsRequest,
    Kind.RULES: wire.GetEarlyStoppingRulesRequest,
    Kind.VALIDATE_STOPPER: wire.ValidateEarlyStoppingSettingsRequest,
}
# fmt: off
NASTY = [
    "", "0", "1", "-1", "nan", "inf", "-Infinity", "1e999", "1e308", "-1e308", "5e-324", "1e-300", "0x10", "1_0", "٣", "9" * 400,
    "0." + "0" * 400 + "1", "x", "x" * 5000, "\0", "None", "null", "../..", "${x}", "🦆",
]
# fmt: on
TEXTS = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=8).filter(lambda text: text.encode(errors="ignore").decode() == text),
    st.floats().map(repr),
    st.integers().map(str),
)
NAMES = st.one_of(st.sampled_from(["x", "n", "c", "loss", ""]), TEXTS)
INT32 = st.one_of(st.sampled_from([0, 1, 3, -1, 2**31 - 1, -(2**31)]), st.integers(-(2**31), 2**31 - 1))
OPEN_ENUM = st.one_of(st.integers(0, 5), st.sampled_from([-1, 99, 2**31 - 1]))
ALGORITHMS = st.one_of(st.sampled_from(registry.names()), TEXTS)
STOPPERS = st.one_of(st.sampled_from(early_stoppers.names()), TEXTS)


def some(kind, **fields):
    return st.builds(kind, **fields)


SPACE = some(
    wire.FeasibleSpace, max=TEXTS, min=TEXTS, step=TEXTS, list=st.lists(TEXTS, max_size=4), distribution=OPEN_ENUM
)
SOUND_SPACE = st.sampled_from(
    [
        (wire.DOUBLE, wire.FeasibleSpace(min="0", max="1")),
        (wire.DOUBLE, wire.FeasibleSpace(min="1e-5", max="1", distribution=wire.LOG_UNIFORM)),
        (wire.DOUBLE, wire.FeasibleSpace(min="-1e307", max="1e307")),
        (wire.DOUBLE, wire.FeasibleSpace(min="0", max="1", step="1e-12")),
        (wire.INT, wire.FeasibleSpace(min="1", max="9")),
        (wire.INT, wire.FeasibleSpace(min="0", max="9223372036854775807")),
        (wire.CATEGORICAL, wire.FeasibleSpace(list=["a", "b"])),
        (wire.DISCRETE, wire.FeasibleSpace(list=["1", "2.5"])),
    ]
)
PARAMETER = st.one_of(
    some(wire.ParameterSpec, name=NAMES, parameter_type=OPEN_ENUM, feasible_space=SPACE),
    st.builds(
        lambda name, sound: wire.ParameterSpec(name=name, parameter_type=sound[0], feasible_space=sound[1]),
        NAMES,
        SOUND_SPACE,
    ),
)
PARAMETERS = st.lists(PARAMETER, max_size=4)
OBJECTIVE = some(
    wire.ObjectiveSpec,
    type=st.one_of(st.sampled_from([1, 2]), OPEN_ENUM),
    goal=st.floats(),
    objective_metric_name=NAMES,
    additional_metric_names=st.lists(NAMES, max_size=2),
)
SETTINGS = {
    kind: st.lists(
        some(
            kind,
            name=st.one_of(st.sampled_from(["random_state", "sigma", "r_l", "resource_name", "eta"]), TEXTS),
            value=TEXTS,
        ),
        max_size=3,
    )
    for kind in (wire.AlgorithmSetting, wire.EarlyStoppingSetting)
}
ALGORITHM = some(wire.AlgorithmSpec, algorithm_name=ALGORITHMS, algorithm_settings=SETTINGS[wire.AlgorithmSetting])
STOPPER = some(wire.EarlyStoppingSpec, algorithm_name=STOPPERS, algorithm_settings=SETTINGS[wire.EarlyStoppingSetting])
NETWORK = some(
    wire.NasConfig,
    graph_config=some(
        wire.GraphConfig,
        num_layers=st.one_of(st.integers(-1, 8), INT32),
        input_sizes=st.lists(INT32, max_size=3),
        output_sizes=st.lists(INT32, max_size=2),
    ),
    operations=some(
        wire.NasConfig.Operations,
        operation=st.lists(
            some(
                wire.Operation,
                operation_type=NAMES,
                parameter_specs=some(wire.Operation.ParameterSpecs, parameters=PARAMETERS),
            ),
            max_size=3,
        ),
    ),
)
EXPERIMENT = some(
    wire.Experiment,
    name=NAMES,
    spec=some(
        wire.ExperimentSpec,
        parameter_specs=some(wire.ExperimentSpec.ParameterSpecs, parameters=PARAMETERS),
        objective=OBJECTIVE,
        algorithm=ALGORITHM,
        early_stopping=st.one_of(st.none(), STOPPER),
        parallel_trial_count=INT32,
        max_trial_count=INT32,
        nas_config=st.one_of(st.none(), st.none(), NETWORK),
    ),
)
ASSIGNMENT = some(wire.ParameterAssignment, name=NAMES, value=TEXTS)
TRIAL = some(
    wire.Trial,
    name=st.one_of(st.sampled_from(["a", "b"]), TEXTS),
    spec=some(
        wire.TrialSpec,
        parameter_assignments=some(wire.TrialSpec.ParameterAssignments, assignments=st.lists(ASSIGNMENT, max_size=3)),
        labels=st.dictionaries(NAMES, TEXTS, max_size=2),
    ),
    status=some(
        wire.TrialStatus,
        start_time=st.one_of(st.just("2026-03-01T12:00:00Z"), TEXTS),
        condition=st.one_of(st.integers(0, 7), OPEN_ENUM),
        observation=some(wire.Observation, metrics=st.lists(some(wire.Metric, name=NAMES, value=TEXTS), max_size=2)),
    ),
)
TRIALS = st.lists(TRIAL, max_size=3)
REQUESTS = {
    Kind.SUGGEST: some(
        wire.GetSuggestionsRequest,
        experiment=EXPERIMENT,
        trials=TRIALS,
        current_request_number=st.one_of(st.integers(0, 4), st.sampled_from([-1, 2**31 - 1])),
        total_request_number=INT32,
    ),
    Kind.VALIDATE: some(wire.ValidateAlgorithmSettingsRequest, experiment=EXPERIMENT),
    Kind.RULES: some(wire.GetEarlyStoppingRulesRequest, experiment=EXPERIMENT, trials=TRIALS),
    Kind.VALIDATE_STOPPER: some(wire.ValidateEarlyStoppingSettingsRequest, early_stopping=STOPPER),
}

# Each example is given far more time than it needs: what is caught is what does not end.
FUZZ = settings(
    max_examples=150,
    deadline=20_000,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
ANSWERER = Answerer(1 << 20)


@pytest.fixture(autouse=True)
def _memory_of_a_pod():
    """A request that takes more than 4 GiB fails its test instead of the machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def answered(kind, data):
    """The code of an answer that is one or a refusal."""
    outcome = ANSWERER.answer(Task(kind, data, 60, {"a": [1.0, 2.0], "b": []} if kind is Kind.RULES else {}))
    if outcome.failure is None:
        return "OK"
    assert outcome.failure.code == "INVALID_ARGUMENT", (outcome.failure.message, outcome.failure.details)
    assert outcome.failure.problems
    return outcome.failure.code


@pytest.mark.parametrize("kind", KINDS)
def test_any_bytes(kind):
    @FUZZ
    @example(b"")
    @example(b"\x0a" * 10_000)
    @example(b"\x0b" * 10_000)
    @example(b"\x0a\xff\xff\xff\xff\x0f")
    @example(b"\xff" * 20)
    @given(st.binary(max_size=200))
    def check(data):
        answered(kind, data)

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_any_message(kind):
    codes = set()

    @FUZZ
    @given(REQUESTS[kind])
    def check(request):
        codes.add(answered(kind, request.SerializeToString()))

    check()
    assert codes in ({"OK", "INVALID_ARGUMENT"}, {"INVALID_ARGUMENT"})


def leaves(message):
    """Every place in a message where a text or number is set, as a function that puts another there."""
    for field, value in message.ListFields():
        repeated = not isinstance(value, (str, bytes, int, float)) and hasattr(value, "__len__")
        if field.message_type is None:
            for index in range(len(value)) if repeated else [None]:
                yield message, field.name, index
        elif not field.message_type.GetOptions().map_entry:
            for item in value if repeated else [value]:
                yield from leaves(item)


def disturb(message, rng):
    """Put something nasty in one place."""
    owner, name, index = rng.choice(list(leaves(message)))
    held = getattr(owner, name)
    now = held if index is None else held[index]
    if isinstance(now, str):
        new = rng.choice(NASTY)
    elif isinstance(now, float):
        new = rng.choice([float(text) for text in ("nan", "inf", "-1e308", "5e-324", "0")])
    else:
        new = rng.choice([0, 1, 2, 3, 7, -1, 500, 2**31 - 1, -(2**31)])
    if index is None:
        setattr(owner, name, new)
    else:
        held[index] = new


SETTINGS_OF = {
    "hyperband": {"r_l": "9", "resource_name": "n", "eta": "3"},
    "asha": {"r_l": "9", "resource_name": "n", "eta": "3"},
    "pbt": {"suggestion_trial_dir": "/d", "n_population": "5", "truncation_threshold": "0.4"},
}


@pytest.mark.parametrize("algorithm", [name for name in registry.names() if not registry.get(name).assigns])
def test_a_sound_request_with_something_nasty_in_one_or_two_places(algorithm, experiment):
    experiment.spec.algorithm.algorithm_name = algorithm
    described = {item.name: item.default for item in registry.describe(algorithm).settings if item.default}
    for name, value in {**described, **SETTINGS_OF.get(algorithm, {})}.items():
        experiment.spec.algorithm.algorithm_settings.add(name=name, value=value)
    for parameter in experiment.spec.parameter_specs.parameters[:2]:
        parameter.feasible_space.step = parameter.feasible_space.step or "1"
    sound = wire.GetSuggestionsRequest(experiment=experiment, current_request_number=2, total_request_number=8)
    for index in range(6):
        trial = sound.trials.add(name=f"t{index}")
        for name, value in (("x", f"0.{index}"), ("n", str(index + 1)), ("c", "ab"[index % 2])):
            trial.spec.parameter_assignments.assignments.add(name=name, value=value)
        trial.status.condition = wire.TrialStatus.SUCCEEDED
        trial.status.start_time = f"2026-03-01T12:00:0{index}Z"
        trial.status.observation.metrics.add(name="loss", value=f"0.{9 - index}")
    assert answered(Kind.SUGGEST, sound.SerializeToString()) == "OK"
    rng = random.Random(11)
    for _ in range(120):
        broken = wire.GetSuggestionsRequest.FromString(sound.SerializeToString())
        for _ in range(rng.randint(1, 2)):
            disturb(broken, rng)
        answered(Kind.SUGGEST, broken.SerializeToString())


@pytest.mark.parametrize("kind", [Kind.SUGGEST, Kind.RULES])
def test_a_sound_request_with_bits_flipped_and_pieces_missing(kind, experiment):
    experiment.spec.early_stopping.algorithm_name = "medianstop"
    sound = KINDS[kind](experiment=experiment)
    for index in range(3):
        trial = sound.trials.add(name=f"t{index}")
        for name, value in (("x", f"0.{index}"), ("n", "3"), ("c", "a")):
            trial.spec.parameter_assignments.assignments.add(name=name, value=value)
        trial.status.condition = wire.TrialStatus.SUCCEEDED
        trial.status.observation.metrics.add(name="loss", value="0.5")
    if kind is Kind.SUGGEST:
        sound.current_request_number = sound.total_request_number = 2
    data = sound.SerializeToString()
    assert answered(kind, data) == "OK"
    rng = random.Random(5)
    for _ in range(600):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            match rng.randrange(4):
                case 0:
                    broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
                case 1:
                    del broken[rng.randrange(1, len(broken)) :]
                case 2:
                    place = rng.randrange(len(broken))
                    del broken[place : place + rng.randint(1, 9)]
                case _:
                    place = rng.randrange(len(broken))
                    broken[place:place] = broken[: rng.randint(1, 60)]
            if len(broken) < 2:
                break
        # A flipped bit may ask for thousands of points, which is no fault; here it is only slow.
        answered(kind, bytes(broken))


DOUBLE = {"name": "x", "parameterType": "DOUBLE"}
BOMBS = {
    "steps without end": [{**DOUBLE, "feasibleSpace": {"min": "0", "max": "1e308", "step": "1e-300"}}],
    "steps that vanish": [{**DOUBLE, "feasibleSpace": {"min": "0", "max": "1", "step": "1e-300"}}],
    "a number of many digits": [{**DOUBLE, "feasibleSpace": {"min": "0", "max": "9" * 100_000}}],
    "a step of many digits": [
        {**DOUBLE, "feasibleSpace": {"min": "0", "max": "1", "step": "0." + "0" * 100_000 + "1"}}
    ],
    "an exponent of many digits": [{**DOUBLE, "feasibleSpace": {"min": "0", "max": "1e" + "9" * 1_000}}],
    "whole numbers of many digits": [
        {"name": "n", "parameterType": "INT", "feasibleSpace": {"min": "-" + "9" * 5_000, "max": "9" * 5_000}}
    ],
    "the whole numbers of 64 bits": [
        {"name": "n", "parameterType": "INT", "feasibleSpace": {"min": str(-(2**63)), "max": str(2**63 - 1)}}
    ],
    "the logarithm of almost everything": [
        {**DOUBLE, "feasibleSpace": {"min": "5e-324", "max": "1.7e308", "distribution": "LOG_UNIFORM"}}
    ],
    "a list of 100,000": [
        {
            "name": "c",
            "parameterType": "CATEGORICAL",
            "feasibleSpace": {"list": [str(index) for index in range(100_000)]},
        }
    ],
    "a text of a megabyte": [
        {"name": "c", "parameterType": "CATEGORICAL", "feasibleSpace": {"list": ["a" * 1_000_000, "b"]}}
    ],
    "a grid of 10**120 points": [
        {"name": f"n{index}", "parameterType": "INT", "feasibleSpace": {"min": "1", "max": "1000000"}}
        for index in range(20)
    ],
    "names that are all the same": [{**DOUBLE, "feasibleSpace": {"min": "0", "max": "1"}}] * 10_000,
    "500 parameters": [
        {**DOUBLE, "name": f"x{index}", "feasibleSpace": {"min": "0", "max": "1", "step": "0.1"}}
        for index in range(500)
    ],
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", BOMBS)
def test_what_is_small_to_say_and_large_to_do(experiment, name):
    spec = json_format.ParseDict({"parameters": BOMBS[name]}, wire.ExperimentSpec.ParameterSpecs())
    for algorithm in ("random", "grid", "sobol", "tpe", "nsga2", "cmaes", "bayesianoptimization"):
        experiment.spec.parameter_specs.CopyFrom(spec)
        experiment.spec.algorithm.algorithm_name = algorithm
        request = wire.GetSuggestionsRequest(
            experiment=experiment, current_request_number=2, total_request_number=2
        ).SerializeToString()
        answered(Kind.SUGGEST, request)


@pytest.mark.timeout(60)
def test_ten_thousand_parameters(experiment):
    parameters = experiment.spec.parameter_specs.parameters
    while len(parameters) < 10_000:
        parameters.add(name=f"p{len(parameters)}", parameter_type=wire.DOUBLE).feasible_space.CopyFrom(
            wire.FeasibleSpace(min="0", max="1")
        )
    request = wire.GetSuggestionsRequest(experiment=experiment, current_request_number=1).SerializeToString()
    assert answered(Kind.SUGGEST, request) == "OK"


@pytest.mark.timeout(60)
def test_messages_within_messages():
    """Protobuf itself stops at a depth; nothing here may recurse further."""
    data = b""
    for _ in range(5_000):
        data = b"\x0a" + _varint(len(data)) + data
    for kind in KINDS:
        answered(kind, data)


def _varint(number):
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
