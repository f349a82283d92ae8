"""One line for each experiment."""

from datetime import timedelta

import pytest

from katib.api.base import Condition
from katib.api.experiment import ExperimentStatus
from katib.cli.experiment_table import HEADING, WIDE, experiment_row, state_of
from katib.engine.ledger import Ledger
from katib.engine.status import Ending, status_of


@pytest.fixture
def row(specimens):
    def row(experiment, *, state="Running", wide=False):
        metadata = experiment.metadata.model_copy(update={"creation_timestamp": specimens.now})
        experiment = experiment.model_copy(update={"metadata": metadata})
        cells = experiment_row(experiment, state, specimens.now + timedelta(hours=2), wide=wide)
        return dict(zip([*HEADING, *WIDE] if wide else HEADING, cells, strict=True))

    return row


@pytest.fixture
def ended(specimens):
    """Return an experiment with a status made from trials."""

    def ended(*records, **spec):
        experiment = specimens.experiment(**spec)
        ending = Ending("Succeeded", "ExperimentMaxTrialsReached", "over")
        status = status_of(experiment, Ledger.from_records(experiment, records), specimens.now, ending)
        return experiment.model_copy(update={"status": status})

    return ended


def test_new_experiment(row, specimens):
    assert row(specimens.experiment()) == {
        "NAME": "exp",
        "STATUS": "Running",
        "RUNNING": "0",
        "SUCCEEDED": "0",
        "FAILED": "0",
        "MAX": "4",
        "BEST": "",
        "OBJECTIVE": "minimize loss",
        "ALGORITHM": "random",
        "AGE": "2h",
    }


def test_counts_and_best(row, ended, specimens):
    records = [
        specimens.trial(0, loss="0.5"),
        specimens.trial(1, "EarlyStopped", loss="0.75"),
        specimens.trial(2, "Failed"),
        specimens.trial(3, "MetricsUnavailable"),
        specimens.trial(4, "Running"),
    ]
    cells = row(ended(*records), wide=True)
    assert (cells["RUNNING"], cells["SUCCEEDED"], cells["FAILED"], cells["TRIALS"]) == ("1", "2", "2", "5")
    assert (cells["BEST"], cells["BEST-TRIAL"], cells["PARAMETERS"]) == ("0.5", "exp-t0000000", "x=0.0")
    assert cells["REASON"] == "ExperimentMaxTrialsReached"


def condition(kind):
    return ExperimentStatus(conditions=[Condition(type=kind, status="True")])


@pytest.mark.parametrize(
    ("kind", "driven", "state"),
    [
        (None, False, "Created"),
        ("Created", False, "Created"),
        ("Running", True, "Running"),
        ("Running", False, "Interrupted"),
        ("Restarting", False, "Interrupted"),
        ("Succeeded", False, "Succeeded"),
        ("Failed", True, "Failed"),
        ("Stopped", False, "Stopped"),
    ],
)
def test_experiment_that_should_run_and_has_no_process_is_interrupted(specimens, kind, driven, state):
    experiment = specimens.experiment(status=None if kind is None else condition(kind))
    assert state_of(experiment, driven=driven) == state
