"""Katib's models by their names: built from keywords, piece by piece, with Kubernetes' objects inside."""

import copy
import pickle

import pytest
from kubernetes import client as kubernetes

import katib
from katib.api.base import Condition, KeyValue, ObjectMeta
from katib.api.experiment import (
    AlgorithmSpec,
    Experiment,
    ExperimentSpec,
    ExperimentStatus,
    FeasibleSpace,
    OptimalTrial,
)
from katib.api.suggestion import SuggestionStatus
from katib.api.trial import TrialStatus
from katib.client.documents import document_of, experiment_document
from katib.client.models import katib_model
from katib.errors import InvalidExperiment, InvalidInput


def built():
    """An experiment as people build it with Katib's client."""
    experiment = katib.V1beta1Experiment(
        api_version="kubeflow.org/v1beta1",
        kind="Experiment",
        metadata=kubernetes.V1ObjectMeta(name="made", namespace="here", labels={"team": "a"}),
        spec=katib.V1beta1ExperimentSpec(),
    )
    experiment.spec.objective = katib.V1beta1ObjectiveSpec(
        type="minimize", objective_metric_name="loss", additional_metric_names=["accuracy"]
    )
    experiment.spec.algorithm = katib.V1beta1AlgorithmSpec(
        algorithm_name="random",
        algorithm_settings=[katib.V1beta1AlgorithmSetting(name="random_state", value="1")],
    )
    parameter = katib.V1beta1ParameterSpec(
        parameter_type="double", feasible_space=katib.V1beta1FeasibleSpace(min="0", max="1")
    )
    assert parameter.name is None
    parameter.name = "x"
    experiment.spec.parameters = [parameter]
    experiment.spec.max_trial_count = 4
    container = kubernetes.V1Container(
        name="main",
        image="python",
        command=["python", "-c", "print('loss=${trialParameters.x}')"],
        resources=kubernetes.V1ResourceRequirements(limits={"cpu": "1"}),
    )
    pod = kubernetes.V1PodTemplateSpec(spec=kubernetes.V1PodSpec(containers=[container], restart_policy="Never"))
    experiment.spec.trial_template = katib.V1beta1TrialTemplate(
        primary_container_name="main",
        trial_parameters=[katib.V1beta1TrialParameterSpec(name="x", reference="x")],
        trial_spec=kubernetes.V1Job(
            api_version="batch/v1", kind="Job", spec=kubernetes.V1JobSpec(template=pod, backoff_limit=0)
        ),
    )
    return experiment


