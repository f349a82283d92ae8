"""What pods say, from statuses as a real kubelet writes them (Kubernetes 1.34), in a person's words."""

import json

import pytest

from katib.operator.pod_reasons import (
    collector_report,
    compact_pod,
    disruption_of,
    failure_of,
    kept_up_by,
    place_of,
    waiting_of,
)


def pod(name="train-abc", *, phase="Pending", created="2026-03-01T12:00:00Z", node=None, **status):
    spec = {"containers": [{"name": "main", "image": "x", "env": [{"name": "A", "value": "b"}]}]}
    if node:
        spec["nodeName"] = node
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "team", "creationTimestamp": created},
        "spec": spec,
        "status": {"phase": phase, **status},
    }


def container(state, name="main", **more):
    return {"name": name, "ready": False, "restartCount": 0, "image": "x", "imageID": "", "state": state, **more}


def waits(reason, message=None, name="main"):
    return container({"waiting": {"reason": reason, **({"message": message} if message else {})}}, name)


def ended(code, reason="Error", name="main", **more):
    times = {"startedAt": "2026-03-01T12:00:01Z", "finishedAt": "2026-03-01T12:00:02Z"}
    return container({"terminated": {"exitCode": code, "reason": reason, **times, **more}}, name)


UNSCHEDULABLE = {
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available.",
        }
    ]
}
GATED = {
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
    ]
}
WAITING = [
    ({}, None),
    (UNSCHEDULABLE, ("Unschedulable", "is not scheduled: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu")),
    (GATED, ("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")),
    ({"containerStatuses": [waits("ContainerCreating")]}, None),
    ({"containerStatuses": [waits("PodInitializing")], "initContainerStatuses": [container({"running": {}})]}, None),
    (
        {"containerStatuses": [waits("ImagePullBackOff", 'Back-off pulling image "nowhere/none:1"')]},
        ("ImagePullBackOff", "Container main of pod train-abc is waiting (ImagePullBackOff): Back-off pulling image"),
    ),
    (
        {"containerStatuses": [waits("ErrImageNeverPull", 'Container image "none:1" is not present')]},
        ("ErrImageNeverPull", "is not present"),
    ),
    (
        {"containerStatuses": [waits("CreateContainerConfigError", 'secret "missing" not found')]},
        ("CreateContainerConfigError", 'secret "missing" not found'),
    ),
    (
        {"containerStatuses": [waits("CrashLoopBackOff", "back-off 10s restarting failed container")]},
        ("CrashLoopBackOff", "back-off 10s"),
    ),
    (
        {
            "initContainerStatuses": [waits("ImagePullBackOff", name="katib-collector")],
            "containerStatuses": [waits("PodInitializing")],
        },
        ("ImagePullBackOff", "Container katib-collector of pod train-abc is waiting (ImagePullBackOff)"),
    ),
    ({"containerStatuses": [container({"running": {"startedAt": "2026-03-01T12:00:01Z"}})]}, None),
    ({"containerStatuses": None, "conditions": None}, None),
]


@pytest.mark.parametrize(("status", "expected"), WAITING)
def test_why_a_pod_does_not_run(status, expected):
    found = waiting_of([compact_pod(pod(**status))])
    if expected is None:
        assert found is None
    else:
        assert found[0] == expected[0]
        assert expected[1] in found[1]


def test_one_of_several_pods_that_waits_is_enough():
    runs = pod("one", phase="Running", containerStatuses=[container({"running": {}})])
    assert waiting_of([runs, pod("two", **UNSCHEDULABLE)])[0] == "Unschedulable"
    assert waiting_of([]) is None


def test_endless_words_are_cut():
    reason, said = waiting_of([pod(containerStatuses=[waits("ImagePullBackOff", "x" * 100_000)])])
    assert reason == "ImagePullBackOff"
    assert len(said) < 600


def told_to_end(deleted):
    """Return a pod as one that was deleted before its containers ended."""
    times = {"deletionTimestamp": "2026-03-01T12:00:31Z", "deletionGracePeriodSeconds": 30}
    return {**deleted, "metadata": {**deleted["metadata"], **times}}


