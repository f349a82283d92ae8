"""The table of errors is total: every error says who may retry, and what it is to gRPC, HTTP, a shell and Kubernetes."""

import importlib
import inspect
import pkgutil
import re
from http import HTTPStatus

import grpc
import pytest

import katib
from katib import errors
from katib.errors import InvalidExperiment, InvalidInput, KatibError, Problem, Retry


def every(kind):
    for below in kind.__subclasses__():
        yield below
        yield from every(below)


KINDS = [KatibError, *(kind for kind in every(KatibError) if kind.__module__ == errors.__name__)]
KUBE_ERRORS = "katib.kube.errors"
"""An API server's answers, each of a type of the table; ``tests/unit/kube/test_kube_errors.py`` checks their rows."""
SHARED = {InvalidInput: 2}
"""A user fixes the input in the same way, whatever kind of input it was."""


def test_every_error_of_the_project_is_in_the_table():
    for module in pkgutil.walk_packages(katib.__path__, "katib."):
        if module.name.startswith(
            ("katib.api", "katib.space", "katib.algorithm", "katib.template", "katib.admission", "katib.access")
        ):
            importlib.import_module(module.name)
    outside = [kind for kind in every(KatibError) if kind.__module__ not in (errors.__name__, KUBE_ERRORS)]
    assert outside == []
    assert {kind.__name__ for kind in KINDS} <= set(errors.__all__)


def test_tree_at_the_top_of_the_module_is_the_tree():
    drawn = re.findall(r"^ *[│ ]*(?:[├└]── )?([A-Z]\w+)(?:  |$)", errors.__doc__, re.MULTILINE)
    assert [name for name in drawn if hasattr(errors, name)] == [kind.__name__ for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_row_is_complete(kind):
    assert isinstance(kind.retry, Retry)
    assert kind.grpc_code in grpc.StatusCode.__members__
    assert kind.grpc_code != "OK"
    assert 400 <= kind.http_status <= 599
    assert kind.http_status == 499 or HTTPStatus(kind.http_status)
    assert 1 <= kind.exit_code <= 130
    assert re.fullmatch(r"[A-Z][A-Za-z]+", kind.event_reason)
    assert inspect.getdoc(kind).endswith(".")


def test_exit_codes_tell_errors_apart():
    seen = {}
    for kind in KINDS:
        shared = next((base for base in SHARED if issubclass(kind, base)), kind)
        assert seen.setdefault(kind.exit_code, shared) is shared
        assert kind.exit_code == SHARED.get(shared, kind.exit_code)
    reserved = {0, 126, 127}
    assert not reserved & seen.keys()


def test_only_what_may_succeed_later_is_retried():
    later = {kind for kind in KINDS if kind.retry is Retry.LATER}
    assert {kind.grpc_code for kind in later} == {"RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
    assert {kind.http_status for kind in later} == {429, 503, 504}


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("", "is empty"), "document: is empty"),
        (Problem("spec.seed", "must be more", 5), "spec.seed: must be more (got 5)"),
        (Problem("spec.seed", "must be more", "5", line=7), "spec.seed (line 7): must be more (got '5')"),
        (Problem("a", "is wrong", "x", "did you mean 'y'?", 1), "a (line 1): is wrong (got 'x'); did you mean 'y'?"),
        (Problem("a", "is wrong", 0), "a: is wrong (got 0)"),
        (Problem("a", "is wrong", ""), "a: is wrong (got '')"),
        (Problem("a", "is wrong", "\x1b[31m\n"), r"a: is wrong (got '\x1b[31m\n')"),
    ],
)
def test_problem_reads_as_a_line(problem, text):
    assert str(problem) == text


def test_problem_stays_a_line_whatever_is_in_it():
    long = "x" * 100_000
    assert len(str(Problem(long, long, long))) < 1_500
    assert len(str(Problem("a", "b", [long] * 10))) < 200


def test_invalid_input_has_a_line_for_each_problem():
    error = InvalidExperiment([Problem("a", "is wrong"), Problem("b", "is wrong too", line=2)])
    assert str(error) == "a: is wrong\nb (line 2): is wrong too"
    assert len(error.problems) == 2
    assert str(InvalidInput("only a sentence")) == "document: only a sentence"
