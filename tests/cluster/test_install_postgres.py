"""The overlay ``postgres``: a search over a database of our own, whose pod is killed in the middle."""

import pytest
from installation import installing, takes_minutes
from postgres_image import image_of_postgres

pytestmark = [takes_minutes, pytest.mark.timeout(900)]

IMAGE = "docker.io/library/postgres"
EPOCHS = 12


@pytest.fixture(scope="module")
def installation(kubernetes, tmp_path_factory):
    name, _, tag = image_of_postgres(kubernetes).rpartition(":")
    folder = tmp_path_factory.mktemp("postgres").resolve()
    images = [{"name": IMAGE, "newName": name, "newTag": tag}]
    with installing(kubernetes, folder, overlay="postgres", images=images, claims=["data-katib-postgres-0"]) as made:
        yield made


def select(installation, statement):
    """Ask the database, inside its pod."""
    said = installation.kubernetes.kubectl(
        *("exec", "katib-postgres-0", "--namespace", installation.namespace, "--"),
        *("psql", "--host=/var/run/postgresql", "--username=katib", "--dbname=katib"),
        *("--no-align", "--tuples-only", "--field-separator= ", f"--command={statement}"),
    )
    return [line.split() for line in said.splitlines()]


def points(installation):
    """Return how many points of each metric of each trial are stored."""
    rows = select(
        installation,
        "SELECT t.name, m.name, count(*) FROM observations o JOIN trials t ON t.id = o.trial_id"
        " JOIN metrics m ON m.id = o.metric_id GROUP BY t.name, m.name",
    )
    return {(trial, metric): int(count) for trial, metric, count in rows}


def test_a_database_that_is_killed_in_the_middle_loses_nothing(installation):
    kubernetes = installation.kubernetes
    (before,) = installation.pods("postgres")
    installation.start("search", epochs=EPOCHS, seconds_per_epoch=1)
    kubernetes.wait_for(
        lambda: sum(points(installation).values()) > EPOCHS,
        what="half a trial is stored",
        namespace=installation.trials,
    )
    # It has a second, and then the kernel ends it.
    place = ("--namespace", installation.namespace)
    kubernetes.kubectl("delete", "pod/katib-postgres-0", "--grace-period=1", "--wait=false", *place)

    def is_back():
        found = installation.pods("postgres")
        return found and found[0]["metadata"]["uid"] != before["metadata"]["uid"] and installation.ready()

    kubernetes.wait_for(is_back, seconds=120, what="the database is back", namespace=installation.namespace)
    installation.check_success("search")
    trials = kubernetes.get("trials", "--namespace", installation.trials)["items"]
    expected = {(each["metadata"]["name"], metric) for each in trials for metric in ("loss", "accuracy")}
    assert points(installation) == dict.fromkeys(expected, EPOCHS)
    jobs = kubernetes.get("jobs", "--namespace", installation.trials)["items"]
    assert not [each for each in jobs if each["status"].get("failed")]


def test_pods_of_the_database_are_restricted_and_its_files_are_its_users(installation):
    (pod,) = installation.pods("postgres")
    namespace = installation.kubernetes.get("namespace", installation.namespace)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    inside = ("exec", pod["metadata"]["name"], "--namespace", installation.namespace, "--")
    assert installation.kubernetes.kubectl(*inside, "id", "-u").strip() == "999"
    refused = installation.kubernetes.kubectl(*inside, "touch", "/usr/here", check=False)
    assert "Read-only file system" in refused
