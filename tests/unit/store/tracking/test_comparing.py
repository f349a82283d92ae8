from dataclasses import replace
from datetime import UTC, datetime
from math import inf, nan

import pytest

from katib.api.trial import TrialState
from katib.store.sql.tracking.comparing import comparison
from katib.store.tracking.records import DatasetUse, DatasetVersion, Facts, Metric, Parameter, Run

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLAIN = Run(
    id="0",
    namespace="team",
    project_id="p",
    project="vision",
    experiment_id=None,
    experiment=None,
    parent_id=None,
    root_of=None,
    name="run",
    index=None,
    state=TrialState.SUCCEEDED,
    reason="",
    message="",
    description="",
    owner="ann",
    created=NOW,
    began=NOW,
    started=None,
    ended=None,
    deleted=None,
    facts=Facts(),
)


def compared(*fields):
    return comparison([replace(PLAIN, id=str(number), **some) for number, some in enumerate(fields)])


def parameters(**texts):
    return {"parameters": tuple(Parameter(name, text, None) for name, text in texts.items())}


def metrics(**values):
    fields = dict.fromkeys(
        ("latest_time", "latest_step", "first", "first_step", "min", "min_value", "max", "max_value", "count")
    )
    return {
        "metrics": tuple(
            Metric(name=name, latest=text, value=value, **fields) for name, (text, value) in values.items()
        )
    }


def use(name, digest, role):
    version = DatasetVersion("v", "d", name, 1, digest, "", "", None, None, None, None, None, NOW)
    return DatasetUse(version, role)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0.1", "0.10", True),
        ("0.1", "1e-1", True),
        ("0.1", "0.1000000000000000055", False),
        ("9007199254740992", "9007199254740993", False),
        ("1e400", "2e400", False),
        ("adam", "adam", True),
        ("adam", "Adam", False),
        ("adam", "1", False),
        ("nan", "nan", True),
        ("", "", True),
        ("", "0", False),
    ],
)
def test_parameters_are_the_same_as_texts_or_as_exact_numbers(one, other, same):
    found = compared(parameters(lr=one), parameters(lr=other))
    if same:
        assert found.equal["params.lr"] == one
        assert found.different == {}
    else:
        assert found.different == {"params.lr": (one, other)}


def test_metrics_that_are_no_numbers_are_compared_as_well():
    found = compared(
        metrics(a=("nan", nan), b=("inf", inf), c=("unavailable", None), d=("0.5", 0.5)),
        metrics(a=("NaN", nan), b=("-inf", -inf), c=("unavailable", None), d=("0.50", 0.5)),
    )
    assert repr(found.equal["metrics.a"]) == "nan"
    assert found.equal["metrics.c"] == "unavailable"
    assert found.equal["metrics.d"] == 0.5
    assert found.different == {"metrics.b": (inf, -inf)}


def test_a_property_that_is_null_is_not_one_that_is_absent():
    both = compared({"facts": Facts({}, {"a": None})}, {"facts": Facts({}, {"a": None})})
    assert both.equal == {"state": "Succeeded", "properties.a": None}
    one = compared({"facts": Facts({}, {"a": None})}, {})
    assert one.different == {"properties.a": (None, None)}


def test_true_is_not_one_and_the_order_of_names_does_not_count():
    found = compared(
        {"facts": Facts({}, {"a": True, "b": {"x": 1, "y": 2}})},
        {"facts": Facts({}, {"a": 1, "b": {"y": 2, "x": 1}})},
    )
    assert found.different == {"properties.a": (True, 1)}
    assert found.equal["properties.b"] == {"x": 1, "y": 2}


def test_documents_are_flattened_and_an_empty_part_is_a_value():
    found = compared(
        {"code": {"git": {"revision": "a", "files": ["x"]}, "none": {}}},
        {"code": {"git": {"revision": "b", "files": ["x"]}, "none": {}}},
        {"code": None},
    )
    assert found.equal == {"state": "Succeeded"}
    assert found.different == {
        "code.git.revision": ("a", "b", None),
        "code.git.files": (["x"], ["x"], None),
        "code.none": ({}, {}, None),
    }


def test_a_deep_document_needs_no_recursion():
    deep = leaf = {}
    for _ in range(5_000):
        leaf["a"] = leaf = {}
    leaf["end"] = 1
    assert set(compared({"environment": deep}, {"environment": deep}).equal) == {
        "state",
        "environment." + "a." * 5_000 + "end",
    }


def test_datasets_are_compared_by_role_and_content():
    found = compared(
        {"datasets": (use("b", "2", "train"), use("a", "1", "train"), use("a", "1", ""))},
        {"datasets": (use("a", "1", "train"), use("b", "2", "train"), use("a", "3", ""))},
    )
    assert found.equal["datasets.train"] == ["a@1", "b@2"]
    assert found.different == {"datasets": (["a@1"], ["a@3"])}


def test_names_are_in_the_order_of_kinds_and_of_appearance():
    found = compared(
        {**parameters(b="1", a="1"), "facts": Facts({"t": "1"}), "code": {"z": 1}},
        {**parameters(c="1", b="1"), "facts": Facts({"s": "1"}), "environment": {"y": 1}},
    )
    names = ["params.a", "params.c", "tags.t", "tags.s", "code.z", "environment.y"]
    assert list(found.different) == names
    assert list(found.equal) == ["state", "params.b"]
    assert found.run_ids == ("0", "1")
