"""A Python function tuned on a real cluster, in real pods: from a workstation, and over the API server as a service account."""

import base64
import contextlib
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cluster_access import Kubernetes
from singlenode.images import image_name

import katib
from katib.access.installed_keys import API_TOKEN, OPERATOR_TOKEN, REPORT_KEYS, STORE_TOKENS, missing_keys
from katib.access.report_token import ReportKeys, sign_report
from katib.client.katib_client import KatibClient
from katib.errors import Conflict, Denied, NotFound, Unauthenticated
from katib.kube.client import Client
from katib.operator.cluster_store import ClusterStore
from katib.operator.running import Operator
from katib.operator.settings import OperatorSettings
from katib.testing.served import ServedStore, ServedSuggestion

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "integration"))

from authority import Authority  # noqa: E402 - found by the line above

HOST = os.environ.get("KATIB_TEST_HOST", "10.250.0.1")
"""Where pods reach this machine; that of our own cluster unless somebody says so."""
TRAINS = {"base_image": image_name("trial"), "interpreter": "python3"}


class Operated:
    """A namespace with an operator of its own, whose store and suggestion server run beside the cluster."""

    def __init__(self, kubernetes, namespace, store, keys):
        self.kubernetes = kubernetes
        self.namespace = namespace
        self.store = store
        self.keys = keys

    def account(self, name, *, role=None):
        """Return the token of a new service account, which has a role in the namespace or none."""
        place = ("--namespace", self.namespace)
        self.kubernetes.kubectl("create", "serviceaccount", name, *place)
        if role is not None:
            binding = f"--serviceaccount={self.namespace}:{name}"
            self.kubernetes.kubectl("create", "rolebinding", name, f"--role={role}", binding, *place)
        return self.kubernetes.kubectl("create", "token", name, *place).strip()


class ReportSigner:
    """Signs the tokens of trials as ``katib serve operator`` does."""

    def __init__(self, path):
        self._keys = ReportKeys(path)

    def __call__(self, namespace, trial):
        expires = datetime.now(UTC) + timedelta(hours=1)
        return sign_report(self._keys.newest, namespace=namespace, trial=trial, expires=expires)


