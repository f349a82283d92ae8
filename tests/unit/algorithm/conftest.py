"""Experiments to solve, and algorithms that exist for one test only."""

import importlib
import sys
from importlib.metadata import EntryPoint

import pytest

from katib.algorithm import discovery, registry
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment


@pytest.fixture
def experiment():
    """Make a defaulted experiment that asks for an algorithm."""

    def make(algorithm="random", settings=(), **spec):
        return with_defaults(
            parse_experiment(
                {
                    "apiVersion": "kubeflow.org/v1beta1",
                    "kind": "Experiment",
                    "metadata": {"name": "tune"},
                    "spec": {
                        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                        "algorithm": {
                            "algorithmName": algorithm,
                            "algorithmSettings": [{"name": name, "value": value} for name, value in settings],
                        },
                        "parameters": [
                            {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "9"}},
                            {"name": "c", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
                        ],
                        **spec,
                    },
                }
            )
        )

    return make


@pytest.fixture
def drop(tmp_path, monkeypatch):
    """Drop a file into the folder of algorithms."""
    package = importlib.import_module("suggestions")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setattr(package.__spec__, "submodule_search_locations", package.__path__)
    before = set(sys.modules)

    def write(name, text):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        importlib.invalidate_caches()
        discovery.forget()

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("suggestions."):
            del sys.modules[name]
    monkeypatch.undo()
    discovery.forget()


@pytest.fixture
def offer(monkeypatch):
    """Offer plug-ins as another installed package does."""

    def entries(group=registry.GROUP, **points):
        listed = [EntryPoint(name, value, group) for name, value in points.items()]
        monkeypatch.setattr(discovery, "entry_points", lambda group: [each for each in listed if each.group == group])
        discovery.forget()

    yield entries
    monkeypatch.undo()
    discovery.forget()
