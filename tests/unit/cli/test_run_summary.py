"""The end of a run on one screen."""

import pytest

from katib.cli.run_progress import RunProgress
from katib.cli.run_summary import summary_lines
from katib.engine.ledger import Ledger
from katib.engine.status import Ending, status_of
from katib.local.home import Home
from katib.local.progress import Started


@pytest.fixture
def summary(specimens, tmp_path):
    def summary(*records, kind="Succeeded", **fields):
        experiment = specimens.experiment(**fields)
        ledger = Ledger.from_records(experiment, records)
        progress = RunProgress(experiment, clock=lambda: 0.0)
        progress.take(Started(experiment, ledger, ()))
        status = status_of(experiment, ledger, specimens.now, Ending(kind, f"Because{kind}", "why it ended"))
        return "\n".join(summary_lines(status, progress, Home(tmp_path)))

    return summary


def test_best_trial_is_shown_with_its_parameters_and_what_to_type_next(summary, specimens):
    text = summary(specimens.trial(0, loss="0.5"), specimens.trial(1, loss="0.25"))
    assert "experiment exp Succeeded: why it ended" in text
    assert "2 trials: 2 succeeded" in text
    assert f"best trial {specimens.trial(1).name}\n  loss   0.25\n  x      0.1" in text
    assert text.endswith("next: katib trials exp")


def test_failures_are_shown_in_part(summary, specimens):
    failed = [specimens.trial(index, "Failed", message=f"exit code {index}\nmore") for index in range(5)]
    text = summary(*failed, kind="Failed", namespace="team")
    assert "exit code 2" in text
    assert "exit code 3" not in text
    assert "more" not in text.replace("and 2 more", "")
    assert "and 2 more" in text
    assert f"katib describe trial {failed[0].name} -n team" in text
    assert text.endswith("next: katib describe exp -n team")
    assert "best trial" not in text


def test_stopped_run_says_how_to_go_on(summary, specimens):
    assert summary(specimens.trial(0, loss="1"), kind="Stopped").endswith("next: katib resume exp")


def test_several_objectives_have_no_single_best(summary, specimens):
    both = specimens.observation(loss="1", recall="0.5")
    objectives = [{"type": "maximize", "objectiveMetricName": "recall"}]
    text = summary(specimens.trial(0, observation=both), objectives=objectives)
    assert "1 trial that no other beats in every objective" in text
    assert "katib best exp" in text
