import pytest

from katib.errors import InvalidExperiment
from katib.rpc import v1beta1 as wire
from katib.rpc.experiment_message import check_search, experiment_of, experiment_path, request_path, seed_of


def checked(message):
    experiment = experiment_of(message)
    check_search(experiment)
    return experiment


def problems(message, check=checked):
    with pytest.raises(InvalidExperiment) as caught:
        check(message)
    return caught.value.problems


def paths(message, check=checked):
    return [problem.path for problem in problems(message, check)]


class TestEveryField:
    def test_of_an_experiment_with_parameters(self, experiment):
        spec = experiment.spec
        spec.objective.goal = 0.5
        spec.objective.additional_metric_names.extend(["accuracy", "time"])
        spec.algorithm.algorithm_settings.add(name="random_state", value="7")
        spec.early_stopping.algorithm_name = "medianstop"
        spec.early_stopping.algorithm_settings.add(name="start_step", value="2")
        found = experiment_of(experiment)
        assert found.metadata.name == "exp"
        assert (found.spec.parallel_trial_count, found.spec.max_trial_count) == (3, 20)
        objective = found.spec.objective
        assert (objective.type, objective.goal, objective.objective_metric_name) == ("minimize", 0.5, "loss")
        assert objective.additional_metric_names == ["accuracy", "time"]
        algorithm, stopper = found.spec.algorithm, found.spec.early_stopping
        assert (algorithm.algorithm_name, [(s.name, s.value) for s in algorithm.algorithm_settings]) == (
            "random",
            [("random_state", "7")],
        )
        assert (stopper.algorithm_name, [(s.name, s.value) for s in stopper.algorithm_settings]) == (
            "medianstop",
            [("start_step", "2")],
        )
        x, n, c = found.spec.parameters
        assert (x.name, x.parameter_type, x.feasible_space.min, x.feasible_space.max, x.feasible_space.step) == (
            "x",
            "double",
            "0",
            "1",
            "0.01",
        )
        assert (n.parameter_type, n.feasible_space.step) == ("int", None)
        assert (c.parameter_type, c.feasible_space.list) == ("categorical", ["a", "b"])

    def test_of_a_network(self, experiment):
        experiment.spec.ClearField("parameter_specs")
        graph = experiment.spec.nas_config.graph_config
        graph.num_layers = 4
        graph.input_sizes.extend([32, 32, 3])
        graph.output_sizes.append(10)
        operation = experiment.spec.nas_config.operations.operation.add(operation_type="convolution")
        size = operation.parameter_specs.parameters.add(name="filter_size", parameter_type=wire.CATEGORICAL)
        size.feasible_space.list.extend(["3", "5"])
        found = experiment_of(experiment).spec
        assert found.parameters is None
        assert found.nas_config.graph_config.num_layers == 4
        assert found.nas_config.graph_config.input_sizes == [32, 32, 3]
        assert found.nas_config.graph_config.output_sizes == [10]
        [operation] = found.nas_config.operations
        assert operation.operation_type == "convolution"
        assert [(p.name, p.feasible_space.list) for p in operation.parameters] == [("filter_size", ["3", "5"])]

    def test_numbers_that_were_not_sent_take_the_defaults(self, experiment):
        experiment.spec.ClearField("parallel_trial_count")
        experiment.spec.ClearField("max_trial_count")
        spec = experiment_of(experiment).spec
        assert spec.parallel_trial_count == 3
        assert spec.max_trial_count is None

    @pytest.mark.parametrize(
        ("number", "word"),
        [
            (wire.DISTRIBUTION_UNSPECIFIED, "uniform"),
            (wire.UNIFORM, "uniform"),
            (wire.LOG_UNIFORM, "logUniform"),
            (wire.NORMAL, "normal"),
            (wire.LOG_NORMAL, "logNormal"),
        ],
    )
    def test_distributions(self, experiment, number, word):
        experiment.spec.parameter_specs.parameters[0].feasible_space.distribution = number
        assert experiment_of(experiment).spec.parameters[0].feasible_space.distribution == word

    @pytest.mark.parametrize("sent", [0.0, -1.5, 1e300])
    def test_goals(self, experiment, sent):
        """Katib's controller sends 0 where there is no goal, so 0 is none."""
        experiment.spec.objective.goal = sent
        assert experiment_of(experiment).spec.objective.goal == (sent or None)


