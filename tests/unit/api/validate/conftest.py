"""Changing one thing of a valid experiment and looking at what is said about it."""

import pytest

from katib.api import validate
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment


@pytest.fixture
def problems(document):
    """Return what is wrong with the (changed) document, by path."""

    def check():
        found = validate.problems(with_defaults(parse_experiment(document)))
        assert len(found) == len({(problem.path, problem.message) for problem in found})
        return {problem.path: problem for problem in found}

    return check


@pytest.fixture
def messages(problems):
    """Return the messages, by path."""
    return lambda: {path: problem.message for path, problem in problems().items()}
