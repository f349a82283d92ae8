"""Metrics collected in real pods, without a webhook: kubelet, containerd and Pod Security as they are; the store runs beside the cluster."""

import json
import os
import statistics
import time
from datetime import UTC, datetime, timedelta

import pytest
from singlenode.images import image_name

from katib.access.report_token import sign_report
from katib.api.trial import Trial
from katib.store import open_store
from katib.template.collection import CollectorSettings, with_collector
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import an_experiment, trial

HOST = os.environ.get("KATIB_TEST_HOST", "10.250.0.1")
"""Where pods reach this machine; that of our own cluster unless somebody says so."""
KEY = "k" * 64
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}


class Collected:
    """Trials in a namespace, and the store they report to."""

    def __init__(self, kubernetes, namespace, path, keys):
        self.kubernetes = kubernetes
        self.namespace = namespace
        self.path = path
        self._number = 0
        keys.write_text(f"{KEY}\n")
        with open_store(path) as store:
            self.uid = store.create_experiment(an_experiment(namespace=namespace)).metadata.uid
            store.record_trials(self.uid, [trial(index) for index in range(40)])
        options = ("--url", f"sqlite:///{path}", "--http-address", f"{HOST}:0", "--report-key-file", keys)
        self.server = ServedStore(*options, "--insecure-plaintext")

    def start(
        self, command, *, kind="StdOut", source=None, rules=None, pod=None, container=None, retries=0, store=None
    ):
        """Start a trial as the operator does, and return its name."""
        name = f"search-{self._number:04d}"
        self._number += 1
        main = {
            "name": "main",
            "image": image_name("trial"),
            "imagePullPolicy": "IfNotPresent",
            "securityContext": RESTRICTED,
            **({"command": command} if command else {}),
            **(container or {}),
        }
        spec = {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [main],
            **(pod or {}),
        }
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"backoffLimit": retries, "template": {"spec": spec}},
        }
        document = {
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {"katib.kubeflow.org/experiment": "search"},
            },
            "spec": {
                "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                "runSpec": job,
                "primaryContainerName": "main",
                "metricsCollector": {"collector": {"kind": kind}, **({"source": source} if source else {})},
                **({"earlyStoppingRules": rules} if rules else {}),
            },
        }
        expires = datetime.now(UTC) + timedelta(hours=1)
        settings = CollectorSettings(
            image=image_name("collector"),
            store_address=store or f"http://{self.http}",
            report_token=sign_report(KEY.encode(), namespace=self.namespace, trial=name, expires=expires),
        )
        self.kubernetes.apply(with_collector(Trial.model_validate(document), settings), self.namespace)
        return name

    def ends(self, name, how="Complete", seconds=120):
        """Wait for the job's end, and return its newest pod."""
        self.kubernetes.wait_for(
            lambda: how in self._conditions(name), what=f"{name} is {how}", namespace=self.namespace, seconds=seconds
        )
        pods = self.kubernetes.get("pods", "--namespace", self.namespace, f"--selector=katib.kubeflow.org/trial={name}")
        return max(pods["items"], key=lambda pod: pod["metadata"]["creationTimestamp"])

    def _conditions(self, name):
        status = self.kubernetes.get("job", name, "--namespace", self.namespace).get("status", {})
        return [each["type"] for each in status.get("conditions", []) if each["status"] == "True"]

    def texts(self, name, metric="loss"):
        with open_store(self.path) as store:
            return [each.text for each in store.series(self.uid, name, metric)]

    def logs(self, name):
        return self.kubernetes.kubectl("logs", f"job/{name}", "--container=main", "--namespace", self.namespace)


@pytest.fixture
def collected(kubernetes, restricted_namespace, tmp_path):
    found = Collected(kubernetes, restricted_namespace, tmp_path / "katib.db", tmp_path / "keys")
    with found.server as server:
        if not server.first_line:
            pytest.skip(f"pods cannot reach this machine at {HOST}: KATIB_TEST_HOST says where they can")
        found.http = server.process.stdout.readline().split()[-1]
        yield found
        assert "Traceback" not in server.log


