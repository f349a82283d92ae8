"""``katib install keys`` completes a Secret, whoever else changes it at the same time."""

import pytest

import katib.kube.client
from katib.access.installed_keys import missing_keys
from katib.cli.main import main
from katib.kube.errors import Conflict, NotFound


class Cluster:
    """One namespace with Secrets; ``before_patch`` is what somebody else does just then."""

    def __init__(self, *names):
        self.secrets = {name: {"metadata": {"resourceVersion": "1"}} for name in names}
        self.before_patch = lambda: None
        self.patches = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """There is nothing to close."""

    def get(self, _resource, name, namespace):
        assert namespace == "team"
        if name not in self.secrets:
            raise NotFound(f"no {name}")
        return self.secrets[name]

    def merge_patch(self, _resource, name, patch, _namespace, **_):
        self.before_patch()
        secret = self.secrets[name]
        if patch["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"]:
            raise Conflict("changed")
        self.patches += 1
        version = str(int(secret["metadata"]["resourceVersion"]) + 1)
        data = {**secret.get("data", {}), **patch["data"]}
        self.secrets[name] = {"metadata": {"resourceVersion": version}, "data": data}

    def change(self, name, data):
        self.secrets[name] = {"metadata": {"resourceVersion": "7"}, "data": data}


@pytest.fixture
def install(monkeypatch):
    def run(cluster, *words):
        monkeypatch.setattr(katib.kube.client.Client, "connect", lambda **_: cluster)
        return main(["install", "keys", "-n", "team", *words])

    return run


def test_empty_secret_is_completed_once_and_nothing_secret_is_printed(install, capsys):
    cluster = Cluster("katib-keys")
    assert install(cluster) == 0
    data = cluster.secrets["katib-keys"]["data"]
    assert missing_keys(data) == {}
    assert install(cluster) == 0
    assert cluster.patches == 1
    shown = capsys.readouterr()
    assert not [value for value in data.values() if value in shown.out + shown.err]


def test_what_another_made_meanwhile_stays(install):
    cluster, others = Cluster("katib-keys"), missing_keys({})

    def other():
        if cluster.secrets["katib-keys"]["metadata"]["resourceVersion"] == "1":
            cluster.change("katib-keys", others)

    cluster.before_patch = other
    assert install(cluster) == 0
    assert cluster.secrets["katib-keys"]["data"] == others


def test_a_secret_that_is_not_there_is_said(install, capsys):
    assert install(Cluster()) != 0
    assert "kubectl create secret generic katib-keys -n team" in capsys.readouterr().err


def test_database_is_made_beside(install):
    cluster = Cluster("katib-keys", "db")
    url = "postgresql+psycopg://katib:PASSWORD@host/katib"
    assert install(cluster, "--database-secret", "db", "--database-url", url) == 0
    assert set(cluster.secrets["db"]["data"]) == {"password", "url"}


@pytest.mark.parametrize("words", [["--database-secret", "db"], ["--database-url", "xPASSWORD"]])
def test_half_of_a_database_is_refused(install, capsys, words):
    assert install(Cluster("katib-keys", "db"), *words) != 0
    assert "is required" in capsys.readouterr().err
