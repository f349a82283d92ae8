import pytest

from katib.errors import InvalidInput
from katib.rpc import v1beta1 as wire
from katib.rpc.checkpoint_copies import prepare_checkpoints

PARENT = "pbt.suggestion.katib.kubeflow.org/parent"


@pytest.fixture
def experiment(experiment):
    """One whose trials have checkpoints."""
    experiment.spec.algorithm.algorithm_settings.add(name="suggestion_trial_dir", value="/opt/katib/data")
    return experiment


def reply_of(*trials):
    reply = wire.GetSuggestionsReply()
    for name, parent in trials:
        reply.parameter_assignments.add(trial_name=name, labels={PARENT: parent} if parent else {})
    return reply.SerializeToString()


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.name.startswith("."))


def test_a_trial_begins_with_a_copy_of_its_parents_folder(tmp_path, experiment):
    data = experiment.SerializeToString()
    prepare_checkpoints(tmp_path, data, reply_of(("exp-a", ""), ("exp-b", "")))
    (tmp_path / "exp" / "exp-a" / "weights").write_text("1")
    for _ in range(2):
        prepare_checkpoints(tmp_path, data, reply_of(("exp-c", "exp-a"), ("", "exp-a")))
    assert files(tmp_path) == ["exp", "exp/exp-a", "exp/exp-a/weights", "exp/exp-b", "exp/exp-c", "exp/exp-c/weights"]


def test_other_algorithms_get_no_folders(tmp_path, experiment):
    del experiment.spec.algorithm.algorithm_settings[:]
    prepare_checkpoints(tmp_path, experiment.SerializeToString(), reply_of(("exp-a", "")))
    assert files(tmp_path) == []


@pytest.mark.parametrize("name", ["", ".", "..", "../out", "/out", "a/../../out", "a\0", "a\n", "." * 300])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, experiment, name):
    root = tmp_path / "root"
    root.mkdir()
    experiment.name = name
    with pytest.raises(InvalidInput):
        prepare_checkpoints(root, experiment.SerializeToString(), reply_of(("trial", "")))
    assert files(tmp_path) == ["root"]


@pytest.mark.parametrize("trial", ["..", "../out", "/out", "a/b"])
def test_a_trial_that_leads_elsewhere_is_refused(tmp_path, experiment, trial):
    with pytest.raises(InvalidInput):
        prepare_checkpoints(tmp_path, experiment.SerializeToString(), reply_of((trial, "")))
    with pytest.raises(InvalidInput):
        prepare_checkpoints(tmp_path, experiment.SerializeToString(), reply_of(("exp-a", trial)))
