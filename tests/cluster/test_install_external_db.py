"""Overlays ``external-db`` and ``leader-election``: a search over a database server that goes away in the middle, as does who leads."""

import os

import pytest
from installation import installing, takes_minutes

from katib.testing.database_servers import MariadbServer, PostgresqlServer

pytestmark = [takes_minutes, pytest.mark.timeout(900)]

HOST = os.environ.get("KATIB_TEST_HOST", "10.250.0.1")
"""Where pods reach this machine."""
EPOCHS = 12


class Postgresql(PostgresqlServer):
    """Heard from everywhere; who calls has a password."""

    def listen(self):
        self.stop()
        with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        self.begin()

    def begin(self):
        self.start(arguments=["-c", f"listen_addresses=127.0.0.1,{HOST}"])


class Mariadb(MariadbServer):
    """As above."""

    def listen(self):
        statement = "CREATE USER katib@'%' IDENTIFIED BY 'p@ss/w:rd'"
        self.execute(statement, "GRANT ALL ON *.* TO katib@'%'")
        self.stop()
        self.begin()

    def begin(self):
        self.start(arguments=["--bind-address=0.0.0.0"])


@pytest.fixture
def server(kind):
    if kind.missing():
        pytest.skip(kind.missing())
    with kind(durable=True) as running:
        running.listen()
        yield running


def points(server, url):
    """Return how many points of each metric of each trial are stored."""
    statement = (
        "SELECT t.name, m.name, count(*) FROM observations o JOIN trials t ON t.id = o.trial_id"
        " JOIN metrics m ON m.id = o.metric_id GROUP BY t.name, m.name"
    )
    return {(trial, metric): count for trial, metric, count in server.execute(statement, database=url.rsplit("/")[-1])}


def trained(installation):
    """Return the pods whose trainer is done; it ends when the store has all of it."""
    place = ("--namespace", installation.trials)
    pods = installation.kubernetes.kubectl("get", "pods", *place, "--output=name").split()
    last = f"epoch={EPOCHS} "
    logs = {
        pod: installation.kubernetes.kubectl("logs", pod, "--container=training", *place, check=False) for pod in pods
    }
    return [pod for pod in pods if last in logs[pod]]


def lead(installation):
    """Return the name of the operator's pod that leads."""
    lease = installation.kubernetes.get("lease/katib-operator", "--namespace", installation.namespace)
    holder = lease["spec"].get("holderIdentity") or ""
    names = [pod["metadata"]["name"] for pod in installation.pods("operator")]
    return next((name for name in names if holder.startswith(name)), "")


@pytest.mark.parametrize(("overlay", "kind"), [("external-db", Postgresql), ("leader-election", Mariadb)])
def test_a_database_server_beside_the_cluster(kubernetes, overlay, server, tmp_path):
    here = server.new_database()
    there = here.replace("@127.0.0.1:", f"@{HOST}:")

    def prepare(installation):
        place = ("--namespace", installation.namespace)
        kubernetes.kubectl("create", "secret", "generic", "katib-database", f"--from-literal=url={there}", *place)

    with installing(kubernetes, tmp_path.resolve(), overlay=overlay, prepare=prepare) as installation:
        assert len(installation.pods("store")) == 2
        installation.start("search", epochs=EPOCHS, seconds_per_epoch=1)
        kubernetes.wait_for(
            lambda: sum(points(server, here).values()) > EPOCHS,
            what="half a trial is stored",
            namespace=installation.trials,
        )
        server.stop()
        kubernetes.wait_for(
            lambda: len(trained(installation)) >= 2, what="trainers are done meanwhile", namespace=installation.trials
        )
        if overlay == "leader-election":
            first = lead(installation)
            kubernetes.kubectl("delete", f"pod/{first}", "--namespace", installation.namespace, "--wait=false")
            kubernetes.wait_for(
                lambda: lead(installation) not in {"", first}, what="another leads", namespace=installation.namespace
            )
        server.begin()
        installation.check_success("search")
        found = points(server, here)
        assert set(found.values()) == {EPOCHS}
        assert len(found) == 6 * 2
        servers = [*installation.pods("operator"), *installation.pods("suggestion"), *installation.pods("store")]
        assert not any(status["restartCount"] for pod in servers for status in pod["status"]["containerStatuses"])
