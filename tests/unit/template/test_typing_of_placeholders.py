"""Which placeholders become numbers, also after a template went through a store, an API or another tool."""

import json

import pytest
import yaml

from katib.api.document import load
from katib.template.typing_of_placeholders import UNQUOTED, note_unquoted, unquoted_paths

TEMPLATE = """
kind: T
metadata: {annotations: {mine: kept}}
spec:
  plain: ${trialParameters.a}
  quoted: "${trialParameters.a}"
  part: a${trialParameters.a}
  command:
    - ${trialParameters.a}
"""


def read(text):
    return note_unquoted(load(text)[0].content)


def test_paths_are_noted_beside_other_annotations_and_nothing_else_changes():
    content = load(TEMPLATE)[0].content
    noted = note_unquoted(content)
    assert noted["metadata"]["annotations"] == {"mine": "kept", UNQUOTED: '["spec.plain"]'}
    assert noted["spec"] == content["spec"]
    assert UNQUOTED not in content["metadata"]["annotations"]


def test_template_in_which_quotes_make_no_difference_is_left_alone():
    for text in ("kind: T", "command:\n  - ${trialParameters.a}", "a: x${trialParameters.a}", "a: ${trialSpec.Name}"):
        content = load(text)[0].content
        assert note_unquoted(content) is content


def test_quotes_survive_json_and_a_tool_that_writes_yaml_without_them():
    noted = read(TEMPLATE)
    through_json = note_unquoted(json.loads(json.dumps(noted)))
    assert unquoted_paths(through_json) == {"spec.plain"}
    printed = yaml.safe_dump(json.loads(json.dumps(noted)))
    assert "quoted: ${trialParameters.a}" in printed
    assert unquoted_paths(read(printed)) == {"spec.plain"}
    quoted_only = read('a: "${trialParameters.a}"')
    assert unquoted_paths(read(yaml.safe_dump(json.loads(json.dumps(quoted_only))))) == frozenset()


def test_template_of_a_python_client_has_no_quotes_and_gets_text():
    assert unquoted_paths(note_unquoted({"spec": {"a": "${trialParameters.a}"}})) == frozenset()


@pytest.mark.parametrize(
    "annotation", ["", "text", "{}", "5", "null", "[", '["a"', "[1, null]", "[" * 100_000, None, 5, ["spec.plain"], {}]
)
def test_broken_annotation_notes_nothing(annotation):
    assert unquoted_paths({"metadata": {"annotations": {UNQUOTED: annotation}}}) == frozenset()


@pytest.mark.parametrize("template", [{}, {"metadata": None}, {"metadata": "x"}, {"metadata": {"annotations": "x"}}])
def test_template_without_annotations_notes_nothing(template):
    assert unquoted_paths(template) == frozenset()
