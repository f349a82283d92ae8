"""``katib serve store`` with HTTP, asked as ModelDB's clients ask it."""

import contextlib

import requests
from requests.adapters import HTTPAdapter

from katib.testing.served import ServedStore

ROOT = "/api/v1/modeldb/"


class ServedModeldb(ServedStore):
    """A store server that answers over HTTP on any free port."""

    def __init__(self, url, *arguments):
        super().__init__("--url", url, "--http-address", "127.0.0.1:0", *arguments)

    def __enter__(self):
        super().__enter__()
        line = self.process.stdout.readline() if self.first_line else ""
        assert line.startswith("http on "), self.log
        self.base = f"http://{line.removeprefix('http on ').strip()}"
        self.session = requests.Session()
        self.session.mount("http://", HTTPAdapter(pool_maxsize=64))
        return self

    def __exit__(self, *error):
        self.session.close()
        super().__exit__(*error)

    def call(self, method, path, *, status=200, **more):
        address = path if path.startswith("http") else self.base + (path if path.startswith("/") else ROOT + path)
        answer = self.session.request(method, address, timeout=60, **more)
        assert answer.status_code == status, f"{method} {path} {str(more)[:300]}\n{answer.status_code} {answer.text}"
        return answer

    def get(self, path, *, status=200, headers=None, **query):
        return self.call("GET", path, params=query, status=status, headers=headers).json()

    def post(self, path, *, status=200, headers=None, **body):
        return self.call("POST", path, json=body, status=status, headers=headers).json()

    def delete(self, path, *, status=200, headers=None, **body):
        return self.call("DELETE", path, json=body, status=status, headers=headers).json()

    def new_run(self, name=None, *, project="p", headers=None, workspace=None, **more):
        """Make a run of the experiment ``e`` of a project, both made if they are not there."""
        found = self.session.get(
            f"{self.base}{ROOT}project/getProjectByName",
            params={"name": project, "workspace_name": workspace or ""},
            headers=headers,
            timeout=60,
        )
        if found.ok:
            project_id = found.json()["project_by_user"]["id"]
            experiment = self.get("experiment/getExperimentByName", project_id=project_id, name="e", headers=headers)
        else:
            made = self.post("project/createProject", name=project, workspace_name=workspace or "", headers=headers)
            project_id = made["project"]["id"]
            experiment = self.post("experiment/createExperiment", project_id=project_id, name="e", headers=headers)
        body = {"experiment_id": experiment["experiment"]["id"], **({"name": name} if name else {}), **more}
        return self.post("experiment-run/createExperimentRun", headers=headers, **body)["experiment_run"]


@contextlib.contextmanager
def whole(server):
    """A server that ends as it should and has nothing to hide."""
    with server:
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log
        assert "a fault in the server" not in server.log
