"""Reports of a trial that has a file, and of a script that is run by hand."""

import json
import math
import os
import threading
import time
from datetime import UTC, datetime

import numpy as np
import pytest

import katib
from katib.client import reporting
from katib.client.reporting import report_metrics


def written(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def losses(path):
    return [report["metrics"]["loss"] for report in written(path)]


def test_report_is_typed_and_has_its_step_and_time(metrics_file):
    report_metrics(
        {"loss": np.float32(0.5), "count": np.int64(3), "state": "warm", "bad": math.nan},
        step=np.int64(4),
        time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert written(metrics_file) == [
        {
            "time": "2026-01-01T00:00:00+00:00",
            "metrics": {"loss": "0.5", "count": "3.0", "state": "warm", "bad": "nan"},
            "step": 4,
        }
    ]


def test_step_may_be_written_as_a_float(metrics_file):
    report_metrics({"loss": 1}, step=3.0)
    assert written(metrics_file)[0]["step"] == 3


@pytest.mark.parametrize("bad", [{}, {"": 1}, {"x": None}, {"x": True}, {"x": []}, {1: 2}, [1], {"x": np.zeros(2)}])
def test_bad_report_is_refused_and_writes_nothing(metrics_file, bad):
    with pytest.raises((TypeError, ValueError)):
        report_metrics(bad)
    assert written(metrics_file) == []


@pytest.mark.parametrize("step", [1.5, "one", [1]])
def test_step_that_is_no_whole_number_is_refused(metrics_file, step):
    with pytest.raises((TypeError, ValueError)):
        report_metrics({"loss": 1}, step=step)
    assert written(metrics_file) == []


def test_katibs_own_call_is_taken_and_the_file_comes_first(metrics_file):
    katib.report_metrics({"loss": "0.5"}, "127.0.0.1:1", 1)
    katib.report_metrics(metrics={"loss": 0.25}, db_manager_address="127.0.0.1:1", timeout=1)
    assert losses(metrics_file) == ["0.5", "0.25"]


@pytest.mark.usefixtures("by_hand")
def test_report_of_a_script_that_is_run_by_hand_is_printed(capsys):
    report_metrics({"loss": 0.5, "accuracy": 1}, "127.0.0.1:1")
    with katib.reporting():
        report_metrics({"loss": 0.25})
        assert capsys.readouterr().out == "loss=0.5 accuracy=1\nloss=0.25\n"


class TestGathered:
    def test_nothing_is_written_before_the_end_and_everything_then(self, metrics_file):
        with katib.reporting(every=3600):
            for step in range(1_000):
                report_metrics({"loss": step}, step=step)
            assert losses(metrics_file) == []
        assert losses(metrics_file) == [str(step) for step in range(1_000)]

    def test_it_is_written_in_time_also_when_nothing_more_is_reported(self, metrics_file):
        with katib.reporting(every=0.01):
            report_metrics({"loss": 1})
            wait_for(lambda: losses(metrics_file) == ["1"])
            report_metrics({"loss": 2})
            wait_for(lambda: losses(metrics_file) == ["1", "2"])

    def test_error_loses_nothing(self, metrics_file):
        with pytest.raises(ValueError, match="empty"), katib.reporting(every=3600):  # noqa: PT012 - what was before it counts
            report_metrics({"loss": 1})
            report_metrics({"": 2})
        assert losses(metrics_file) == ["1"]

    def test_blocks_may_lie_in_one_another(self, metrics_file):
        with katib.reporting(every=3600):
            with katib.reporting(every=3600):
                report_metrics({"loss": 1})
            assert losses(metrics_file) == ["1"]
            report_metrics({"loss": 2})
            assert losses(metrics_file) == ["1"]
        report_metrics({"loss": 3})
        assert losses(metrics_file) == ["1", "2", "3"]

    def test_what_must_arrive_does_so_at_once_and_in_its_order(self, metrics_file):
        with katib.reporting(every=3600):
            report_metrics({"loss": 1})
            report_metrics({"loss": 2}, must_arrive=True)
            assert losses(metrics_file) == ["1", "2"]

    def test_threads_lose_nothing(self, metrics_file):
        def work(first):
            for number in range(first, first + 200):
                report_metrics({"loss": number})

        with katib.reporting(every=0.005):
            threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(map(int, losses(metrics_file))) == [1000 * n + k for n in range(4) for k in range(200)]

    @pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
    def test_copy_of_the_process_does_not_report_it_again(self, metrics_file):
        with katib.reporting(every=3600):
            report_metrics({"loss": 1})
            child = os.fork()
            if child == 0:
                try:
                    report_metrics({"loss": 2})
                    reporting._HELD.flush()
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
        assert losses(metrics_file) == ["2", "1"]

    def test_disk_that_takes_nothing_loses_nothing(self, metrics_file):
        metrics_file.mkdir()
        with pytest.raises(OSError), katib.reporting(every=3600):  # noqa: PT011 - which one depends on the system
            report_metrics({"loss": 1})
        metrics_file.rmdir()
        report_metrics({"loss": 2})
        assert losses(metrics_file) == ["1", "2"]

    @pytest.mark.parametrize("every", [0, -1, math.nan, math.inf])
    def test_it_has_to_be_a_time(self, every):
        with pytest.raises(ValueError, match="seconds"), katib.reporting(every=every):
            pass


def test_disk_that_is_full_is_said(metrics_file):
    metrics_file.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        report_metrics({"loss": 1})
