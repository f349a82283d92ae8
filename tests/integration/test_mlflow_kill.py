"""The server is killed while MLflow's calls run, and started again: what was acknowledged is there, once."""

import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # these tests share a server

import mlflow_served
import requests


class Writer(threading.Thread):
    """Logs numbers to a run of its own, one call after another, and remembers which were acknowledged."""

    def __init__(self, server, run_id):
        super().__init__()
        self.server, self.run_id = server, run_id
        self.acknowledged, self.stopped = [], threading.Event()

    def run(self):
        session, number = requests.Session(), 0
        while not self.stopped.is_set():
            body = {"run_id": self.run_id, "key": "m", "value": number, "timestamp": number, "step": number}
            try:
                url = f"{self.server.base}/api/2.0/mlflow/runs/log-metric"
                if session.post(url, json=body, timeout=10).status_code == 200:
                    self.acknowledged.append(number)
                    number += 1  # else it is sent again
            except requests.RequestException:
                time.sleep(0.02)
        session.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'katib.db'}"
    return request.getfixturevalue("postgresql").new_store()


def test_what_was_acknowledged_is_there_once(place, tmp_path):
    files = tmp_path / "files"
    writers, http = [], "127.0.0.1:0"
    for turn in range(4):
        with mlflow_served.ServedHttp(place, "--artifacts", files, http=http) as server:
            http = server.http  # the same address again
            if not writers:
                writers = [Writer(server, server.new_run()) for _ in range(4)]
                for writer in writers:
                    writer.start()
            wanted = [len(writer.acknowledged) + 20 for writer in writers]
            while any(len(writer.acknowledged) < count for writer, count in zip(writers, wanted, strict=True)):
                time.sleep(0.01)
            if turn < 3:
                server.process.kill()
                server.process.wait()
                continue
            for writer in writers:
                writer.stopped.set()
                writer.join()
            for writer in writers:
                answer = server.get("metrics/get-history", run_id=writer.run_id, metric_key="m").json()
                stored = [point["step"] for point in answer["metrics"]]
                assert len(set(stored)) == len(stored)
                assert set(writer.acknowledged) <= set(stored)
                # At most the one that was never answered is more.
                assert len(stored) <= len(writer.acknowledged) + 1
            assert server.stop() == 0


def test_a_database_that_is_away_is_said_in_time(postgresql):
    url = postgresql.new_store()
    with mlflow_served.ServedHttp(url, "--timeout", "3s") as server:
        run_id = server.new_run()
        with postgresql.paused():
            started = time.monotonic()
            answer = server.post("runs/log-metric", {"run_id": run_id, "key": "m", "value": 1, "timestamp": 1})
            assert answer.status_code in {503, 504}, answer.text
            assert answer.json()["error_code"] in {"TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED"}
            assert time.monotonic() - started < 60
            assert server.session.get(f"{server.base}/healthz").ok
        deadline = time.monotonic() + 60
        while not server.post("runs/log-metric", {"run_id": run_id, "key": "m", "value": 1, "timestamp": 1}).ok:
            assert time.monotonic() < deadline
            time.sleep(0.2)