def words_of(pod):
    """Return what the collector left for the operator."""
    (status,) = [each for each in pod["status"]["initContainerStatuses"] if each["name"] == "katib-collector"]
    return json.loads(status["state"]["terminated"]["message"])


def python(program):
    return ["python", "-c", program]


def test_what_a_trainer_prints_is_in_the_store_when_its_job_ends(collected):
    said = "quotes ' \" $HOME $(id) `x`\nnext line"
    program = "import sys, os; print(sys.argv[1:], os.environ['KATIB_TRIAL_NAME'], file=sys.stderr)\nfor i in range(3): print(f'loss={i}')"
    name = collected.start([*python(program), said, ""])
    pod = collected.ends(name)
    assert collected.texts(name) == ["0", "1", "2"]
    lines = collected.logs(name).splitlines()
    assert [line for line in lines if line.startswith("loss")] == ["loss=0", "loss=1", "loss=2"]
    assert f"{[said, '']} {name}" in lines
    assert words_of(pod) == {"points": {"loss": 3}, "stored": 3, "evidence": []}


def test_the_account_of_the_pod_is_the_trainers_alone(collected):
    program = "import os; print(os.path.exists('/var/run/secrets/kubernetes.io/serviceaccount/token')); print('loss=1')"
    name = collected.start(python(program))
    pod = collected.ends(name)
    assert collected.logs(name).splitlines()[0] == "True"
    (account,) = [each["name"] for each in pod["spec"]["volumes"] if "projected" in each]
    (sidecar,) = pod["spec"]["initContainers"]
    assert account not in {mount["name"] for mount in sidecar["volumeMounts"]}
    assert collected.texts(name) == ["1"]


def test_a_failure_is_the_trainers_own(collected):
    name = collected.start(python("print('loss=1'); raise SystemExit(42)"), retries=1)
    pod = collected.ends(name, "Failed")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 42
    assert collected.texts(name) == ["1", "1"], "each of the two pods reported once"


def test_metrics_in_a_file_and_pushed(collected):
    source = {"fileSystemPath": {"path": "/metrics/of/mine.json", "kind": "File", "format": "JSON"}}
    write = (
        "import json, os; os.umask(0o077); print(json.dumps({'loss': 0.5}), file=open('/metrics/of/mine.json', 'w'))"
    )
    in_file = collected.start(python(write), kind="File", source=source, container={
        "securityContext": {**RESTRICTED, "runAsUser": 1234}
    })  # fmt: skip
    report = "import json, os; open(os.environ['KATIB_METRICS_FILE'], 'a').write(json.dumps({'metrics': {'loss': 2}, 'step': 1}) + '\\n')"
    pushed = collected.start(python(report), kind="Push")
    collected.ends(in_file)
    collected.ends(pushed)
    assert (collected.texts(in_file), collected.texts(pushed)) == (["0.5"], ["2"])


def test_an_image_without_a_command_is_collected_without_the_launcher(collected):
    source = {"fileSystemPath": {"path": "/metrics/log", "kind": "File", "format": "TEXT"}}
    words = python("open('/metrics/log', 'w').write('loss=3\\nloss=4')")
    name = collected.start(None, kind="File", source=source, container={"args": words})
    pod = collected.ends(name)
    assert collected.texts(name) == ["3", "4"]
    assert words_of(pod)["points"] == {"loss": 2}


def test_early_stopping_ends_a_trial_of_several_processes_well(collected):
    program = (
        "import multiprocessing, time\n"
        "if __name__ == '__main__':\n"
        "    for _ in range(2): multiprocessing.Process(target=time.sleep, args=(600,)).start()\n"
        "    for i in range(6000): print('loss=5', flush=True); time.sleep(0.1)\n"
    )
    name = collected.start(
        python(program), rules=[{"name": "loss", "value": "2", "comparison": "greater", "startStep": 3}]
    )
    pod = collected.ends(name)
    assert words_of(pod)["stopped"] == "loss was 5.0, greater than 2, at report 3"


