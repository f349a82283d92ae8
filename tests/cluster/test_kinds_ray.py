"""Trials that are RayJobs: KubeRay is real, Ray's head is a double, as its image is gigabytes large."""

import pytest
from kinds_world import HELP, OPT_IN, TRAIN, KindsWorld, experiment, pod, state_of

pytestmark = OPT_IN


DASHBOARD = (
    "import http.server, json\n"
    "status = 'RUNNING'\n"
    "class Answers(http.server.BaseHTTPRequestHandler):\n"
    "    def do_POST(self):\n"
    "        global status\n"
    "        status = self.path.rpartition('/')[2]\n"
    "        self.do_GET()\n"
    "    def do_GET(self):\n"
    "        said = json.dumps({'status': status, 'message': 'told so', 'submission_id': 'x'}).encode()\n"
    "        self.send_response(200)\n"
    "        self.send_header('Content-Length', str(len(said)))\n"
    "        self.end_headers()\n"
    "        self.wfile.write(said)\n"
    "http.server.ThreadingHTTPServer(('', 8265), Answers).serve_forever()\n"
)
"""Stands for Ray's head, whose image is not to be had here: what KubeRay asks of it, and the submitter tells it."""
TELL = (
    "import os, urllib.request\n"
    "address = os.environ['RAY_DASHBOARD_ADDRESS']\n"
    "urllib.request.urlopen(f'http://{{address}}/told/{status}', data=b'').read()\n"
)


def ray_job(submitter):
    head, worker = pod("head", DASHBOARD, restart=None), pod("worker", HELP, restart=None)
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"annotations": {"ray.io/overwrite-container-cmd": "true"}},
        "spec": {
            "shutdownAfterJobFinishes": True,
            "backoffLimit": 0,
            "entrypoint": "python train.py",
            "submitterPodTemplate": pod("submitter", submitter),
            "rayClusterSpec": {
                "headGroupSpec": {"rayStartParams": {}, "template": head},
                "workerGroupSpecs": [
                    {
                        "groupName": "workers",
                        "replicas": 1,
                        "minReplicas": 1,
                        "maxReplicas": 1,
                        "rayStartParams": {},
                        "template": worker,
                    }
                ],
            },
        },
    }


@pytest.fixture(scope="module")
def ray(kubeconfig):  # noqa: ARG001 - there is a cluster
    with KindsWorld("ray") as world:
        world.start_controllers()
        yield world


@pytest.mark.controllers("ray")
def test_rayjob(ray):
    ray.create(experiment("rayjob", ray_job(TRAIN + TELL.format(status="SUCCEEDED")), container="submitter"))
    ray.check_succeeded("rayjob")
    ray.until(lambda: not ray.of("rayjobs,rayclusters,pods", "rayjob"), "neither job nor cluster is left")


@pytest.mark.controllers("ray")
def test_a_rayjob_that_fails(ray):
    job = ray_job(TELL.format(status="FAILED"))
    ray.create(experiment("rayjob-broken", job, container="submitter", trials=1))
    end, (trial,) = ray.over("rayjob-broken")
    assert (end["type"], state_of(trial)) == ("Failed", "Failed")
    assert "told so" in trial["status"]["conditions"][-1]["message"]
