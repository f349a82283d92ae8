"""What a terminal shows of a run while it goes on."""

from datetime import UTC, datetime, timedelta
from io import StringIO

from rich.console import Console

from katib.cli.live_view import LiveView
from katib.engine.ledger import Ledger
from katib.local.progress import Started, TrialFinished, TrialRetried, TrialStarted
from katib.runners.failed_attempts import FailedAttempt


def picture(view: LiveView) -> str:
    console = Console(file=StringIO(), width=160, height=30)
    console.print(view)
    return console.file.getvalue()


def test_trials_that_are_tried_again_say_so_while_they_run(specimens):
    experiment = specimens.experiment()
    view = LiveView(experiment)
    view(Started(experiment, Ledger.from_records(experiment, ()), ()))
    one, two = (specimens.trial(index, "Running") for index in range(2))
    now = datetime.now(UTC)
    waits = FailedAttempt(2, 7, "ended with exit code 3", now, 7200, now + timedelta(hours=2))
    runs = FailedAttempt(1, 7, "ended with exit code 4", now - timedelta(hours=1), 1, now - timedelta(minutes=59))
    for record in (one, two):
        view(TrialStarted(record))
    assert "attempt" not in picture(view)
    view(TrialRetried(one, waits))
    assert f"{one.name}: attempt 2 of 7 ended with exit code 3; the next one begins in 7" in picture(view)
    view(TrialRetried(two, runs))
    newest = f"{two.name}: attempt 1 of 7 ended with exit code 4; attempt 2 runs (and 1 other trial tried again)"
    assert newest in picture(view)
    view(TrialFinished(specimens.trial(1, loss="1")))
    assert f"{one.name}: attempt 2 of 7" in picture(view)
    view(TrialFinished(specimens.trial(0, loss="1")))
    assert "attempt" not in picture(view)
