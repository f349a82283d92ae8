"""What ends a call to a store, as an error that says who may try again."""

import grpc
import pytest

from katib.errors import (
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    Overloaded,
    Problem,
    RemoteFault,
    Retry,
    StoreUnavailable,
    Unauthenticated,
    Unsupported,
)
from katib.rpc.remote_errors import store_error
from katib.rpc.status import status_of


class Ended:
    """A call that ended with a status."""

    def __init__(self, code, text, metadata=()):
        self._code, self._text, self._metadata = code, text, metadata

    def code(self):
        return self._code

    def details(self):
        return self._text

    def trailing_metadata(self):
        return self._metadata


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNAVAILABLE", StoreUnavailable),
        ("DEADLINE_EXCEEDED", StoreUnavailable),
        ("CANCELLED", StoreUnavailable),
        ("NOT_FOUND", NotFound),
        ("ALREADY_EXISTS", Conflict),
        ("PERMISSION_DENIED", Denied),
        ("UNAUTHENTICATED", Unauthenticated),
        ("RESOURCE_EXHAUSTED", Overloaded),
        ("UNIMPLEMENTED", Unsupported),
        ("INVALID_ARGUMENT", InvalidInput),
        ("INTERNAL", RemoteFault),
        ("UNKNOWN", RemoteFault),
        ("DATA_LOSS", RemoteFault),
    ],
)
def test_every_code(code, kind):
    error = store_error("store:6789", Ended(grpc.StatusCode[code], "as it was said"))
    assert type(error) is kind
    assert "as it was said" in str(error)


@pytest.mark.parametrize("code", ["INTERNAL", "UNKNOWN"])
@pytest.mark.parametrize("text", ["Received RST_STREAM with error code 2", "Stream removed", "Socket closed"])
def test_a_connection_that_broke_off_may_be_tried_again(code, text):
    assert store_error("store:6789", Ended(grpc.StatusCode[code], text)).retry is Retry.LATER


def test_the_places_of_a_refused_request_come_along():
    problems = [Problem("trials[3].record_json", "is required"), Problem("version", "must be 0 or more", -1)]
    status = status_of("INVALID_ARGUMENT", "", problems)
    error = store_error("store:6789", Ended(status.code, status.message, status.metadata))
    assert [problem.path for problem in error.problems] == ["trials[3].record_json", "version"]


def test_details_that_are_none():
    metadata = (("grpc-status-details-bin", b"\xff\xff"), ("other", "x"))
    error = store_error("store:6789", Ended(grpc.StatusCode.INVALID_ARGUMENT, "words", metadata))
    assert str(error) == "document: words"
