"""A valid experiment has no problems; a bad one has all of them at once."""


def test_valid_experiment_has_no_problems(problems):
    assert problems() == {}


def test_all_problems_come_at_once(document, spec, problems):
    document["metadata"] = {"name": "Bad_Name", "namespace": "-bad"}
    spec["objective"] |= {"additionalMetricNames": ["loss"], "goal": 1e308 * 10}
    spec |= {
        "parallelTrialCount": 13,
        "maxFailedTrialCount": -1,
        "maxRuntime": "soon",
        "trialTimeout": 90,
        "seed": -1,
        "constraints": [{"expression": "import os"}],
        "initialTrials": [{"parameterAssignments": [], "metrics": []}],
        "metricsCollectorSpec": {"collector": {"kind": "File"}, "source": {"fileSystemPath": {"path": "relative"}}},
    }
    spec["parameters"][0]["feasibleSpace"] = {"min": "1", "max": "0", "step": "0"}
    spec["parameters"][2]["feasibleSpace"] = {"list": []}
    found = problems()
    assert list(found) == [
        "metadata.name",
        "metadata.namespace",
        "spec.objective.goal",
        "spec.objective.additionalMetricNames[0]",
        "spec.maxFailedTrialCount",
        "spec.parallelTrialCount",
        "spec.maxRuntime",
        "spec.trialTimeout",
        "spec.seed",
        "spec.parameters[0].feasibleSpace.min",
        "spec.parameters[0].feasibleSpace.step",
        "spec.parameters[2].feasibleSpace.list",
        "spec.constraints[0].expression",
        "spec.initialTrials[0].metrics",
        "spec.metricsCollectorSpec.source.fileSystemPath.path",
    ]
    assert found["spec.parameters[0].feasibleSpace.min"].value == "1"
    assert all(problem.message for problem in found.values())
