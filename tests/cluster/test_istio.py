"""Katib in a mesh: a real Envoy beside the trainer through which all its TCP goes, put there by hand or by a webhook, and Istio itself."""

import contextlib
import http.client
import re

import pytest
import yaml
from bench_pods import HOST
from installation import GUIDE, installing, patch, takes_minutes
from istio.control_plane import INJECTED, SYSTEM, istio_installed
from istio.injection import PROXY, Sidecar, injecting
from istio.programs import image_of_istio, image_of_mesh
from measured_operator import MeasuredOperator
from policy_agent import enforced
from singlenode.images import image_name

pytestmark = [takes_minutes, pytest.mark.timeout(600)]

RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
TRAINER = "import sys, time\nfor i in range(3): print(f'loss={float(sys.argv[1]) + i}', flush=True)\ntime.sleep(float(sys.argv[2]))"

ENDLESS = """
import sys, time
while True:
    print(f"loss={sys.argv[1]}", flush=True)
    if sys.argv[1] == "1":
        break
    time.sleep(0.2)
"""


def experiment(name, *, sidecar=None, seconds=0.0, trainer=TRAINER, parallel=2, retain=True, metadata=None, **more):
    """Return an experiment of two trials, whose jobs stay to be looked at."""
    main = {
        "name": "main",
        "image": image_name("trial"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", trainer, "${trialParameters.x}", str(seconds)],
        "securityContext": RESTRICTED,
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [main],
    }
    if sidecar is not None:
        sidecar.put_into(pod)
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "grid"},
            "parallelTrialCount": parallel,
            "maxTrialCount": 2,
            "maxFailedTrialCount": 0,
            "parameters": [
                {"name": "loss", "parameterType": "discrete", "feasibleSpace": {"list": ["1", "5"]}},
            ],
            "trialTemplate": {
                "primaryContainerName": "main",
                "retain": retain,
                "trialParameters": [{"name": "x", "reference": "loss"}],
                "trialSpec": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {"backoffLimit": 0, "template": {"metadata": metadata or {}, "spec": pod}},
                },
            },
            **more,
        },
    }


class World:
    """One namespace with an operator, whose store is reached through the mesh."""

    def __init__(self, kubernetes, namespace):
        self.kubernetes, self.namespace = kubernetes, namespace

    def get(self, *words):
        return self.kubernetes.get(*words, "--namespace", self.namespace)

    def run(self, body, seconds=120):
        """Run an experiment to its end, and return its last condition."""
        name = body["metadata"]["name"]
        self.kubernetes.apply(body, self.namespace)
        return self.kubernetes.wait_for(
            lambda: self.over(name), seconds=seconds, what=f"{name} is over", namespace=self.namespace
        )

    def over(self, name):
        conditions = self.get("experiment", name).get("status", {}).get("conditions") or [{}]
        return conditions[-1] if conditions[-1].get("type") in ("Succeeded", "Failed") else None

    def trials(self, name):
        found = self.get("trials", f"--selector=katib.kubeflow.org/experiment={name}")["items"]
        return sorted(found, key=lambda each: int(each["metadata"]["annotations"]["katib.kubeflow.org/trial-index"]))

    def pod(self, trial):
        name = trial["metadata"]["name"]
        (pod,) = self.get("pods", f"--selector=katib.kubeflow.org/trial={name}")["items"]
        return pod

    def through_envoy(self, pod):
        """Return where the pod's Envoy led connections to."""
        words = (pod["metadata"]["name"], f"--container={PROXY}", "--namespace", self.namespace)
        lines = [line.split() for line in self.kubernetes.kubectl("logs", *words).splitlines()]
        return {words[-1] for words in lines if words[:2] == ["outbound", "TcpConnectionEnd"]}

    def check_success(self, name):
        """Check that both trials were measured wholly, and that all they reported went through our own Envoy."""
        self.check_measured(name)
        for trial in self.trials(name):
            assert {each.rpartition(":")[0] for each in self.through_envoy(self.pod(trial))} == {HOST}

    def check_measured(self, name):
        trials = self.trials(name)
        assert [trial["status"]["conditions"][-1]["type"] for trial in trials] == ["Succeeded"] * 2
        for trial in trials:
            first = float(trial["spec"]["parameterAssignments"][0]["value"])
            (metric,) = trial["status"]["observation"]["metrics"]
            assert [float(metric[each]) for each in ("min", "max", "latest")] == [first, first + 2, first + 2]