@pytest.fixture(scope="module")
def operated(kubernetes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("operated")
    kubernetes.kubectl("apply", "--server-side", "--kustomize", str(ROOT / "deploy" / "crds"))
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(kubernetes.namespace("api-server"))
        keys = {name: base64.b64decode(text).decode() for name, text in missing_keys({}).items()}
        for name, text in keys.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        served = ServedStore(
            *("--url", f"sqlite:///{folder / 'katib.db'}", "--address", f"{HOST}:0", "--http-address", f"{HOST}:0"),
            *("--insecure-plaintext", "--token-file", folder / STORE_TOKENS, "--report-key-file", folder / REPORT_KEYS),
        )
        store = stack.enter_context(served)
        if not store.first_line:
            pytest.skip(f"pods cannot reach this machine at {HOST}: KATIB_TEST_HOST says where they can")
        suggestion = stack.enter_context(ServedSuggestion("--workers", "1"))
        settings = OperatorSettings(
            namespace=namespace,
            suggestion_address=suggestion.address,
            store_address=store.address,
            trial_store_address=f"http://{store.process.stdout.readline().split()[-1]}",
            collector_image=image_name("collector"),
            token_file=folder / OPERATOR_TOKEN,
            leader_election=False,
        )
        client = stack.enter_context(Client.connect(kubeconfig=str(kubernetes.kubeconfig)))
        stop = threading.Event()
        operator = Operator(settings, client, token_of=ReportSigner(folder / REPORT_KEYS))
        thread = threading.Thread(target=operator.run, args=(stop,))
        thread.start()
        stack.callback(thread.join, 30)
        stack.callback(stop.set)
        yield Operated(kubernetes, namespace, store, keys)


def quadratic(x: float, kind: str) -> dict[str, float]:
    print(f"trying {x!r} of {kind}")  # noqa: T201 - which is what is looked for
    return {"loss": (x - 1) ** 2, "distance": abs(x - 1)}


SPACE = {"x": katib.search.double(-2, 2), "kind": katib.search.categorical(["round", "square"])}


def sweep(client, name, **more):
    """Tune the function in three jobs, and return the experiment at its end."""
    client.tune(
        name,
        objective=quadratic,
        parameters=SPACE,
        objective_metric_name="loss",
        additional_metric_names=["distance"],
        objective_type="minimize",
        max_trial_count=3,
        parallel_trial_count=3,
        retain_trials=True,
        seed=7,
        **TRAINS,
        **more,
    )
    return client.wait_for_experiment_condition(name, timeout=240)


def check_sweep(client, name, namespace):
    """Check what a client sees of a sweep that is over."""
    trials = client.list_trials(name)
    assert len(trials) == 3
    best = client.get_optimal_hyperparameters(name)
    losses = {}
    for trial in trials:
        assigned = {each.name: each.value for each in trial.spec.parameter_assignments}
        losses[trial.metadata.name] = (float(assigned["x"]) - 1) ** 2
        logged = {log.metric.name: float(log.metric.value) for log in client.get_trial_metrics(trial.metadata.name)}
        assert logged == pytest.approx({"loss": losses[trial.metadata.name], "distance": abs(float(assigned["x"]) - 1)})
        printed = [*client.get_job_logs(name, trial.metadata.name)]
        assert any(line.startswith("trying ") and line.endswith(assigned["kind"]) for line in printed), printed
    assert best.best_trial_name == min(losses, key=losses.get)
    assert {each.metadata.namespace for each in trials} == {namespace}


def test_a_function_is_tuned_on_the_cluster_from_a_workstation(operated):
    with KatibClient(
        config_file=str(operated.kubernetes.kubeconfig), namespace=operated.namespace, backend="kubernetes"
    ) as client:
        done = sweep(client, "workstation")
        assert done.status.trials_succeeded == 3
        check_sweep(client, "workstation", operated.namespace)
        jobs = operated.kubernetes.get("jobs", "--namespace", operated.namespace)["items"]
        assert len(jobs) == 3
        client.delete_experiment("workstation")
        with pytest.raises(NotFound):
            client.get_experiment("workstation")


def test_the_example_runs_on_the_cluster_with_one_argument_changed(operated, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(Path(operated.kubernetes.kubeconfig).read_bytes())
    chosen = Kubernetes(kubeconfig)
    chosen.kubectl("config", "set-context", "--current", f"--namespace={operated.namespace}")
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "examples" / "python" / "sweep.py"), "--backend", "kubernetes"),
            *("--trials", "4", "--image", image_name("trial")),
        ],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "best loss" in done.stdout
    found = operated.kubernetes.get("experiments", "--namespace", operated.namespace)["items"]
    swept = [each for each in found if each["metadata"]["name"].startswith("train-")]
    assert [each["status"]["trialsSucceeded"] for each in swept] == [4]


# -- over the API server, which runs in the cluster as it is shipped --------------------------------------------------


class Installed:
    """The component ``api`` in the namespace, and how it is reached."""

    def __init__(self, operated, folder):
        self._operated = operated
        kubectl, place = operated.kubernetes.kubectl, ("--namespace", operated.namespace)
        name, _, tag = image_name("katib").rpartition(":")
        self._kustomize(folder, name, tag)
        kubectl("apply", "--kustomize", str(folder))
        service = operated.kubernetes.get("service/katib-api", *place)["spec"]
        authority = Authority("katib", service["clusterIP"])
        certificate, key = authority.issue("katib-api")
        self.address = f"{service['clusterIP']}:6789"
        self.root_ca = folder / "ca.crt"
        self.root_ca.write_bytes(authority.pem)
        self._secret("katib-api-tls", {"tls.crt": certificate, "tls.key": key})
        self._secret("katib-keys", {name: text.encode() for name, text in operated.keys.items()})
        operated.kubernetes.wait_for(self._ready, seconds=120, what="the API is ready", namespace=operated.namespace)

    def _kustomize(self, folder, name, tag):
        deploy = os.path.relpath(ROOT / "deploy", folder)
        arguments = "/spec/template/spec/containers/0/args"
        patch = [
            {"op": "test", "path": f"{arguments}/7", "value": "--store-address=katib-store.$(POD_NAMESPACE):6789"},
            {"op": "replace", "path": f"{arguments}/7", "value": f"--store-address={self._operated.store.address}"},
        ]
        kustomization = {
            "namespace": self._operated.namespace,
            "components": [f"{deploy}/components/api"],
            "images": [{"name": "katib.test/katib", "newName": name, "newTag": tag}],
            "patches": [{"target": {"kind": "Deployment", "name": "katib-api"}, "patch": yaml.safe_dump(patch)}],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))

    def _secret(self, name, data):
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}
        self._operated.kubernetes.apply(body, self._operated.namespace)

    def _ready(self):
        found = self._operated.kubernetes.get("deployment/katib-api", "--namespace", self._operated.namespace)
        return found.get("status", {}).get("readyReplicas")

    def client(self, token):
        return KatibClient(
            backend="grpc",
            address=self.address,
            root_ca=self.root_ca,
            token=token,
            namespace=self._operated.namespace,
        )


