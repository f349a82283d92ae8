"""What a supervisor notes of attempts that fail, by real supervisors whose pauses are short, and what is read of it."""

import json
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from katib.runners import supervisor
from katib.runners.failed_attempts import read_failed_attempts

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()
NOTED = {"reason": "Error", "exit_code": 3, "number": 2, "most": 7, "ended": NOON, "pause": 2.0}


@pytest.fixture
def supervise(tmp_path):
    """Run a trial's program to its end under a supervisor of its own, a child of this process; return the trial's folder."""

    def supervise(script: str, *, backoff_limit: int):
        folder = tmp_path / "trials" / "trial-1"
        folder.mkdir(parents=True)
        step = {"name": "main", "argv": [sys.executable, "-c", script], "env": {}, "working_dir": str(tmp_path)}
        request = {
            "attempt": 1,
            "output": "output.log",
            "steps": [step],
            "cleanup": [],
            "backoff_limit": backoff_limit,
            "deadline_seconds": None,
            "attempt_seconds": None,
            "grace_seconds": 1.0,
        }
        (folder / supervisor.REQUEST_NAME).write_text(json.dumps(request))
        child = os.fork()
        if child == 0:
            try:
                supervisor._FIRST_BACKOFF_SECONDS = 0.01
                lock = os.open(folder / supervisor.LOCK_NAME, os.O_RDWR | os.O_CREAT)
                supervisor._supervise(str(folder), lock)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return folder

    return supervise


COUNTING = """
import os, pathlib, sys
count = pathlib.Path("count")
tries = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(tries))
"""


def result(folder):
    return json.loads((folder / supervisor.RESULT_NAME).read_text())


def test_every_attempt_that_is_followed_by_another_is_noted(supervise):
    folder = supervise(COUNTING + "sys.exit(3) if tries == 1 else os.kill(os.getpid(), 11)", backoff_limit=2)
    assert result(folder)["reason"] == "BackoffLimitExceeded"
    failed = read_failed_attempts(folder)
    assert [attempt.sentence() for attempt in failed] == [
        "attempt 1 of 3 ended with exit code 3; the next one begins in 0.01 s",
        "attempt 2 of 3 was ended by signal SIGSEGV (11); the next one begins in 0.02 s",
    ]
    assert failed[0].ended < failed[0].next_begins <= failed[1].ended
    assert not (folder / supervisor._FAILED_DRAFT_NAME).exists()


@pytest.mark.parametrize(("script", "backoff_limit"), [("pass", 6), ("raise SystemExit(1)", 0)])
def test_trial_that_is_not_tried_again_leaves_no_note(supervise, script, backoff_limit):
    folder = supervise(script, backoff_limit=backoff_limit)
    assert result(folder)["attempts"] == 1
    assert sorted(path.name for path in folder.iterdir()) == [
        "output.log",
        "request.json",
        "result.json",
        "supervisor.lock",
    ]


def test_whoever_listens_is_told_which_trial_it_is(supervise, tmp_path):
    (tmp_path / "trials").mkdir()
    os.mkfifo(tmp_path / "trials" / supervisor.NEWS_NAME)
    pipe = os.open(tmp_path / "trials" / supervisor.NEWS_NAME, os.O_RDWR | os.O_NONBLOCK)
    try:
        folder = supervise(COUNTING + "sys.exit(tries < 3)", backoff_limit=6)
        assert result(folder)["attempts"] == 3
        assert os.read(pipe, 4096) == b"trial-1\ntrial-1\n"
    finally:
        os.close(pipe)


@pytest.mark.parametrize("in_the_way", ["folder", "pipe", "link"])
def test_what_a_program_puts_in_the_way_of_the_note_does_not_stop_the_trial(supervise, tmp_path, in_the_way):
    make = {
        "folder": "os.makedirs(draft, exist_ok=True)",
        "pipe": "os.path.exists(draft) or os.mkfifo(draft)",
        "link": "os.path.lexists(draft) or os.symlink('../../precious', draft)",
    }[in_the_way]
    (tmp_path / "precious").write_text("mine")
    draft = f"draft = 'trials/trial-1/{supervisor._FAILED_DRAFT_NAME}'\n"
    folder = supervise(COUNTING + draft + f"{make}\nsys.exit(tries < 2)", backoff_limit=6)
    assert result(folder)["reason"] == "Completed"
    assert result(folder)["attempts"] == 2
    assert read_failed_attempts(folder) == []
    assert (tmp_path / "precious").read_text() == "mine"


def test_pauses_double_up_to_the_longest_however_often_it_is_tried():
    assert [supervisor._pause_after(attempts) for attempts in (1, 2, 3, 6, 9, 10, 5_000)] == [
        1,
        2,
        4,
        32,
        256,
        360,
        360,
    ]


@pytest.mark.parametrize(
    ("noted", "how"),
    [
        ({"exit_code": 3}, "ended with exit code 3"),
        ({"reason": "Signaled", "signal": 11, "exit_code": None}, "was ended by signal SIGSEGV (11)"),
        (
            {"reason": "StartError", "error": "the program 'x' was not found"},
            "could not start: the program 'x' was not found",
        ),
        ({"reason": "PodDeadlineExceeded"}, "ran longer than its pod's activeDeadlineSeconds (1.5)"),
    ],
)
def test_each_end_has_its_words(tmp_path, noted, how):
    (tmp_path / supervisor.FAILED_NAME).write_text(json.dumps([{**NOTED, **noted}]))
    [failed] = read_failed_attempts(tmp_path, pod_deadline=1.5)
    assert failed.sentence() == f"attempt 2 of 7 {how}; the next one begins in 2 s"
    assert failed.standing() == f"attempt 2 of 7 {how}; the next one begins at 2026-11-26T12:00:02Z"
    assert failed.said_at(failed.ended) == failed.sentence()
    assert failed.said_at(failed.ended + timedelta(seconds=1.8)) == f"attempt 2 of 7 {how}; the next one begins in 1 s"
    assert failed.said_at(failed.next_begins) == f"attempt 2 of 7 {how}; attempt 3 runs"


@pytest.mark.parametrize(
    "text",
    ["", "{", "3", "null", '["x"]', "[{}]", "[null]", "[[]]", json.dumps([{**NOTED, "ended": 1e300}]), "[" * 100_000],
)
def test_a_file_that_is_no_supervisors_says_nothing(tmp_path, text):
    assert read_failed_attempts(tmp_path) == []
    (tmp_path / supervisor.FAILED_NAME).write_text(text)
    assert read_failed_attempts(tmp_path) == []