@pytest.fixture(scope="module")
def image(kubernetes):
    return image_of_mesh(kubernetes)


@pytest.fixture(scope="module")
def operated(kubeconfig):
    store = ("--http-address", f"{HOST}:0", "--insecure-plaintext", "--insecure-anonymous")
    with MeasuredOperator(kubeconfig, store=store, options=("--collector-image", image_name("collector"))) as operated:
        yield operated


@pytest.fixture
def world(operated, kubernetes):
    return World(kubernetes, operated.namespace)


def names(pod, which):
    return [each["name"] for each in pod["spec"][which]]


def test_a_native_sidecar_that_the_template_has(world, image):
    assert world.run(experiment("written", sidecar=Sidecar(image)))["type"] == "Succeeded"
    world.check_success("written")


def test_a_native_sidecar_that_a_webhook_injects(world, image, tmp_path):
    with injecting(world.kubernetes, HOST, world.namespace, Sidecar(image), tmp_path):
        assert world.run(experiment("injected"))["type"] == "Succeeded"
    world.check_success("injected")
    pod = world.pod(world.trials("injected")[0])
    assert names(pod, "initContainers") == ["istio-init", PROXY, "katib-collector"]
    # The proxy was there until the last report was out; the trial did not wait for its end.
    pod = world.kubernetes.wait_for(
        lambda: (found := world.pod(world.trials("injected")[0]))["status"]["phase"] == "Succeeded" and found,
        what="the pod is over",
        namespace=world.namespace,
    )
    ends = {each["name"]: each["state"]["terminated"]["finishedAt"] for each in pod["status"]["initContainerStatuses"]}
    assert ends["katib-collector"] <= ends[PROXY]


@pytest.mark.parametrize("awaited", [True, False])
def test_a_native_sidecar_that_comes_up_late(world, image, tmp_path, awaited):
    """The trainer has ended before there is a network, unless everything waits for that."""
    name = f"late-{'awaited' if awaited else 'alone'}"
    with injecting(world.kubernetes, HOST, world.namespace, Sidecar(image, late=8, awaited=awaited), tmp_path):
        assert world.run(experiment(name))["type"] == "Succeeded"
    world.check_success(name)


@pytest.mark.parametrize("late", [0, 8])
def test_a_classic_sidecar_that_a_webhook_injects(world, image, tmp_path, late):
    """It never ends by itself, and the pod and its Job neither; the trial does."""
    name = f"classic-{late}"
    with injecting(world.kubernetes, HOST, world.namespace, Sidecar(image, native=False, late=late), tmp_path):
        assert world.run(experiment(name))["type"] == "Succeeded"
    world.check_success(name)


def test_what_a_classic_sidecar_keeps_up_goes_with_its_trial(world, image, tmp_path):
    with injecting(world.kubernetes, HOST, world.namespace, Sidecar(image, native=False), tmp_path):
        assert world.run(experiment("gone", retain=False))["type"] == "Succeeded"
    selector = "--selector=katib.kubeflow.org/experiment=gone"
    world.kubernetes.wait_for(
        lambda: not world.get("jobs,pods", selector)["items"], what="nothing is left", namespace=world.namespace
    )
    assert [trial["status"]["conditions"][-1]["type"] for trial in world.trials("gone")] == ["Succeeded"] * 2


def test_a_trial_beside_a_classic_sidecar_is_stopped_early(world, image, tmp_path):
    settings = [{"name": "min_trials_required", "value": "1"}, {"name": "start_step", "value": "1"}]
    stopping = {"algorithmName": "medianstop", "algorithmSettings": settings}
    body = experiment("stopped", trainer=ENDLESS, parallel=1, earlyStopping=stopping)
    with injecting(world.kubernetes, HOST, world.namespace, Sidecar(image, native=False), tmp_path):
        assert world.run(body)["type"] == "Succeeded"
    ends = [trial["status"]["conditions"][-1]["type"] for trial in world.trials("stopped")]
    assert ends == ["Succeeded", "EarlyStopped"]


def test_a_trainer_that_fails_beside_a_classic_sidecar(world, image, tmp_path):
    failing = "import sys; print(f'loss={sys.argv[1]}'); sys.exit(3)"
    with injecting(world.kubernetes, HOST, world.namespace, Sidecar(image, native=False), tmp_path):
        assert world.run(experiment("failing", trainer=failing))["type"] == "Failed"
    failed = [trial["status"]["conditions"][-1] for trial in world.trials("failing")]
    said = (
        "container istio-proxy, which its job does not describe, runs on, so that its job neither ends nor tries again"
    )
    assert any(each["type"] == "Failed" and said in each["message"] for each in failed), failed
    assert any("container main ended with exit code 3" in each["message"] for each in failed), failed