class TestProblems:
    def test_numbers_that_stand_for_nothing(self, experiment):
        experiment.spec.objective.type = 9
        experiment.spec.parameter_specs.parameters[0].parameter_type = 9
        experiment.spec.parameter_specs.parameters[1].feasible_space.distribution = -1
        experiment.spec.parallel_trial_count = -1
        experiment.spec.max_trial_count = -5
        assert paths(experiment, experiment_of) == [
            "spec.objective.type",
            "spec.parameters[0].parameterType",
            "spec.parameters[1].feasibleSpace.distribution",
            "spec.parallelTrialCount",
            "spec.maxTrialCount",
        ]

    def test_an_objective_without_direction(self, experiment):
        experiment.spec.objective.type = wire.UNKNOWN
        [problem] = problems(experiment)
        assert (problem.path, problem.value) == ("spec.objective.type", "UNKNOWN")

    def test_of_a_network_name_its_operation(self, experiment):
        experiment.spec.ClearField("parameter_specs")
        operations = experiment.spec.nas_config.operations.operation
        operations.add(operation_type="pooling")
        operations.add(operation_type="convolution").parameter_specs.parameters.add(name="x", parameter_type=8)
        assert paths(experiment) == ["spec.nasConfig.operations[1].parameters[0].parameterType"]

    def test_all_at_once(self, experiment):
        x, n, c = experiment.spec.parameter_specs.parameters
        x.feasible_space.min = "2"
        n.feasible_space.max = "many"
        del c.feasible_space.list[:]
        experiment.spec.objective.objective_metric_name = ""
        experiment.spec.algorithm.algorithm_name = "magic"
        found = paths(experiment)
        assert {path.partition(".feasibleSpace")[0] for path in found} == {
            "spec.objective.objectiveMetricName",
            "spec.parameters[0]",
            "spec.parameters[1]",
            "spec.parameters[2]",
            "spec.algorithm.algorithmName",
        }

    def test_an_empty_message(self):
        found = paths(wire.Experiment())
        assert "spec.objective" in found
        assert "spec.algorithm" in found

    @pytest.mark.parametrize("text", ["nan", "inf", "1e999", "abc", "1_0", "٣"])
    def test_limits_that_are_no_numbers(self, experiment, text):
        experiment.spec.parameter_specs.parameters[0].feasible_space.max = text
        assert paths(experiment) == ["spec.parameters[0].feasibleSpace.max"]

    def test_too_many_parameters(self, experiment):
        parameters = experiment.spec.parameter_specs.parameters
        for index in range(10_000):
            parameters.add(name=f"p{index}", parameter_type=wire.INT)
        [problem] = problems(experiment, experiment_of)
        assert (problem.path, problem.message) == ("spec.parameters", "must have at most 10000 parameters")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("metadata.name", "experiment.name"),
        ("spec.parameters", "experiment.spec.parameter_specs.parameters"),
        (
            "spec.parameters[12].feasibleSpace.min",
            "experiment.spec.parameter_specs.parameters[12].feasible_space.min",
        ),
        ("spec.parameters[0].parameterType", "experiment.spec.parameter_specs.parameters[0].parameter_type"),
        ("spec.objective.objectiveMetricName", "experiment.spec.objective.objective_metric_name"),
        ("spec.algorithm.algorithmSettings[1].value", "experiment.spec.algorithm.algorithm_settings[1].value"),
        ("spec.earlyStopping.algorithmName", "experiment.spec.early_stopping.algorithm_name"),
        ("spec.parallelTrialCount", "experiment.spec.parallel_trial_count"),
        ("spec.nasConfig", "experiment.spec.nas_config"),
        ("spec.nasConfig.graphConfig.numLayers", "experiment.spec.nas_config.graph_config.num_layers"),
        ("spec.nasConfig.operations", "experiment.spec.nas_config.operations.operation"),
        (
            "spec.nasConfig.operations[3].operationType",
            "experiment.spec.nas_config.operations.operation[3].operation_type",
        ),
        (
            "spec.nasConfig.operations[3].parameters[1].feasibleSpace.list",
            "experiment.spec.nas_config.operations.operation[3].parameter_specs.parameters[1].feasible_space.list",
        ),
        ("spec", "experiment.spec"),
        ("trials", "trials"),
        ("current_request_number", "current_request_number"),
        ("", ""),
    ],
)
def test_places_in_a_request(path, place):
    assert request_path(path) == place
    assert experiment_path(place) == path


class TestTheSeed:
    def test_stays_when_budgets_and_settings_change(self, experiment):
        before = seed_of(experiment)
        experiment.spec.max_trial_count += 1
        experiment.spec.parallel_trial_count += 1
        experiment.spec.algorithm.algorithm_settings.add(name="from", value="suggestion")
        assert seed_of(experiment) == before
        assert 0 <= before < 1 << 63

    def test_is_another_for_another_search(self, experiment):
        seeds = {seed_of(experiment)}
        experiment.name += "2"
        seeds.add(seed_of(experiment))
        experiment.spec.algorithm.algorithm_name = "tpe"
        seeds.add(seed_of(experiment))
        experiment.spec.parameter_specs.parameters[0].feasible_space.max = "2"
        seeds.add(seed_of(experiment))
        assert len(seeds) == 4
