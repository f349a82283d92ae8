import pytest

from katib.errors import InvalidInput
from katib.rest.modeldb.fields import Fields
from katib.rest.modeldb.provenance import code_of, code_version, environment, environment_of


def test_code_is_ours_and_comes_back():
    git = {"filepaths": ["a.py"], "repo": "git@host:code", "hash": "4f1c", "is_dirty": 1}
    ours = code_of(Fields({"git_snapshot": git}))
    assert ours == {"files": ["a.py"], "repository": "git@host:code", "revision": "4f1c", "dirty": True}
    assert code_version(ours) == {"git_snapshot": {**git, "is_dirty": "TRUE"}}
    assert code_version({"archive": "x/code.zip", "repository": None})["code_archive"]["path"] == "x/code.zip"
    assert code_version(None) is code_version({"entry_point": "train.py"}) is None


def test_an_environment_is_ours_and_comes_back_as_it_was():
    blob = {
        "python": {
            "version": {"major": 3, "minor": 11, "patch": 4, "suffix": "rc1"},
            "requirements": [
                {"library": "numpy", "constraint": ">=", "version": {"major": "2"}},
                {"library": "katib"},
            ],
        },
        "environment_variables": [{"name": "SEED", "value": "7"}],
        "command_line": ["train.py", "--fast"],
    }
    ours = environment_of(Fields(blob))
    assert ours["python"] == "3.11.4rc1"
    assert ours["requirements"] == ["numpy>=2.0.0", "katib"]
    assert (ours["env"], ours["command"]) == ({"SEED": "7"}, ["train.py", "--fast"])
    assert environment(ours) == blob


@pytest.mark.parametrize(
    ("image", "docker"),
    [
        ("host:5000/team/train", {"repository": "host:5000/team/train", "tag": "", "sha": ""}),
        ("train:v1", {"repository": "train", "tag": "v1", "sha": ""}),
        ("train:v1@sha256:ab", {"repository": "train", "tag": "v1", "sha": "sha256:ab"}),
    ],
)
def test_the_image_of_a_trial_is_an_environment(image, docker):
    assert environment({"image": image, "command": ["python"], "args": ["t.py"]}) == {
        "docker": docker,
        "command_line": ["python", "t.py"],
    }
    assert environment_of(Fields({"docker": docker}))["image"] == image


def test_what_is_no_environment_is_refused():
    with pytest.raises(InvalidInput):
        environment_of(Fields({"python": {"requirements": [{}]}}))