def test_a_classic_sidecar_that_the_template_has_keeps_its_trial_up_and_that_is_told(world, image):
    """The job is not over before all that it describes is; Katib's would be the same, and say nothing."""
    body = experiment("kept-up", sidecar=Sidecar(image, native=False))
    world.kubernetes.apply(body, world.namespace)

    def told():
        trials = world.trials("kept-up")
        found = [trial["status"]["conditions"][-1] for trial in trials if trial.get("status", {}).get("conditions")]
        return len(found) == 2 and all(each["reason"] == "OtherContainerRuns" for each in found) and found

    for each in world.kubernetes.wait_for(told, namespace=world.namespace):
        assert each["type"] == "Running"
        assert "Container main of pod " in each["message"]
        assert "ends only when istio-proxy does, too" in each["message"]
    world.kubernetes.kubectl("delete", "experiment/kept-up", "--namespace", world.namespace)


# -- Istio itself -----------------------------------------------------------------------------------------------------

builds_istio = pytest.mark.timeout(3600)
"""For what may have to wait until Go has built it."""
GATEWAY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "gateway", "namespace": SYSTEM},
    "spec": {
        "selector": {"istio": "ingressgateway"},
        "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
    },
}
STRICT = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "default"},
    "spec": {"mtls": {"mode": "STRICT"}},
}
CLIENT = {"katib.kubeflow.org/client": "true"}
ASKS = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=20).status)
"""


@pytest.fixture(scope="module")
def istio(kubernetes, tmp_path_factory):
    """The cluster, with Istio in it."""
    image = image_of_istio(kubernetes)
    with istio_installed(kubernetes, image, tmp_path_factory.mktemp("istio")):
        kubernetes.kubectl("apply", "--filename=-", stdin=GATEWAY)
        yield kubernetes


@pytest.fixture(scope="module")
def installation(istio, tmp_path_factory):
    """Our overlay, with experiments in another namespace; whatever is in one of the two takes mTLS and nothing else."""

    def prepare(made):
        words = [f"{name}={value}" for name, value in INJECTED.items()]
        istio.kubectl("label", "--overwrite", "namespace", made.trials, *words)
        for namespace in (made.namespace, made.trials):
            istio.apply(STRICT, namespace)

    folder = tmp_path_factory.mktemp("install").resolve()
    # What the guide says for Istio without its CNI plugin.
    labels = [
        {"op": "add", "path": f"/metadata/labels/{name.replace('/', '~1')}", "value": value}
        for name, value in INJECTED.items()
    ]
    patches = [patch({"kind": "Namespace"}, labels)]
    options = {"claims": ["katib-store"], "prepare": prepare, "patches": lambda _namespace: patches}
    with (
        installing(istio, folder, overlay="istio", **options) as made,
        enforced(istio, made.namespace, folder / "policies.log"),
    ):
        yield made


def asked(kubernetes, namespace, url, *, name, labels=CLIENT):
    """Have a pod ask for a URL; return what it printed and whether it ended well."""
    container = {
        "name": "main",
        "image": image_name("trial"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", ASKS, url],
    }
    spec = {"restartPolicy": "Never", "containers": [container]}
    metadata = {"name": name, "labels": labels}
    kubernetes.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, namespace)
    place = ("--namespace", namespace)
    phase = kubernetes.wait_for(
        lambda: {"Succeeded": "Succeeded", "Failed": "Failed"}.get(
            kubernetes.get("pod", name, *place)["status"]["phase"]
        ),
        what=f"{name} has ended",
        namespace=namespace,
    )
    return kubernetes.kubectl("logs", name, "--container=main", *place), phase


@builds_istio
def test_all_that_we_install_is_in_the_mesh(installation):
    for component in ("operator", "store", "suggestion"):
        (pod,) = installation.pods(component)
        assert PROXY in names(pod, "initContainers")
        assert all(each["ready"] for each in pod["status"]["containerStatuses"])


@builds_istio
def test_an_experiment_where_nothing_but_mtls_is_taken(kubernetes, installation):
    world = World(kubernetes, installation.trials)
    assert world.run(experiment("strict"), seconds=240)["type"] == "Succeeded"
    world.check_measured("strict")
    pod = world.pod(world.trials("strict")[0])
    inits = names(pod, "initContainers")
    assert inits.index(PROXY) < inits.index("katib-collector")
    # Both proxies were asked, and the store's one knew who it was.
    (store,) = installation.pods("store")
    words = (store["metadata"]["name"], f"--container={PROXY}", "--namespace", installation.namespace)
    reports = [line for line in kubernetes.kubectl("logs", *words).splitlines() if "/api/v1/reports" in line]
    assert reports
    assert {line.split()[-1] for line in reports} == {f"spiffe://cluster.local/ns/{installation.trials}/sa/default"}


@builds_istio
def test_a_classic_sidecar_of_istios_own(kubernetes, installation):
    world = World(kubernetes, installation.trials)
    classic = {"annotations": {"sidecar.istio.io/nativeSidecar": "false"}}
    assert world.run(experiment("classic", metadata=classic))["type"] == "Succeeded"
    world.check_measured("classic")
    assert PROXY in names(world.pod(world.trials("classic")[0]), "containers")


@builds_istio
def test_who_is_not_in_the_mesh_is_not_let_in(kubernetes, installation, namespace):
    url = f"http://katib-store.{installation.namespace}:8080/healthz"
    assert asked(kubernetes, installation.trials, url, name="inside") == ("200\n", "Succeeded")
    said, phase = asked(kubernetes, namespace, url, name="outside")
    assert phase == "Failed"
    assert "Connection reset by peer" in said
    # The policies are asked as well.
    said, phase = asked(kubernetes, installation.trials, url, name="stranger", labels={})
    assert phase == "Failed"
    assert "503: Service Unavailable" in said or "timed out" in said


@builds_istio
@pytest.mark.usefixtures("installation")
def test_the_store_is_reached_through_a_gateway(kubernetes):
    service = kubernetes.get("service", "istio-ingressgateway", "--namespace", SYSTEM)
    address = service["spec"]["clusterIP"]

    def status(host):
        connection = http.client.HTTPConnection(address, 80, timeout=10)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", "/healthz", headers={"Host": host})
            return connection.getresponse().status

    kubernetes.wait_for(lambda: status("katib.example.org") == 200, what="the gateway knows the route")
    assert status("other.example.org") == 404


@builds_istio
def test_istio_takes_our_routes_and_would_have_refused_wrong_ones(kubernetes, installation):
    place = ("--namespace", installation.namespace)
    route = kubernetes.get("virtualservice", "katib-store", *place)
    marks = {"istio.io/rev": "default"}  # of what is asked about, as ``istioctl manifest`` has it
    made = {**route, "metadata": {"name": "asked", "labels": marks}}
    wrong = {**made, "spec": {**route["spec"], "hosts": ["*"]}}
    del wrong["spec"]["gateways"]
    words = ("create", "--dry-run=server", "--filename=-", *place)
    said = kubernetes.kubectl(*words, stdin=wrong, check=False)
    assert 'admission webhook "rev.validation.istio.io" denied the request' in said
    assert "created" in kubernetes.kubectl(*words, stdin=made)


@builds_istio
def test_a_trial_outside_the_mesh_goes_on_when_the_store_lets_it_in(kubernetes, installation):
    """Trials of ``tune()`` are outside: they say so, as Katib's own do."""
    world = World(kubernetes, installation.trials)
    outside = {"annotations": {"sidecar.istio.io/inject": "false"}}
    kubernetes.apply(experiment("outside", metadata=outside), world.namespace)
    place = ("--container=katib-collector", "--namespace", world.namespace)

    def refused():
        pods = world.get("pods", "--selector=katib.kubeflow.org/experiment=outside")["items"]
        said = [kubernetes.kubectl("logs", pod["metadata"]["name"], *place, check=False) for pod in pods]
        return len(said) == 2 and all("cannot be reached (Connection reset by peer)" in each for each in said)

    kubernetes.wait_for(refused, what="the store's proxy takes nothing from them", namespace=world.namespace)
    assert PROXY not in str(world.pod(world.trials("outside")[0])["spec"])
    assert world.over("outside") is None
    (text,) = re.findall(r"```yaml\n# peer-authentication.yaml\n(.*?)```", GUIDE, re.DOTALL)
    letting_in = yaml.safe_load(text)
    letting_in["metadata"]["namespace"] = installation.namespace
    kubernetes.apply(letting_in, installation.namespace)
    kubernetes.wait_for(lambda: world.over("outside"), what="it goes on", namespace=world.namespace)
    world.check_measured("outside")