FAILURES = [
    ([], ""),
    ([pod(phase="Succeeded", containerStatuses=[ended(0, "Completed")])], ""),
    ([pod(phase="Failed", containerStatuses=[ended(2)])], "container main ended with exit code 2"),
    (
        [pod(phase="Failed", containerStatuses=[ended(137, "OOMKilled")])],
        "container main ended with exit code 137 (OOMKilled)",
    ),
    (
        [pod(phase="Failed", containerStatuses=[ended(1, message="ValueError: lr\n")])],
        "container main ended with exit code 1: ValueError: lr",
    ),
    (
        [pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory.", containerStatuses=[])],
        "Pod train-abc: Evicted The node was low on resource: memory.",
    ),
    (
        [pod(phase="Failed", reason="NodeShutdown", message="Pod was terminated", containerStatuses=[ended(143)])],
        "Pod train-abc: NodeShutdown Pod was terminated; container main ended with exit code 143",
    ),
    (
        [
            pod("old", created="2026-03-01T12:00:00Z", phase="Failed", containerStatuses=[ended(1)]),
            pod("new", created="2026-03-01T12:01:00Z", phase="Failed", containerStatuses=[ended(3)]),
        ],
        "container main of pod new ended with exit code 3",
    ),
    (  # the master was told to end because a worker had failed
        [
            told_to_end(pod("master", created="2026-03-01T12:00:01Z", phase="Failed", containerStatuses=[ended(143)])),
            told_to_end(pod("worker", created="2026-03-01T12:00:00Z", phase="Failed", containerStatuses=[ended(7)])),
        ],
        "container main of pod worker ended with exit code 7",
    ),
    (
        [
            told_to_end(pod("master", created="2026-03-01T12:00:01Z", phase="Failed", containerStatuses=[ended(143)])),
            told_to_end(
                pod(
                    "worker",
                    created="2026-03-01T12:00:00Z",
                    phase="Failed",
                    containerStatuses=[ended(137, "OOMKilled")],
                )
            ),
        ],
        "container main of pod worker ended with exit code 137 (OOMKilled)",
    ),
    (
        [told_to_end(pod("master", phase="Failed", containerStatuses=[ended(143)]))],
        "container main ended with exit code 143",
    ),
    ([pod(phase="Failed", containerStatuses=[ended(1, name="side"), ended(0, "Completed")])], ""),
]


@pytest.mark.parametrize(("pods", "expected"), FAILURES)
def test_why_a_pod_failed(pods, expected):
    assert failure_of([compact_pod(each) for each in pods], "main") == expected


def test_where_no_container_is_primary_any_of_them_tells():
    pods = [pod(phase="Failed", containerStatuses=[ended(4, name="worker")])]
    assert failure_of(pods, None) == "container worker ended with exit code 4"


def test_a_checkpoint_that_could_not_be_handed_on_is_told():
    said = "cannot make the folder /checkpoints/b of trial b as a copy of that of its parent a: Permission denied (state)\n"
    failed = pod(phase="Failed", initContainerStatuses=[ended(1, name="katib-checkpoint", message=said)])
    assert (
        failure_of([compact_pod(failed)], "main")
        == f"container katib-checkpoint ended with exit code 1: {said.strip()}"
    )


def test_a_trial_runs_where_its_newest_pod_does():
    old = pod("old", node="first", created="2026-03-01T12:00:00Z")
    new = pod("new", node="second", created="2026-03-01T12:01:00Z")
    assert place_of([new, old]) == {"pod": "new", "node": "second"}
    assert place_of([pod("lone")]) == {"pod": "lone"}
    assert place_of([]) == {}


def test_a_trial_of_several_pods_runs_where_its_collected_one_does():
    sidecar = container({"running": {}}, "katib-collector")
    master = pod("master", node="first", created="2026-03-01T12:00:00Z", initContainerStatuses=[sidecar])
    worker = pod("worker", node="second", created="2026-03-01T12:01:00Z")
    assert place_of(each for each in (worker, master)) == {"pod": "master", "node": "first"}


def test_nothing_is_kept_of_a_pods_spec_but_its_node():
    kept = compact_pod(pod(node="first", phase="Running"))
    assert kept["spec"] == {"nodeName": "first"}
    assert kept["status"]["phase"] == "Running"


def report(text, name="katib-collector", *, where="state"):
    terminated = {"terminated": {"exitCode": 0, "message": text}}
    return pod(initContainerStatuses=[{**container({"running": {}}, name), where: terminated}])


def test_what_the_collector_left_is_read_also_after_it_was_restarted():
    said = {"stopped": "loss was worse", "evidence": ["epoch 1"]}
    assert collector_report([report(json.dumps(said))]) == said
    assert collector_report([report(json.dumps(said), where="lastState")]) == said


@pytest.mark.parametrize("text", ["", "{", "[1]", "Killed", '"{}"', '{"katib": ' + "[" * 4_000])
def test_what_is_no_report_is_none(text):
    assert collector_report([report(text)]) == {}
    assert collector_report([pod()]) == {}


def test_what_another_container_says_is_no_report():
    assert collector_report([report('{"stopped": "never"}', name="proxy")]) == {}


def test_a_pod_that_the_cluster_ended_says_so():
    evicted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "evicting"}
    pods = [
        {"metadata": {"name": "a"}, "status": {"conditions": [evicted | {"status": "False"}]}},
        {"metadata": {"name": "b"}, "status": {"conditions": [evicted]}},
    ]
    assert disruption_of(pods) == "pod b was ended by the cluster (EvictionByEvictionAPI): evicting"
    assert disruption_of(pods[:1]) == ""


def test_a_container_that_keeps_a_pod_up_is_named():
    running = container({"running": {"startedAt": "2026-03-01T12:00:01Z"}}, "istio-proxy")
    reason, said = kept_up_by([pod(containerStatuses=[running, ended(0)])], "main")
    assert reason == "OtherContainerRuns"
    assert said == (
        "Container main of pod train-abc has ended with exit code 0, and its job ends only when istio-proxy does, too"
    )
    whole = container({"running": {}})
    for statuses in ([], [whole, running], [ended(0)], [ended(0), ended(0, name="istio-proxy")]):
        assert kept_up_by([pod(containerStatuses=statuses)], "main") is None
    assert kept_up_by([pod(containerStatuses=[running, ended(0)])], None) is None


def test_a_collector_that_cannot_report_is_named_with_what_says_why():
    collects = container({"running": {}}, name="katib-collector")
    trained = pod(containerStatuses=[ended(3)], initContainerStatuses=[collects])
    reason, said = kept_up_by([trained], "main")
    assert reason == "WaitingForMetrics"
    assert said == (
        "Container main of pod train-abc has ended with exit code 3; what it reported is not in the store yet: "
        "`kubectl logs train-abc -c katib-collector` says why"
    )
    for change in (
        {"containerStatuses": [container({"running": {}})]},
        {"initContainerStatuses": [ended(0, name="katib-collector")]},
        {"initContainerStatuses": [container({"running": {}}, name="proxy")]},
    ):
        assert kept_up_by([pod(**{**trained["status"], **change})], "main") is None
