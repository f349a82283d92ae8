"""What ``tune`` submits: the experiment, the job of its trials, and what is refused before."""

import pytest
from kubernetes import client as kubernetes

import katib
from katib.admission import admit
from katib.client.documents import as_text
from katib.client.trial_jobs import TrainerResources, environment, resources
from katib.client.tuning import Tuning
from katib.errors import InvalidInput
from katib.template.source import LocalConfigMaps


def objective(x, layers=1):
    return x * layers


def tuning(**fields):
    given = {"name": "made", "namespace": "default", "objective": objective}
    given["parameters"] = {"x": katib.search.double(0, 1), "layers": katib.search.int(1, 3)}
    return Tuning(**{**given, **fields})


def admitted(document, tmp_path):
    return admit(as_text(document), config_maps=LocalConfigMaps(tmp_path))


def container_of(document):
    job = document["spec"]["trialTemplate"]["trialSpec"]
    return job["spec"]["template"]["spec"]["containers"][0]


def test_what_is_submitted_is_a_sound_experiment(tmp_path):
    document = tuning(
        algorithm_name="tpe",
        algorithm_settings={"n_startup_trials": 3},
        objective_metric_name="loss",
        objective_type="minimize",
        objective_goal=0.1,
        additional_metric_names=["accuracy"],
        max_trial_count=5,
        parallel_trial_count=2,
        max_failed_trial_count=1,
        early_stopping_name="medianstop",
        early_stopping_settings={"min_trials_required": 2},
        initial_trials=[{"x": 0.5, "layers": 2}],
        retries=2,
        trial_active_deadline_seconds=60,
        retain_trials=True,
        seed=4,
        labels={"team": "a"},
    ).document()
    spec = admitted(document, tmp_path).spec
    assert spec.objective.objective_metric_name == "loss"
    assert spec.objective.goal == 0.1
    assert spec.algorithm.algorithm_settings[0].value == "3"
    assert spec.early_stopping.algorithm_name == "medianstop"
    assert [item.value for item in spec.initial_trials[0].parameter_assignments] == ["0.5", "2"]
    assert spec.trial_template.retain
    assert spec.trial_template.primary_container_name == "training-container"
    job = spec.trial_template.trial_spec
    assert (job["kind"], job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == ("Job", 2, 60)
    assert document["metadata"]["labels"] == {"team": "a"}


def test_a_trial_is_python_with_a_program_and_words():
    container = container_of(tuning().document())
    assert container["command"][:3] == ["python", "-u", "-c"]
    assert container["args"] == ["x=${trialParameters.x}", "layers=${trialParameters.layers}"]
    assert container["image"] == katib.BASE_IMAGE_PYTORCH


def test_other_values_of_parameters_are_constants_of_the_function():
    document = tuning(parameters={"x": katib.search.double(0, 1), "layers": 7}).document()
    assert [parameter["name"] for parameter in document["spec"]["parameters"]] == ["x"]
    assert "values = {'layers': 7}" in container_of(document)["command"][3]


def test_katibs_own_parameters_are_taken():
    parameter = katib.V1beta1ParameterSpec(
        parameter_type="int", feasible_space=katib.V1beta1FeasibleSpace(min="1", max="3")
    )
    document = tuning(parameters={"x": parameter}).document()
    assert document["spec"]["parameters"] == [
        {"name": "x", "parameterType": "int", "feasibleSpace": {"max": "3", "min": "1"}}
    ]


def test_workers_make_a_pytorch_job(tmp_path):
    asked = TrainerResources(num_workers=3, num_procs_per_worker=2, resources_per_worker={"gpu": 2, "cpu": "5"})
    document = tuning(resources_per_trial=asked).document()
    spec = admitted(document, tmp_path).spec.trial_template
    job = spec.trial_spec
    assert (job["kind"], spec.primary_container_name) == ("PyTorchJob", "pytorch")
    assert job["spec"]["nprocPerNode"] == "2"
    replicas = job["spec"]["pytorchReplicaSpecs"]
    assert {name: one["replicas"] for name, one in replicas.items()} == {"Master": 1, "Worker": 2}
    container = replicas["Worker"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "2", "cpu": "5"}
    assert "torchrun" in container["command"][3]


def test_one_process_on_one_worker_needs_no_launcher():
    document = tuning(resources_per_trial=TrainerResources(1, 1, {"cpu": "1"})).document()
    replicas = document["spec"]["trialTemplate"]["trialSpec"]["spec"]["pytorchReplicaSpecs"]
    assert replicas.keys() == {"Master"}
    assert "torchrun" not in replicas["Master"]["template"]["spec"]["containers"][0]["command"][3]


@pytest.mark.parametrize(("workers", "processes"), [(0, 1), (1, 0), ("2", 1), (True, 1)])
def test_workers_are_counted_from_one(workers, processes):
    with pytest.raises(InvalidInput, match="must be a whole number from 1 on"):
        tuning(resources_per_trial=TrainerResources(workers, processes)).document()


def test_resources_in_each_form():
    assert resources(None) is None
    amounts = {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}
    assert resources({"CPU": 2, "memory": "4Gi", "gpu": 1}) == {"requests": amounts, "limits": amounts}
    asked = kubernetes.V1ResourceRequirements(limits={"cpu": "1"})
    assert resources(asked) == {"limits": {"cpu": "1"}}
    assert resources({"limits": {"cpu": "1"}}) == {"limits": {"cpu": "1"}}
    with pytest.raises(InvalidInput, match="must be a dict"):
        resources("2 CPUs")


def test_variables_in_each_form():
    assert environment(None) == ([], [])
    assert environment({"A": 1}) == ([{"name": "A", "value": "1"}], [])
    given = [
        kubernetes.V1EnvVar(name="A", value="1"),
        kubernetes.V1EnvFromSource(secret_ref=kubernetes.V1SecretEnvSource(name="s")),
        {"name": "B", "value": "2"},
    ]
    assert environment(given) == (
        [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        [{"secretRef": {"name": "s"}}],
    )
    with pytest.raises(InvalidInput, match=r"env_per_trial\[0\]"):
        environment(["A=1"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"parameters": {}}, "must be a dict of names and search parameters"),
        ({"parameters": {"x": 3}}, "nothing to search for"),
        ({"parameters": {"a=b": katib.search.double(0, 1)}, "objective": objective}, "no argument can have"),
        ({"initial_trials": [{"y": 1}]}, r"initial_trials\[0\]: has no parameter y"),
        ({"objective": lambda x: x}, "lambda"),
        ({"packages_to_install": "numpy"}, r"packages_to_install: must be a list of texts \(got \"'numpy'\"\)"),
        ({"additional_metric_names": "accuracy"}, r"write \['accuracy'\]"),
        ({"metrics_collector_config": "StdOut"}, "metrics_collector_config: must be a dict"),
        (
            {"labels": ["a"], "initial_trials": {"x": 1}},
            "labels: must be a dict of texts.*\n.*initial_trials: must be a list",
        ),
        ({"pip_index_urls": [3]}, "must be a list of texts"),
    ],
)
def test_what_cannot_be_tuned_is_said(fields, said):
    with pytest.raises(InvalidInput, match=said):
        tuning(**fields).document()


def test_the_same_parameters_can_be_used_again():
    parameters = {"x": katib.search.double(0, 1), "layers": 2}
    first = tuning(parameters=parameters).document()
    assert tuning(parameters=parameters).document() == first
