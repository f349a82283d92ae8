"""What programs read: kubectl's shapes, and nothing that a terminal would obey."""

import json

import pytest
import yaml

from katib.cli.options import Output
from katib.cli.resource_output import print_document, print_resources
from katib.engine.trial_document import trial_resource

AWKWARD = {
    "text": "naïve λ 🧪 \x1b[2J\x7f\x9b\u202e\n'\"\\ ${x} : #",
    "numbers": [0, -1, 1.5, 1e300, 2**70],
    "words": [True, False, None, "true", "1", ""],
    "empty": [{}, []],
}


def printed(capsys, form, document):
    print_document(document, form)
    return capsys.readouterr().out


def test_json_and_yaml_say_the_same(capsys):
    assert json.loads(printed(capsys, Output.JSON, AWKWARD)) == AWKWARD
    assert yaml.safe_load(printed(capsys, Output.YAML, AWKWARD)) == AWKWARD


@pytest.mark.parametrize("form", [Output.JSON, Output.YAML])
def test_no_character_steers_the_terminal(capsys, form):
    text = printed(capsys, form, AWKWARD)
    assert all(character.isprintable() or character == "\n" for character in text)


def test_yaml_stays_readable_where_it_can(capsys):
    assert "naïve λ 表" in printed(capsys, Output.YAML, {"text": "naïve λ 表"})


def test_json_is_the_one_of_the_json_module(capsys):
    document = {"a": [1, {"b": None}], "λ": "🧪", "nan": float("inf")}
    assert printed(capsys, Output.JSON, document) == json.dumps(document, indent=2) + "\n"


def test_one_named_is_itself_and_all_else_is_a_list(capsys, specimens):
    experiment = specimens.experiment()
    trials = [trial_resource(specimens.trial(index, loss="1"), experiment) for index in range(2)]

    def document(resources, *, single):
        print_resources(resources, Output.JSON, single=single)
        return json.loads(capsys.readouterr().out)

    alone = document(trials[:1], single=True)
    assert alone["kind"] == "Trial"
    assert {"apiVersion", "metadata", "spec", "status"} <= set(alone)
    listed = document(trials, single=False)
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "List")
    assert [item["kind"] for item in listed["items"]] == ["Trial", "Trial"]
    assert document(trials[:1], single=False)["items"] == [alone]
    assert document([], single=False) == {"apiVersion": "v1", "kind": "List", "items": []}


def test_names_are_kind_group_and_name(capsys, specimens):
    experiment = specimens.experiment()
    print_resources([experiment, trial_resource(specimens.trial(0), experiment)], Output.NAME, single=False)
    assert capsys.readouterr().out == "experiment.kubeflow.org/exp\ntrial.kubeflow.org/exp-t0000000\n"