def test_the_document_of_a_built_experiment_is_the_one_katib_sends():
    document = built().to_document()
    assert document == kubernetes.ApiClient().sanitize_for_serialization(document)
    assert document["metadata"] == {"name": "made", "namespace": "here", "labels": {"team": "a"}}
    job = document["spec"]["trialTemplate"]["trialSpec"]
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert job["spec"]["template"]["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}}
    assert Experiment.model_validate(document).spec.parameters[0].name == "x"


def test_a_model_of_kubernetes_reads_as_its_own_client_writes_it():
    job = kubernetes.V1Job(
        metadata=kubernetes.V1ObjectMeta(name="j", annotations={"a": "b"}),
        spec=kubernetes.V1JobSpec(template=kubernetes.V1PodTemplateSpec(), ttl_seconds_after_finished=3),
    )
    assert document_of(job) == kubernetes.ApiClient().sanitize_for_serialization(job)


def test_to_dict_has_the_attributes_and_to_str_shows_them():
    told = built().to_dict()
    assert told["spec"]["objective"]["objective_metric_name"] == "loss"
    assert told["spec"]["early_stopping"] is None
    assert told["spec"]["trial_template"]["trial_spec"]["spec"]["backoff_limit"] == 0
    assert "objective_metric_name" in built().to_str()


def test_what_the_api_returns_becomes_katibs_and_stays_ours():
    strict = Experiment.model_validate(built().to_document())
    told = katib_model(strict)
    assert isinstance(told, katib.V1beta1Experiment)
    assert isinstance(told, Experiment)
    assert isinstance(told.spec.parameters[0].feasible_space, katib.V1beta1FeasibleSpace)
    assert isinstance(told.spec.parameters[0].feasible_space, FeasibleSpace)
    assert told.to_document() == strict.to_document()
    assert told.checked() == strict


def test_a_model_is_copied_and_sent_to_another_process():
    told = katib_model(Experiment.model_validate(built().to_document()))
    assert pickle.loads(pickle.dumps(told)) == told  # noqa: S301 - our own
    assert copy.deepcopy(told) == told


def test_a_keyword_that_is_no_field_is_refused_with_a_guess():
    with pytest.raises(InvalidInput, match="no 'objective_metric'; did you mean 'objective_metric_name'"):
        katib.V1beta1ObjectiveSpec(objective_metric="loss")


def test_an_experiment_may_be_a_dict_in_either_spelling_or_a_text(tmp_path):
    assert experiment_document({"metadata": {"generate_name": "a-"}}) == {"metadata": {"generateName": "a-"}}
    assert experiment_document("kind: Experiment") == "kind: Experiment"
    path = tmp_path / "experiment.yaml"
    path.write_text("kind: Experiment\n")
    assert experiment_document(path) == "kind: Experiment\n"
    with pytest.raises(InvalidExperiment, match="cannot be read"):
        experiment_document(tmp_path / "absent.yaml")
    with pytest.raises(InvalidExperiment, match="not int"):
        experiment_document(3)


@pytest.mark.parametrize("strange", [object(), float("nan"), float("inf"), {1, 2}])
def test_what_is_in_no_document_is_refused_with_its_place(strange):
    with pytest.raises(InvalidInput, match=r"spec\.goal"):
        document_of({"spec": {"goal": strange}})


def test_the_name_of_a_file_is_no_document():
    with pytest.raises(InvalidExperiment, match=r"write Path\('sweeps/experiment.yaml'\)"):
        experiment_document("sweeps/experiment.yaml")


def test_a_document_that_holds_itself_is_refused():
    endless = {}
    endless["again"] = endless
    with pytest.raises(InvalidInput, match="holds itself"):
        document_of(endless)


def test_what_katib_names_by_its_place_is_named_so():
    stopper = AlgorithmSpec(algorithm_name="medianstop", algorithm_settings=[KeyValue(name="start_step", value="2")])
    algorithm = AlgorithmSpec(algorithm_name="tpe", algorithm_settings=[KeyValue(name="seed", value="1")])
    spec = katib_model(ExperimentSpec(algorithm=algorithm, early_stopping=stopper))
    assert type(spec.algorithm) is katib.V1beta1AlgorithmSpec
    assert type(spec.algorithm.algorithm_settings[0]) is katib.V1beta1AlgorithmSetting
    assert type(spec.early_stopping) is katib.V1beta1EarlyStoppingSpec
    assert type(spec.early_stopping.algorithm_settings[0]) is katib.V1beta1EarlyStoppingSetting
    for status, kind in ((TrialStatus, "Trial"), (SuggestionStatus, "Suggestion"), (ExperimentStatus, "Experiment")):
        told = katib_model(status(conditions=[Condition(type="Created")]))
        assert type(told.conditions[0]) is getattr(katib, f"V1beta1{kind}Condition")
    best = katib_model(OptimalTrial(parameter_assignments=[KeyValue(name="x", value="1")]))
    assert type(best.parameter_assignments[0]) is katib.V1beta1ParameterAssignment


def test_metadata_has_the_attributes_of_kubernetes():
    owners = [{"kind": "Experiment", "name": "search"}]
    made = ObjectMeta.model_validate({"name": "search-1", "generation": 2, "ownerReferences": owners, "other": 1})
    told = katib_model(made)
    absent = ("finalizers", "managed_fields", "self_link", "deletion_grace_period_seconds", "deletion_timestamp")
    assert (told.name, told.generation, told.owner_references, told.other) == ("search-1", 2, owners, 1)
    assert [getattr(told, name) for name in absent] == [None] * len(absent)
    assert told.to_document() == made.to_document()
    assert told.to_dict()["name"] == "search-1"
    with pytest.raises(AttributeError, match="no attribute 'nickname'"):
        told.nickname  # noqa: B018 - which is the test
    assert pickle.loads(pickle.dumps(told)) == told  # noqa: S301 - of this process