def test_a_killed_collector_loses_nothing(collected):
    program = "import time\nfor i in range(100): print(f'loss={i}', flush=True); time.sleep(0.05)"
    name = collected.start(python(program))
    selector = f"--selector=katib.kubeflow.org/trial={name}"
    kubectl = collected.kubernetes.kubectl
    collected.kubernetes.wait_for(lambda: len(collected.texts(name)) > 10, namespace=collected.namespace)
    pod = kubectl("get", "pods", selector, "--namespace", collected.namespace, "--output=name").strip()
    kill = ["python", "-c", "import os, signal; os.kill(1, signal.SIGTERM)"]
    kubectl("exec", pod, "--container=katib-collector", "--namespace", collected.namespace, "--", *kill, check=False)
    pod = collected.ends(name)
    assert collected.texts(name) == [str(number) for number in range(100)]
    (status,) = [each for each in pod["status"]["initContainerStatuses"] if each["name"] == "katib-collector"]
    assert status["restartCount"] == 1


FORWARDS = """
import os, signal, socket, sys, threading, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
time.sleep(2)  # a proxy is not there at once
host, _, port = sys.argv[1].rpartition(":")

def pump(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)

listener = socket.create_server(("127.0.0.1", 15001))
while True:
    near, _ = listener.accept()
    far = socket.create_connection((host, int(port)))
    for pair in ((near, far), (far, near)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


def test_reports_go_through_the_sidecar_of_a_mesh(collected):
    """As Istio injects its proxy: a native sidecar before all others, through which everything goes out."""
    proxy = {
        "name": "istio-proxy",
        "image": image_name("trial"),
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "command": [*python(FORWARDS), collected.http],
        "securityContext": RESTRICTED,
    }
    program = "for i in range(3): print(f'loss={i}')"
    name = collected.start(python(program), pod={"initContainers": [proxy]}, store="http://127.0.0.1:15001")
    pod = collected.ends(name)
    assert collected.texts(name) == ["0", "1", "2"]
    assert words_of(pod)["stored"] == 3
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["istio-proxy", "katib-collector"]
    # The proxy was there until the last report was out.
    ends = {each["name"]: each["state"]["terminated"]["finishedAt"] for each in pod["status"]["initContainerStatuses"]}
    assert ends["katib-collector"] <= ends["istio-proxy"]


def test_how_soon_a_pod_ends_after_its_work(collected, record_property):
    names = [
        collected.start(python("import time; print('loss=1'); time.sleep(2); print(f'end={time.time()}')"))
        for _ in range(6)
    ]
    containers, jobs, restarts = [], [], []
    for name in names:
        pod = collected.ends(name)
        end = float(
            next(line for line in collected.logs(name).splitlines() if line.startswith("end=")).removeprefix("end=")
        )
        finished = pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
        job = collected.kubernetes.get("job", name, "--namespace", collected.namespace)
        containers.append(datetime.fromisoformat(finished).timestamp() - end)
        jobs.append(datetime.fromisoformat(job["status"]["completionTime"]).timestamp() - end)
        assert collected.texts(name) == ["1"]
        restarts.append(pod["status"]["initContainerStatuses"][0]["restartCount"])
    # One may be: on a busy node containerd can know of the collector's end before the trainer's.
    assert restarts.count(0) >= 4, restarts
    # Kubernetes tells whole seconds, cut off.
    record_property("end_of_work_to_end_of_container_seconds", round(statistics.median(containers), 2))
    record_property("end_of_work_to_completion_of_job_seconds", round(statistics.median(jobs), 2))
    assert max(containers) < 30, time.time()
