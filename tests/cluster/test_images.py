"""The project's images do their work as a careful cluster runs them: no root, nothing to write on, no shell to fall back on."""

import pytest
from singlenode.images import image_name

LIBRARIES = (
    "grpc, kubernetes, numpy, optuna, psycopg, scipy.stats, skopt, sklearn.gaussian_process, sqlalchemy, uvicorn"
)


def run(kubernetes, namespace, name, image, command, **more):
    """Run a container to its end in a restricted namespace; return its exit code and what it printed."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    container = {"name": "main", "image": image_name(image), "imagePullPolicy": "IfNotPresent", "command": command}
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{**container, "securityContext": security, **more}],
    }
    kubernetes.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}, namespace)

    def ended():
        status = kubernetes.get("pod", name, "--namespace", namespace)["status"]
        return next((each["state"].get("terminated") for each in status.get("containerStatuses", [])), None)

    end = kubernetes.wait_for(ended, seconds=120, what=f"the container of {image} has ended", namespace=namespace)
    return end["exitCode"], kubernetes.kubectl("logs", name, "--namespace", namespace)


@pytest.fixture
def restricted(kubernetes, restricted_namespace):
    def run_there(*words, **more):
        return run(kubernetes, restricted_namespace, *words, **more)

    return run_there


def test_katib_knows_its_algorithms_and_finds_its_libraries(restricted):
    code, printed = restricted("algorithms", "katib", ["katib", "algorithms"])
    assert code == 0, printed
    assert {"random", "tpe", "hyperband"} <= {line.split()[0] for line in printed.splitlines() if line.strip()}
    code, printed = restricted("libraries", "katib", ["python", "-c", f"import {LIBRARIES}"])
    assert code == 0, printed


def test_the_collector_says_what_is_missing_and_its_launcher_runs_without_any_library(restricted):
    code, printed = restricted("collector", "collector", ["python", "-m", "katib.metrics.sidecar"])
    assert code != 0
    assert "Traceback" not in printed
    code, printed = restricted("launcher", "collector", ["/usr/local/bin/launcher"])
    assert code == 64, printed  # it was called in a wrong way
