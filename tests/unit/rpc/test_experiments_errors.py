"""Errors go over the wire with their types, and what gRPC itself says is never lost."""

import grpc
import pytest

from katib import errors
from katib.errors import (
    Denied,
    InvalidExperiment,
    InvalidInput,
    KatibError,
    NotFound,
    Overloaded,
    Problem,
    RemoteFault,
    Retry,
    StoreUnavailable,
)
from katib.rpc.experiments_errors import failure_of, status_for
from katib.rpc.status import status_of

KINDS = [getattr(errors, name) for name in errors.__all__ if name not in {"Problem", "Retry"}]


class Ended:
    """A call that ended with a status."""

    def __init__(self, code, text="", metadata=()):
        self._code, self._text, self._metadata = code, text, metadata

    def code(self):
        return self._code

    def details(self):
        return self._text

    def trailing_metadata(self):
        return self._metadata


def over_the_wire(error):
    status = status_for(error)
    return failure_of("katib:6789", Ended(status.code, status.message, status.metadata))


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_what_it_was(kind):
    found = over_the_wire(kind("it is so: 100 %, für alle"))
    assert type(found) is kind
    assert "it is so: 100 %, für alle" in str(found)
    assert found.retry is kind.retry


def test_a_type_of_a_plug_in_is_the_one_it_is_made_of():
    class OfAPlugin(NotFound):
        pass

    assert type(over_the_wire(OfAPlugin("gone"))) is NotFound


def test_problems_have_their_places_and_lines():
    problems = [
        Problem("spec.parameters[2].feasibleSpace.min", "must be a number", "much", line=7),
        Problem("", "is no experiment"),
        Problem("spec.maxTrialCount", "must be at least 1", 0, hint="leave it out"),
    ]
    found = over_the_wire(InvalidExperiment(problems))
    assert [(problem.path, problem.line) for problem in found.problems] == [
        ("spec.parameters[2].feasibleSpace.min", 7),
        ("", None),
        ("spec.maxTrialCount", None),
    ]
    assert str(found) == str(InvalidExperiment(problems))


def test_many_problems_are_told_as_far_as_they_fit():
    found = over_the_wire(InvalidExperiment([Problem(f"spec.p[{n}]", "x" * 300, line=n + 1) for n in range(500)]))
    assert 3 <= len(found.problems) <= 20
    assert [problem.line for problem in found.problems] == list(range(1, len(found.problems) + 1))


def test_a_store_that_is_away_names_the_server():
    assert "katib:6789" in str(over_the_wire(StoreUnavailable("the database is locked")))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, StoreUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, StoreUnavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.PERMISSION_DENIED, Denied),
        (grpc.StatusCode.INTERNAL, RemoteFault),
        (grpc.StatusCode.DATA_LOSS, RemoteFault),
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidInput),
    ],
)
def test_what_is_not_ours_is_what_its_code_says_in_its_own_words(code, kind):
    found = failure_of("katib:6789", Ended(code, "a proxy's own reason"))
    assert type(found) is kind
    assert "a proxy's own reason" in str(found)


def test_what_is_too_large_is_not_asked_for_again():
    said = "CLIENT: Sent message larger than max (70000000 vs. 67108864)"
    found = failure_of("katib:6789", Ended(grpc.StatusCode.RESOURCE_EXHAUSTED, said))
    assert found.retry is Retry.NEVER
    assert said in str(found)


def test_details_that_are_none_are_left_alone():
    for metadata in ((("grpc-status-details-bin", b"\xff\xff"),), (("other", "x"),), None):
        found = failure_of("katib:6789", Ended(grpc.StatusCode.NOT_FOUND, "no such thing", metadata))
        assert type(found) is NotFound
        assert "no such thing" in str(found)


def test_a_kind_that_does_not_fit_its_code_is_not_believed():
    status = status_of("UNAVAILABLE", "no", kind="Denied")
    found = failure_of("katib:6789", Ended(status.code, status.message, status.metadata))
    assert type(found) is StoreUnavailable
    status = status_of("UNAVAILABLE", "no", kind="Problem")
    assert isinstance(failure_of("katib:6789", Ended(status.code, "no", status.metadata)), KatibError)
