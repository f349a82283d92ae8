import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from katib.errors import Problem
from katib.rpc import v1beta1 as wire
from katib.rpc.status import status_of
from katib.rpc.worker_call import Kind

MOST_TRAILERS = 8 << 10
"""What clients of gRPC accept by default, all trailing metadata together."""


def violations(status):
    [(key, data)] = status.metadata
    assert key == "grpc-status-details-bin"
    message = status_pb2.Status.FromString(data)
    assert (message.code, message.message) == (status.code.value[0], status.message)
    [details] = message.details
    bad = error_details_pb2.BadRequest()
    assert details.Unpack(bad)
    return [(violation.field, violation.description) for violation in bad.field_violations]


def size_on_the_wire(status):
    """The bytes of the trailers as HTTP/2 counts them: percent-encoded text, and details in base64."""
    message = sum(1 if " " <= c <= "~" and c != "%" else 3 * len(c.encode()) for c in status.message)
    return message + sum(len(data) * 4 // 3 + 4 + len(key) + 32 for key, data in status.metadata) + 100


def test_a_failure_without_problems_is_its_sentence():
    status = status_of("INTERNAL", "it broke")
    assert (status.code, status.message, status.metadata) == (grpc.StatusCode.INTERNAL, "it broke", ())


def test_problems_are_told_by_place_and_katibs_text():
    status = status_of(
        "INVALID_ARGUMENT",
        "not used",
        [
            Problem(
                "spec.algorithm.algorithmSettings[0].value", "must be less", "5", katib_text="gamma should be less"
            ),
            Problem("spec.parameters[1].feasibleSpace.min", "is no number", "a", "did you mean '0'?"),
        ],
    )
    assert status.message == (
        "gamma should be less; spec.parameters[1].feasibleSpace.min: is no number (got 'a'); did you mean '0'?"
    )
    assert violations(status) == [
        ("experiment.spec.algorithm.algorithm_settings[0].value", "must be less (got '5')"),
        (
            "experiment.spec.parameter_specs.parameters[1].feasible_space.min",
            "is no number (got 'a'); did you mean '0'?",
        ),
    ]


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "ü" * 100_000, "🦆" * 100_000, "%" * 100_000, "\n" * 9_000, "\ud800" * 9_000]
)
@pytest.mark.parametrize("count", [0, 1, 500])
def test_everything_fits_into_what_clients_accept(text, count):
    problems = [Problem(f"spec.{text}[{index}]", text, text, text, katib_text=text) for index in range(count)]
    status = status_of("INVALID_ARGUMENT", text, problems)
    assert size_on_the_wire(status) < MOST_TRAILERS
    assert status.message.endswith("…")
    if count:
        assert len(violations(status)) >= 1


@pytest.mark.parametrize(
    ("algorithm", "settings", "text"),
    [
        ("magic", {}, "unknown algorithm name magic"),
        ("tpe", {"gamma": "2"}, "gamma should be in the range of (0, 1)"),
        ("tpe", {"prior_weight": "0"}, "prior_weight should be great than zero"),
        ("tpe", {"n_EI_candidates": "0"}, "n_EI_candidates should be great than zero"),
        ("tpe", {"random_state": "-1"}, "random_state should be great or equal than zero"),
        ("random", {"gamma": "1"}, "unknown setting gamma for algorithm random"),
        (
            "random",
            {"random_state": "a"},
            "failed to validate random_state(a): invalid literal for int() with base 10: 'a'",
        ),
        (
            "bayesianoptimization",
            {"base_estimator": "XX"},
            "base_estimator XX is not supported in Bayesian optimization",
        ),
        ("bayesianoptimization", {"n_initial_points": "-1"}, "n_initial_points should be great or equal than zero"),
        ("hyperband", {}, "r_l and resource_name must be set."),
        ("hyperband", {"r_l": "-1", "resource_name": "n"}, "r_l must be a positive float number."),
        ("hyperband", {"r_l": "9", "resource_name": "zz"}, "value of resource_name setting must be in parameters."),
    ],
)
def test_katibs_texts_arrive_word_for_word(experiment, answered, algorithm, settings, text):
    experiment.spec.algorithm.algorithm_name = algorithm
    for name, value in settings.items():
        experiment.spec.algorithm.algorithm_settings.add(name=name, value=value)
    request = wire.ValidateAlgorithmSettingsRequest(experiment=experiment).SerializeToString()
    failure = answered(Kind.VALIDATE, request).failure
    status = status_of(failure.code, failure.message, failure.problems)
    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert text in status.message
    assert all(field.startswith("experiment.spec.algorithm") for field, _ in violations(status))


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("nothing", {}, "unknown algorithm name nothing"),
        ("medianstop", {"best": "1"}, "unknown setting best for algorithm medianstop"),
        ("medianstop", {"min_trials_required": "0"}, "min_trials_required must be greater than zero (>0)"),
        ("medianstop", {"start_step": "0"}, "start_step must be greater or equal than one (>=1)"),
        (
            "medianstop",
            {"start_step": "x"},
            "failed to validate start_step(x): invalid literal for int() with base 10: 'x'",
        ),
    ],
)
def test_katibs_texts_about_early_stopping(answered, name, settings, text):
    request = wire.ValidateEarlyStoppingSettingsRequest()
    request.early_stopping.algorithm_name = name
    for key, value in settings.items():
        request.early_stopping.algorithm_settings.add(name=key, value=value)
    failure = answered(Kind.VALIDATE_STOPPER, request.SerializeToString()).failure
    status = status_of(failure.code, failure.message, failure.problems)
    assert (status.code, status.message) == (grpc.StatusCode.INVALID_ARGUMENT, text)
