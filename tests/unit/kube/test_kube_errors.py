"""The types of this package have the rows of the table that their general types have."""

import inspect

import pytest

from katib import errors
from katib.errors import KatibError, Retry
from katib.kube import errors as kube_errors

HERE = [
    kind
    for _, kind in inspect.getmembers(kube_errors, inspect.isclass)
    if issubclass(kind, KatibError) and kind.__module__ == kube_errors.__name__ and not kind.__name__.startswith("_")
]
ROW = ("retry", "grpc_code", "http_status", "exit_code", "event_reason")


def general(kind):
    return next(base for base in kind.__mro__ if base.__module__ == errors.__name__)


@pytest.mark.parametrize("kind", [kind for kind in HERE if kind is not kube_errors.ServerAway])
def test_row_is_that_of_the_general_type(kind):
    assert general(kind) is not KatibError
    assert [getattr(kind, name) for name in ROW] == [getattr(general(kind), name) for name in ROW]


def test_only_a_server_that_is_away_may_be_asked_later_where_a_fault_may_not():
    assert kube_errors.ServerAway.retry is Retry.LATER
    assert general(kube_errors.ServerAway) is errors.RemoteFault


def test_all_of_them_are_public_and_described():
    assert {kind.__name__ for kind in HERE} <= set(kube_errors.__all__)
    assert all(inspect.getdoc(kind) for kind in HERE)


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"code": "410"},
        {"code": None, "details": None},
        {"details": {"causes": "none"}},
        {"details": {"causes": [1]}},
    ],
)
def test_status_that_is_none_is_an_error_all_the_same(status):
    error = kube_errors.error_of_status("watch", status)
    assert isinstance(error, kube_errors.StrangeAnswer)
    assert "no reason given" in str(error)


def test_text_of_a_stranger_is_cut_and_one_line():
    error = kube_errors.error_of_answer("get /x", 502, b"<html>\n" + b"x" * 100_000, {})
    assert len(str(error)) < 2_100
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("-1", None), ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("inf", None)],
)
def test_time_the_server_asks_for(header, seconds):
    error = kube_errors.error_of_answer("get /x", 429, b"{}", {"Retry-After": header})
    assert kube_errors.retry_after(error) == seconds
