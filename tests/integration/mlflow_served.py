"""``katib serve store`` with HTTP, for the tests of MLflow's clients."""

import contextlib
import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import requests
from mlflow import MlflowClient

from katib.testing.served import ServedStore


class ServedHttp(ServedStore):
    """A store server that answers over HTTP on any free port, or the one it is told."""

    def __init__(self, url, *arguments, http="127.0.0.1:0", **more):
        super().__init__("--url", url, "--http-address", http, *arguments, **more)

    def __enter__(self):
        super().__enter__()
        line = self.process.stdout.readline() if self.first_line else ""
        assert line.startswith("http on "), self.log
        self.http = line.removeprefix("http on ").strip()
        self.base = f"http://{self.http}"
        self.session = requests.Session()
        return self

    def __exit__(self, *error):
        self.session.close()
        super().__exit__(*error)

    def client(self):
        return MlflowClient(tracking_uri=self.base)

    def call(self, method, path, **more):
        return self.session.request(method, f"{self.base}/api/{path}", timeout=60, **more)

    def post(self, path, body, **more):
        return self.call("POST", f"2.0/mlflow/{path}", json=body, **more)

    def get(self, path, **query):
        return self.call("GET", f"2.0/mlflow/{path}", params=query)

    def new_run(self, **more):
        answer = self.post("runs/create", more)
        assert answer.ok, answer.text
        return answer.json()["run"]["info"]["run_id"]


@contextlib.contextmanager
def whole(server):
    """A server that ends as it should and has nothing to hide."""
    with server:
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log
        assert "a fault in the server" not in server.log
