"""How the end of a process is told."""

import pytest

from katib.runners.exit import Exit, exit_of, job_status


def told(result, *, lines=(), deadline=None, pod_deadline=None):
    return exit_of(result, last_lines=lines, deadline=deadline, pod_deadline=pod_deadline).sentence()


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ({"reason": "BackoffLimitExceeded", "cause": "Error", "exit_code": 3}, "exit code 3"),
        (
            {"reason": "BackoffLimitExceeded", "cause": "Error", "exit_code": 3, "attempts": 4},
            "exit code 3 (the last of 4 attempts)",
        ),
        ({"reason": "BackoffLimitExceeded", "cause": "Signaled", "signal": 15}, "signal SIGTERM (15) ended it"),
        ({"reason": "BackoffLimitExceeded", "cause": "Signaled", "signal": 64}, "signal SIGRTMAX (64) ended it"),
        ({"reason": "BackoffLimitExceeded", "cause": "Signaled", "signal": 40}, "signal 40 ended it"),
        ({"reason": "BackoffLimitExceeded", "cause": "StartError", "error": "no such thing"}, "no such thing"),
        ({"reason": "Stopped"}, "it was stopped"),
    ],
)
def test_sentence(result, sentence):
    assert told(result) == sentence


def test_first_line_has_what_was_printed_last_and_the_others_follow():
    result = {"reason": "BackoffLimitExceeded", "cause": "Error", "exit_code": 1}
    assert told(result, lines=["only"]) == "exit code 1; the last it printed: only"
    first, *rest = told(result, lines=["Traceback", "  File", "ValueError: x"]).split("\n")
    assert first == "exit code 1; the last it printed: ValueError: x"
    assert rest == ["the last lines:", "  Traceback", "    File", "  ValueError: x"]


def test_memory_is_named_where_it_may_be_the_reason():
    assert "memory" in told({"reason": "BackoffLimitExceeded", "cause": "Signaled", "signal": 9})
    assert "memory" in told(None)


def test_deadlines_are_told_apart():
    assert told({"reason": "DeadlineExceeded"}, deadline=5).endswith("activeDeadlineSeconds (5)")
    result = {"reason": "BackoffLimitExceeded", "cause": "PodDeadlineExceeded"}
    assert "its pod's activeDeadlineSeconds (2.5)" in told(result, deadline=5, pod_deadline=2.5)


def test_status_of_a_job_that_runs_has_no_condition():
    assert job_status(None) == {"active": 1}


def test_status_is_what_katibs_default_conditions_look_for():
    complete = job_status(Exit("Completed"))
    assert complete["conditions"][0]["type"] == "Complete"
    assert complete["succeeded"] == 1
    failed = job_status(Exit("BackoffLimitExceeded", cause="Error", code=1, attempts=3))
    assert failed["conditions"][0] | {"type": "Failed", "status": "True"} == failed["conditions"][0]
    assert failed["failed"] == 3
    assert "completionTime" not in failed
