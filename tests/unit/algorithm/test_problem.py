"""What an algorithm is told about an experiment."""

from katib.algorithm.problem import Objective, SearchProblem


def test_everything_an_algorithm_may_depend_on(experiment):
    problem = SearchProblem.from_experiment(
        experiment(
            objective={"type": "maximize", "objectiveMetricName": "accuracy", "goal": 0.9},
            objectives=[{"type": "minimize", "objectiveMetricName": "cost"}],
            parallelTrialCount=4,
            maxTrialCount=20,
        ),
        7,
    )
    assert problem.objectives == (Objective("accuracy", minimize=False, goal=0.9), Objective("cost", minimize=True))
    assert (problem.seed, problem.parallel, problem.max_trials, problem.experiment_name) == (7, 4, 20, "tune")
    assert [parameter.name for parameter in problem.space.parameters] == ["n", "c"]
    assert problem.nas is None


def test_no_budget_is_no_limit(experiment):
    problem = SearchProblem.from_experiment(experiment(), 0)
    assert (problem.max_trials, problem.parallel) == (None, 3)


def test_network_outline_is_passed_on(experiment):
    made = experiment(nasConfig={"graphConfig": {"numLayers": 8}, "operations": []})
    made.spec.parameters = None
    problem = SearchProblem.from_experiment(made, 0)
    assert problem.nas.graph_config.num_layers == 8
    assert problem.space.dimension == 0