@pytest.fixture(scope="module")
def api(operated, tmp_path_factory):
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "sweeps"},
        "rules": [
            {
                "apiGroups": ["kubeflow.org"],
                "resources": ["experiments", "trials"],
                "verbs": ["get", "list", "watch", "create", "patch", "delete"],
            },
            {"apiGroups": [""], "resources": ["pods", "pods/log", "events"], "verbs": ["get", "list"]},
        ],
    }
    operated.kubernetes.apply(role, operated.namespace)
    looks = [{"apiGroups": ["kubeflow.org"], "resources": ["experiments", "trials"], "verbs": ["get", "list"]}]
    operated.kubernetes.apply({**role, "metadata": {"name": "looks"}, "rules": looks}, operated.namespace)
    return Installed(operated, tmp_path_factory.mktemp("api").resolve())


def test_the_same_function_is_tuned_over_the_api_server(operated, api):
    with api.client(operated.account("tuner", role="sweeps")) as client:
        sweep(client, "service")
        check_sweep(client, "service", operated.namespace)
        assert client.get_experiment("service").metadata.namespace == operated.namespace


def test_who_has_no_rights_is_refused_in_the_words_of_kubernetes(operated, api):
    with api.client(operated.account("nobody")) as client:
        words = f'User "system:serviceaccount:{operated.namespace}:nobody" cannot create resource "experiments"'
        with pytest.raises(Denied, match=words):
            sweep(client, "theirs")
        with pytest.raises(Denied, match='cannot list resource "experiments"'):
            client.list_experiments()
    with api.client("a-token-of-nobody") as client, pytest.raises(Unauthenticated):
        client.list_experiments()
    found = operated.kubernetes.get("experiments", "--namespace", operated.namespace)["items"]
    assert "theirs" not in {each["metadata"]["name"] for each in found}


def test_whom_kubernetes_lets_delete_may_purge_and_nobody_else(operated, api):
    def in_store():
        with ClusterStore(operated.store.address, token=operated.keys[API_TOKEN]) as store:
            return store.has(operated.namespace, uid)

    def once(x: float) -> float:
        return x

    with api.client(operated.account("purger", role="sweeps")) as client:
        client.tune(
            "purged",
            objective=once,
            parameters={"x": SPACE["x"]},
            max_trial_count=1,
            objective_type="minimize",
            **TRAINS,
        )
        client.wait_for_experiment_condition("purged", timeout=240)
        uid = client.get_experiment("purged").metadata.uid
        operated.kubernetes.wait_for(in_store, what="the store has it", namespace=operated.namespace)
        with (
            api.client(operated.account("looker", role="looks")) as looker,
            pytest.raises(Denied, match="cannot delete resource"),
        ):
            looker.delete_experiment("purged", purge=True)
        assert in_store()
        client.delete_experiment("purged", purge=True)
        assert not in_store()
        with pytest.raises(NotFound):
            client.get_experiment("purged")


def test_a_log_is_followed_until_its_trial_is_stopped(operated, api):
    def waits(x: float) -> float:
        import time

        print(f"begun with {x}", flush=True)  # noqa: T201 - likewise
        time.sleep(600)
        return x

    with api.client(operated.account("follower", role="sweeps")) as client:
        client.tune(
            "long",
            objective=waits,
            parameters={"x": SPACE["x"]},
            max_trial_count=1,
            objective_type="minimize",
            **TRAINS,
        )
        operated.kubernetes.wait_for(lambda: client.list_trials("long"), what="a trial", namespace=operated.namespace)
        [trial] = client.list_trials("long")
        lines = client.get_job_logs("long", trial.metadata.name, follow=True)
        assert next(lines).startswith("begun with ")
        client.stop_experiment("long")
        assert [*lines] == []
        with pytest.raises(Conflict, match=r"[Ss]topped"):
            client.wait_for_experiment_condition("long", timeout=60)
