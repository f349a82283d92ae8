"""Records of new trials: the same point gives the same trial, twice."""

from katib.api.trial import TrialState
from katib.engine.creation import initial_records, trial_records
from katib.engine.naming import trial_name


def test_indices_and_names_follow_each_other(bench):
    experiment = bench.make_experiment()
    points = [((("x", "1"), ("y", "2")), {"rung": "0"}), ((("x", "3"),), {})]
    records = trial_records(experiment, 7, points, bench.now)
    assert [(record.index, record.name) for record in records] == [
        (7, trial_name("tune", "7d9f", 7)),
        (8, trial_name("tune", "7d9f", 8)),
    ]
    assert records == trial_records(experiment, 7, points, bench.now)
    first = records[0]
    assert (first.state, first.assignments, first.labels) == (TrialState.CREATED, points[0][0], {"rung": "0"})
    assert (first.created, first.started, first.finished, first.attempt) == (bench.now, None, None, 0)
    assert (first.reason, first.imported, first.observation) == ("TrialCreated", False, None)


def test_initial_trials(bench):
    def values(**assignments):
        return [{"name": name, "value": value} for name, value in assignments.items()]

    experiment = bench.make_experiment(
        objective={"additionalMetricNames": ["speed"]},
        initialTrials=[
            {"parameterAssignments": values(y="2", x="1")},
            {"parameterAssignments": values(x="3", y="4"), "metrics": values(speed="9", loss="nan")},
            {"parameterAssignments": values(x="5", y="6"), "metrics": []},
        ],
    )
    to_run, known, silent = initial_records(experiment, [0, 1, 2], bench.now)
    assert to_run.assignments == (("x", "1"), ("y", "2"))  # the experiment's order, as for every trial
    assert (to_run.state, to_run.imported, to_run.observation) == (TrialState.CREATED, False, None)
    assert (known.state, known.imported, known.finished) == (TrialState.SUCCEEDED, True, bench.now)
    assert known.observation == bench.observation(loss="nan", speed="9")
    assert known.reason == "TrialImported"
    assert silent.imported
    assert initial_records(experiment, [1], bench.now) == [known]


def test_initial_network_keeps_its_texts(bench):
    texts = [{"name": "architecture", "value": "[[0]]"}, {"name": "nn_config", "value": "{}"}]
    operation = {"operationType": "reduction", "parameters": []}
    experiment = bench.make_experiment(
        parameters=None,
        nasConfig={"graphConfig": {"numLayers": 1}, "operations": [operation]},
        initialTrials=[{"parameterAssignments": texts}],
    )
    (record,) = initial_records(experiment, [0], bench.now)
    assert record.assignments == (("architecture", "[[0]]"), ("nn_config", "{}"))
