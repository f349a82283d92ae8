"""The definitions in ``deploy/crds`` are those of the models; each field has its type and its words."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from katib.api.crd import custom_resource_definitions, written
from katib.api.crd_schema import schema_of
from katib.api.experiment import Experiment, ExperimentSpec
from katib.api.suggestion import Suggestion
from katib.api.trial import Trial

FOLDER = Path(__file__).parents[3] / "deploy" / "crds"
DEFINITIONS = {document["spec"]["names"]["kind"]: document for document in custom_resource_definitions()}


def schema(kind):
    return DEFINITIONS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def fields(schema, path=""):
    """Yield every field of a schema with its path."""
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, field
        yield from fields(field, here)
        yield from fields(field.get("items", {}), f"{here}[]")


FIELDS = {f"{kind}{path}": field for kind in DEFINITIONS for path, field in fields(schema(kind))}


def test_files_are_what_the_models_say(tmp_path):
    subprocess.run([sys.executable, "-m", "katib.api.crd", tmp_path / "crds"], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "crds").iterdir()}
    there = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert made == written()
    assert there == made, "`make crds` writes them anew"
    assert set(yaml.safe_load(there["kustomization.yaml"])["resources"]) == set(there) - {"kustomization.yaml"}


def test_a_folder_has_to_be_named():
    done = subprocess.run([sys.executable, "-m", "katib.api.crd"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: python -m katib.api.crd FOLDER\n")


@pytest.mark.parametrize(("kind", "short"), [("Experiment", "exp"), ("Suggestion", "sug"), ("Trial", "tr")])
def test_names(kind, short):
    document = DEFINITIONS[kind]
    spec = document["spec"]
    assert document["metadata"]["name"] == f"{kind.lower()}s.kubeflow.org"
    assert (spec["group"], spec["scope"]) == ("kubeflow.org", "Namespaced")
    assert spec["names"]["shortNames"] == [short]
    assert spec["names"]["categories"] == ["all", "kubeflow", "katib"]
    (version,) = spec["versions"]
    assert version["name"] == "v1beta1"
    assert version["subresources"] == {"status": {}}


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_is_described_and_has_a_type(path):
    field = FIELDS[path]
    assert "metadata" in path.rpartition(".")[2] or field["description"]
    assert "type" in field or "x-kubernetes-int-or-string" in field or "x-kubernetes-preserve-unknown-fields" in field
    assert "$ref" not in field


@pytest.mark.parametrize("model", [Experiment, Suggestion, Trial])
def test_every_field_of_a_model_is_there(model):
    document = model.model_json_schema(by_alias=True)
    for part in ("spec", "status"):
        (reference,) = [name for name in document["$defs"] if name == f"{model.__name__}{part.capitalize()}"]
        assert set(document["$defs"][reference]["properties"]) == set(
            schema(model.__name__)["properties"][part]["properties"]
        )


def test_only_free_fields_keep_what_no_schema_knows():
    free = {
        path for path, field in FIELDS.items() if "x-kubernetes-preserve-unknown-fields" in field and "type" in field
    }
    assert {path.rpartition(".")[2] for path in free} == {"trialSpec", "metadata", "customCollector", "runSpec"}


def test_numbers_may_stand_where_people_write_text_and_nowhere_else():
    loose = {path for path, field in FIELDS.items() if "type" not in field and "maxProperties" in field}
    assert {path for path in loose if not path.startswith("Experiment.spec.")} == set()
    assert {
        "Experiment.spec.parameters[].feasibleSpace.min",
        "Experiment.spec.algorithm.algorithmSettings[].value",
    } <= loose


def test_columns_point_at_fields():
    for kind, document in DEFINITIONS.items():
        for column in document["spec"]["versions"][0]["additionalPrinterColumns"]:
            path = column["jsonPath"].replace("[-1:]", "[]")
            assert path.startswith(".metadata.") or f"{kind}{path}" in FIELDS, path


def test_type_without_a_schema_is_no_silent_hole():
    with pytest.raises(TypeError, match="has no structural schema"):
        schema_of(set[str], by_people=True)


def test_rules_do_not_leak_into_the_models_schema():
    assert "x-kubernetes-validations" not in schema_of(ExperimentSpec, by_people=True)
