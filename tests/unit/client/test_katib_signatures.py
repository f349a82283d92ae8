"""Code written for Katib's client 0.19 calls ours in the same way: names, order and defaults of every public method."""

import inspect

import pytest

import katib
from katib.client.katib_client import KatibClient

TIMEOUT = 120
REQUIRED = inspect.Parameter.empty
NAMED = {"name": REQUIRED, "namespace": None, "timeout": TIMEOUT}
OF_EXPERIMENT = {"name": REQUIRED, "namespace": None, "experiment": None, "timeout": TIMEOUT}
METHODS = {
    "create_experiment": {"experiment": REQUIRED, "namespace": None},
    "tune": {
        "name": REQUIRED,
        "model_provider_parameters": None,
        "dataset_provider_parameters": None,
        "trainer_parameters": None,
        "storage_config": {"size": "10Gi", "storage_class": None, "access_modes": ["ReadWriteOnce", "ReadOnlyMany"]},
        "objective": None,
        "base_image": "docker.io/pytorch/pytorch:2.2.1-cuda12.1-cudnn8-runtime",
        "parameters": None,
        "namespace": None,
        "env_per_trial": None,
        "algorithm_name": "random",
        "algorithm_settings": None,
        "objective_metric_name": None,
        "additional_metric_names": [],
        "objective_type": "maximize",
        "objective_goal": None,
        "max_trial_count": None,
        "parallel_trial_count": None,
        "max_failed_trial_count": None,
        "resources_per_trial": None,
        "retain_trials": False,
        "packages_to_install": None,
        "pip_index_urls": None,  # in Katib the public index, where pip looks in any case unless it is set up otherwise
        "metrics_collector_config": {"kind": "StdOut"},
        "trial_active_deadline_seconds": None,
    },
    "get_experiment": NAMED,
    "list_experiments": {"namespace": None, "timeout": TIMEOUT},
    "get_experiment_conditions": OF_EXPERIMENT,
    "is_experiment_created": OF_EXPERIMENT,
    "is_experiment_running": OF_EXPERIMENT,
    "is_experiment_restarting": OF_EXPERIMENT,
    "is_experiment_succeeded": OF_EXPERIMENT,
    "is_experiment_failed": OF_EXPERIMENT,
    "wait_for_experiment_condition": {
        "name": REQUIRED,
        "namespace": None,
        "expected_condition": "Succeeded",
        "timeout": 600,
        "polling_interval": 15,
        "apiserver_timeout": TIMEOUT,
    },
    "edit_experiment_budget": {
        "name": REQUIRED,
        "namespace": None,
        "max_trial_count": None,
        "parallel_trial_count": None,
        "max_failed_trial_count": None,
        "timeout": TIMEOUT,
    },
    "delete_experiment": {"name": REQUIRED, "namespace": None, "delete_options": None},
    "get_suggestion": NAMED,
    "list_suggestions": {"namespace": None, "timeout": TIMEOUT},
    "get_trial": NAMED,
    "list_trials": {"experiment_name": None, "namespace": None, "timeout": TIMEOUT},
    "get_success_trial_details": {"experiment_name": None, "namespace": None, "timeout": TIMEOUT},
    "get_optimal_hyperparameters": NAMED,
    "get_trial_metrics": {
        "name": REQUIRED,
        "namespace": None,
        "db_manager_address": "katib-db-manager.kubeflow:6789",
        "timeout": TIMEOUT,
    },
    "get_job_logs": {"name": REQUIRED, "trial_name": REQUIRED, "follow": False, "namespace": None},
}
CONSTRUCTOR = ["config_file", "context", "client_configuration", "namespace"]
MODELS = [
    "AlgorithmSetting",
    "AlgorithmSpec",
    "CollectorSpec",
    "ConfigMapSource",
    "EarlyStoppingRule",
    "EarlyStoppingSetting",
    "EarlyStoppingSpec",
    "Experiment",
    "ExperimentCondition",
    "ExperimentList",
    "ExperimentSpec",
    "ExperimentStatus",
    "FeasibleSpace",
    "FileSystemPath",
    "FilterSpec",
    "GraphConfig",
    "Metric",
    "MetricStrategy",
    "MetricsCollectorSpec",
    "NasConfig",
    "ObjectiveSpec",
    "Observation",
    "Operation",
    "OptimalTrial",
    "ParameterAssignment",
    "ParameterSpec",
    "SourceSpec",
    "Suggestion",
    "SuggestionCondition",
    "SuggestionList",
    "SuggestionSpec",
    "SuggestionStatus",
    "Trial",
    "TrialAssignment",
    "TrialCondition",
    "TrialList",
    "TrialParameterSpec",
    "TrialSource",
    "TrialSpec",
    "TrialStatus",
    "TrialTemplate",
]


def positional(function):
    parameters = [*inspect.signature(function).parameters.values()][1:]
    return {one.name: one.default for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_called_as_katibs(name):
    ours, katibs = positional(getattr(KatibClient, name)), METHODS[name]
    assert list(ours) == list(katibs)
    assert ours == katibs


def test_what_is_ours_alone_is_given_by_name_and_may_be_left_out():
    for name in METHODS:
        for one in inspect.signature(getattr(KatibClient, name)).parameters.values():
            if one.kind is one.KEYWORD_ONLY:
                assert one.default is not one.empty, (name, one.name)


def test_a_client_is_made_as_katibs():
    assert list(positional(KatibClient.__init__)) == CONSTRUCTOR
    assert not any(positional(KatibClient.__init__).values())


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_imported_by_katibs_name(name):
    model = getattr(katib, f"V1beta1{name}")
    assert model().to_dict().keys() >= set()


@pytest.mark.parametrize("name", [name for name in katib.__all__ if name != "viz"])
def test_what_the_package_names_is_there(name):
    assert getattr(katib, name) is not None


def test_what_katibs_package_has_beside_its_models():
    assert katib.BASE_IMAGE_TENSORFLOW == "docker.io/tensorflow/tensorflow:2.13.0"
    assert katib.BASE_IMAGE_TENSORFLOW_GPU == "docker.io/tensorflow/tensorflow:2.13.0-gpu"
    resources = katib.TrainerResources(num_workers=2, num_procs_per_worker=1, resources_per_worker={"cpu": "1"})
    assert resources.num_workers == 2
