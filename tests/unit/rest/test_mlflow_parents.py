"""The condition on the parent is taken out of a filter where that means the same, and stays where it does not."""

import pytest

from katib.errors import InvalidInput
from katib.rest.mlflow.parents import without_parent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", ())),
        ("metrics.loss < 1", ("metrics.loss < 1", ())),
        ("tags.mlflow.parentRunId = 'a'", ("", ("a",))),
        ("tags.`mlflow.parentRunId` = 'a'", ("", ("a",))),
        ("tag.mlflow.parentRunId = 'a' and metrics.loss < 1", ("metrics.loss < 1", ("a",))),
        ("tags.mlflow.parentRunId IN ('a', 'b')", ("", ("a", "b"))),
        ("params.x = 'tags.mlflow.parentRunId'", ("params.x = 'tags.mlflow.parentRunId'", ())),
        ("tags.mlflow.parentRunId != 'a'", ("tags.mlflow.parentRunId != 'a'", ())),
    ],
)
def test_filter(text, expected):
    assert without_parent(text) == expected


def test_an_or_stays_an_or():
    text = "tags.mlflow.parentRunId = 'a' OR metrics.loss < 1"
    assert without_parent(text) == (text, ())
    rest, parents = without_parent("tags.mlflow.parentRunId = 'a' AND (metrics.loss < 1 OR metrics.loss > 2)")
    assert (rest, parents) == ("metrics.loss < 1 OR metrics.loss > 2", ("a",))


def test_what_is_no_filter_is_refused():
    with pytest.raises(InvalidInput):
        without_parent("tags.mlflow.parentRunId ~ 'a'")
