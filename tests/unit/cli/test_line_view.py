"""One line for each trial that ends."""

from datetime import UTC, datetime, timedelta

import pytest

from katib.cli.line_view import LineView
from katib.engine.ledger import Ledger
from katib.local.progress import Started, Stopping, TrialFinished, TrialRetried, TrialStarted, Waiting
from katib.runners.failed_attempts import FailedAttempt


@pytest.fixture
def tell(specimens, capsys):
    """Tell a view the beginning of a run and some events; return the lines it prints."""

    def tell(*events, known=(), notes=(), experiment=None, **options):
        experiment = experiment or specimens.experiment()
        view = LineView(experiment, **options)
        ledger = Ledger.from_records(experiment, known)
        with view:
            view(Started(experiment, ledger, notes))
            for event in events:
                if isinstance(event, TrialFinished):
                    ledger.record(event.record)
                view(event)
        return capsys.readouterr().out.splitlines()

    return tell


def test_beginning_says_how_much_there_is_to_do(tell, specimens):
    assert tell() == ["experiment exp: 4 trials, 2 at a time"]
    one = specimens.experiment(maxTrialCount=1, parallelTrialCount=1)
    assert tell(experiment=one) == ["experiment exp: 1 trial, 1 at a time"]
    known = [specimens.trial(0, loss="1")]
    assert tell(known=known, notes=("no image",)) == [
        "experiment exp: 4 trials, 2 at a time, 1 known",
        "note: no image",
    ]


def test_finished_trial_is_a_line_with_result_parameters_and_place(tell, specimens):
    lines = tell(TrialFinished(specimens.trial(0, loss="0.5")), TrialFinished(specimens.trial(1, loss="0.123456789")))
    assert lines[1:] == [
        "exp-t0000000  Succeeded  loss=0.5  x=0.0  [1/4, best 0.5]",
        "exp-t0000001  Succeeded  loss=0.123457  x=0.1  [2/4, best 0.123457]",
    ]


def test_failed_trial_says_why_in_its_line(tell, specimens):
    failed = specimens.trial(0, "Failed", message="exit code 3\nlast line: boom")
    assert tell(TrialFinished(failed))[1] == "exp-t0000000  Failed  x=0.0  exit code 3  [1/4]"


def test_starts_are_told_only_when_asked(tell, specimens):
    started = TrialStarted(specimens.trial(0, "Running"))
    assert len(tell(started)) == 1
    assert tell(started, verbose=True)[1] == "exp-t0000000  Started  x=0.0"


def test_attempts_that_failed_are_told_only_when_asked(tell, specimens):
    ended = datetime.now(UTC) + timedelta(hours=1)
    failed = FailedAttempt(1, 7, "ended with exit code 3", ended, 1, ended + timedelta(seconds=1))
    retried = TrialRetried(specimens.trial(0, "Running"), failed)
    assert len(tell(retried)) == 1
    [line] = tell(retried, verbose=True)[1:]
    assert line.startswith("exp-t0000000  Retried  attempt 1 of 7 ended with exit code 3; the next one begins in ")


def test_quiet_says_nothing(tell, specimens):
    assert tell(TrialFinished(specimens.trial(0, loss="1")), Stopping(at_once=False), quiet=True) == []


def test_waits_and_stops_are_told(tell):
    lines = tell(Waiting("waiting"), Waiting(""), Stopping(at_once=False), Stopping(at_once=True))
    assert lines[1] == "waiting"
    assert "Ctrl-C again" in lines[2]
    assert lines[3] == "stopping at once"


def test_values_cannot_steer_the_terminal(tell, specimens):
    hostile = specimens.trial(
        0, assignments=(("x", "\x1b[2J\nfake line"),), observation=specimens.observation(loss="\x1b[31m")
    )
    lines = tell(TrialFinished(hostile))
    assert len(lines) == 2
    assert "\x1b" not in lines[1]


def test_closed_output_does_not_end_the_run(specimens, monkeypatch):
    class Closed:
        def write(self, _text):
            raise BrokenPipeError

    view = LineView(specimens.experiment())
    monkeypatch.setattr("sys.stdout", Closed())
    view(TrialFinished(specimens.trial(0, loss="1")))
    assert view.progress.ended == 1
