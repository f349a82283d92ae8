"""The objects of an experiment's own suggestion server, as Katib names and labels them."""

import sys
from pathlib import Path

import pytest

from katib.operator.composed_service import DIGEST, composed, service_name
from katib.operator.katib_config import KatibConfig

sys.path.append(str(Path(__file__).parent))

from searched import experiment


def entry(more=""):
    text = "apiVersion: config.kubeflow.org/v1beta1\nkind: KatibConfig\n"
    text += f"runtime: {{suggestions: [{{algorithmName: tpe, image: 'tpe:1'{more}}}]}}"
    return KatibConfig.read(text).suggestions["tpe"]


def made(more="", *, probes=True, **spec):
    return composed(experiment(**spec), entry(more), probes=probes)


def pod_of(objects):
    return objects.deployment["spec"]["template"]["spec"]


def test_names_labels_ports_and_owner_are_katibs():
    objects = made()
    for each in (objects.deployment, objects.service):
        metadata = each["metadata"]
        assert (metadata["name"], metadata["namespace"]) == ("search-tpe", "team")
        assert metadata["labels"]["katib.kubeflow.org/deployment"] == "search-tpe"
        assert [owner["uid"] for owner in metadata["ownerReferences"]] == ["uid-1"]
    template = objects.deployment["spec"]["template"]["metadata"]["labels"]
    assert template.items() >= objects.service["spec"]["selector"].items()
    assert template.items() >= objects.deployment["spec"]["selector"]["matchLabels"].items()
    assert template["sidecar.istio.io/inject"] == "false"
    container = pod_of(objects)["containers"][0]
    assert (container["name"], container["image"]) == ("suggestion", "tpe:1")
    assert container["ports"] == [{"name": "suggestion-api", "containerPort": 6789, "protocol": "TCP"}]
    assert objects.claim is None
    assert objects.volume is None


def test_probes_ask_for_katibs_name():
    container = pod_of(made())["containers"][0]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"] == {"port": 6789, "service": "manager.v1beta1.Suggestion"}
    assert not {name for name in pod_of(made(probes=False))["containers"][0] if name.endswith("Probe")}


def test_fields_of_the_container_are_kept():
    objects = made(", args: [a], env: [{name: A, value: b}], securityContext: {runAsUser: 7}, serviceAccountName: me")
    container = pod_of(objects)["containers"][0]
    assert (container["args"], container["env"]) == (["a"], [{"name": "A", "value": "b"}])
    assert container["securityContext"]["runAsUser"] == 7
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert pod_of(objects)["serviceAccountName"] == "me"


def test_without_an_account_there_is_no_token():
    assert pod_of(made())["automountServiceAccountToken"] is False


def test_a_volume_for_experiments_that_are_resumed_from_one():
    objects = made(resumePolicy="FromVolume")
    assert objects.claim["metadata"]["name"] == "search-tpe"
    assert objects.claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert objects.claim["spec"]["resources"]["requests"]["storage"] == "1Gi"
    assert pod_of(objects)["containers"][0]["volumeMounts"][0]["mountPath"] == "/opt/katib/data"
    assert objects.deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert objects.volume is None


def test_a_volume_that_the_configuration_describes():
    spec = ", persistentVolumeSpec: {hostPath: {path: /x}, persistentVolumeReclaimPolicy: Retain}, persistentVolumeLabels: {a: b}"
    volume = made(spec, resumePolicy="FromVolume").volume
    assert volume["metadata"]["name"] == "search-tpe-team"
    assert volume["metadata"]["labels"]["a"] == "b"
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    assert volume["spec"]["claimRef"] == {"namespace": "team", "name": "search-tpe"}


def test_the_digest_tells_whether_anything_changed():
    assert made().digest == made().digest == made().deployment["metadata"]["annotations"][DIGEST]
    assert len({made().digest, made(", args: [a]").digest, made(probes=False).digest}) == 3


@pytest.mark.parametrize("length", [1, 40, 58, 59, 60, 63, 200])
def test_a_name_is_one_of_a_service(length):
    name = service_name(experiment("e" * length), "tpe")
    assert len(name) <= 63
    assert name.startswith("e")
    assert (name == f"{'e' * length}-tpe") == (length + 4 <= 63)


def test_long_names_that_differ_stay_different():
    names = {service_name(experiment("e" * 63 + end), "tpe") for end in "abc"}
    assert len(names) == 3
