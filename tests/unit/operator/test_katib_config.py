"""Katib's configuration as it is read: what counts, what is said once, and what is refused with its path."""

import base64
import json
import ssl
import textwrap
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from katib.errors import InvalidInput, NotFound
from katib.operator.katib_config import KatibConfig
from katib.operator.katib_config_endpoint import EndpointTls
from katib.operator.katib_config_source import ConfigFile, ConfigInCluster, KatibConfigSource
from katib.template.collection import CollectorSettings

HEAD = "apiVersion: config.kubeflow.org/v1beta1\nkind: KatibConfig\n"

KATIBS_OWN = """
apiVersion: config.kubeflow.org/v1beta1
kind: KatibConfig
init:
  certGenerator:
    enable: true
  controller:
    experimentSuggestionName: default
    metricsAddr: ":8080"
    healthzAddr: ":18080"
    injectSecurityContext: true
    enableGRPCProbeInSuggestion: false
    trialResources:
      - Job.v1.batch
      - TFJob.v1.kubeflow.org
    webhookPort: 8443
    enableLeaderElection: false
    leaderElectionID: 3fbc96e9.katib.kubeflow.org
runtime:
  metricsCollectors:
    - kind: StdOut
      image: ghcr.io/kubeflow/katib/file-metrics-collector:latest
    - kind: TensorFlowEvent
      image: ghcr.io/kubeflow/katib/tfevent-metrics-collector:latest
      resources:
        limits:
          memory: 1Gi
  suggestions:
    - algorithmName: random
      image: ghcr.io/kubeflow/katib/suggestion-hyperopt:latest
    - algorithmName: enas
      image: ghcr.io/kubeflow/katib/suggestion-enas:latest
      resources:
        limits:
          memory: 400Mi
          cpu: -1
  earlyStoppings:
    - algorithmName: medianstop
      image: ghcr.io/kubeflow/katib/earlystopping-medianstop:latest
"""


def read(text):
    return KatibConfig.read(HEAD + textwrap.dedent(text))


def problems(text):
    with pytest.raises(InvalidInput) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


def test_the_configuration_that_katib_is_installed_with():
    config = KatibConfig.read(KATIBS_OWN)
    controller = config.controller
    assert (controller.metrics_address, controller.health_address) == (":8080", ":18080")
    assert (controller.leader_election, controller.lease_name) == (False, "3fbc96e9.katib.kubeflow.org")
    assert not controller.probes
    assert not config.suggestions  # the shared server has Katib's algorithms


def test_images_of_ones_own_are_used_with_katibs_resources():
    config = KatibConfig.read(KATIBS_OWN.replace("ghcr.io/kubeflow/katib/suggestion", "example.org/suggestion"))
    assert sorted(config.suggestions) == ["enas", "random"]
    assert config.suggestions["random"].container["image"] == "example.org/suggestion-hyperopt:latest"
    assert config.suggestions["random"].container["resources"]["limits"]["memory"] == "100Mi"
    limits = config.suggestions["enas"].container["resources"]["limits"]
    assert limits == {"memory": "400Mi", "ephemeral-storage": "5Gi"}


def test_each_field_without_meaning_is_named_once():
    notes = KatibConfig.read(KATIBS_OWN).notes
    assert len(notes) == len(set(notes))
    for name in (
        "init.certGenerator",
        "init.controller.experimentSuggestionName",
        "init.controller.injectSecurityContext",
        "init.controller.trialResources",
        "init.controller.webhookPort",
        "runtime.earlyStoppings[0]",
        "runtime.metricsCollectors[0].image",
        "runtime.metricsCollectors[1].image",
        "runtime.suggestions[0].image",
        "runtime.suggestions[1].image",
    ):
        assert [note for note in notes if note.startswith(name)], name
    assert len(notes) == 10


def test_an_unknown_part_is_named_too():
    notes = read(
        """
        extra: 1
        init:
          controller:
            newSwitch: true
        """
    ).notes
    assert [note.split()[0] for note in notes] == ["extra", "init.controller.newSwitch"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("init: [1", "not valid YAML"),
        ("runtime: 3", "runtime (line 3): must be a mapping of fields (got 3)"),
        ("runtime: {suggestions: {a: b}}", "runtime.suggestions (line 3): must be a list"),
        ("runtime: {suggestions: [{image: x}]}", "runtime.suggestions[0].algorithmName (line 3): is required"),
        ("runtime: {suggestions: [{algorithmName: a}]}", "one of image and endpoint is required"),
        ("runtime: {suggestions: [{algorithmName: a, image: x, endpoint: 'b:1'}]}", "only one of image and endpoint"),
        (
            "runtime: {suggestions: [{algorithmName: a, endpoint: b}]}",
            "endpoint (line 3): must be HOST:PORT, or grpcs://HOST:PORT with TLS (got 'b')",
        ),
        ("runtime: {suggestions: [{algorithmName: a, endpoint: ':7'}]}", "must be HOST:PORT"),
        ("runtime: {suggestions: [{algorithmName: A_b, image: x}]}", "must be small letters, digits and -"),
        (
            "runtime: {suggestions: [{algorithmName: a, image: x, imagePullPolicy: Sometimes}]}",
            "must be one of Always, IfNotPresent, Never (got 'Sometimes')",
        ),
        (
            "runtime: {suggestions: [{algorithmName: a, image: x, resources: {limits: {memory: lots}}}]}",
            "runtime.suggestions[0].resources.limits.memory (line 3): must be a quantity",
        ),
        (
            "runtime: {suggestions: [{algorithmName: a, image: x, ports: [{containerPort: 6789}]}]}",
            "runtime.suggestions[0].ports[0] (line 3): the port suggestion-api (6789) is there without being named",
        ),
        (
            "runtime: {suggestions: [{algorithmName: a, image: x, comand: [y]}]}",
            "is no field here; did you mean 'command'",
        ),
        ("runtime: {suggestions: [{algorithmName: a, image: x, volumeMountPath: data}]}", "must be an absolute path"),
        (
            "runtime: {suggestions: [{algorithmName: a, image: x}, {algorithmName: a, image: y}]}",
            "runtime.suggestions[1].algorithmName (line 3): is there twice",
        ),
        ("runtime: {metricsCollectors: [{kind: Stdout, image: x}]}", "must be one of StdOut, File"),
        ("runtime: {earlyStoppings: [{image: x}]}", "runtime.earlyStoppings[0].algorithmName (line 3): is required"),
        ("init: {controller: {enableLeaderElection: 'yes'}}", "must be true or false (got 'yes')"),
        ("init: {controller: {metricsAddr: 8080}}", "init.controller.metricsAddr (line 3): must be a text"),
        ("init: {controller: {healthzAddr: '18080'}}", "must be HOST:PORT, :PORT, or 0 for none"),
        ("init: {controller: {leaderElectionID: 'A b'}}", "must be a name of small letters"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(text, said):
    assert any(said in problem for problem in problems(text)), problems(text)


def test_all_problems_come_at_once():
    assert (
        len(problems("runtime: {suggestions: [{algorithmName: a}, {image: x}, {algorithmName: b, endpoint: c}]}")) == 3
    )


def test_another_document_is_no_configuration():
    with pytest.raises(InvalidInput, match="must be KatibConfig"):
        KatibConfig.read("apiVersion: config.kubeflow.org/v1beta1\nkind: ConfigMap\n")


def test_a_collector_differs_from_the_others():
    entry = read(
        "runtime: {metricsCollectors: [{kind: File, image: mine:1, imagePullPolicy: Always, resources: {limits: {cpu: -1}}}]}"
    ).collectors["File"]
    settings = entry.changed(CollectorSettings(image="ours:1", store_address="store"))
    assert (settings.image, settings.pull_policy, settings.store_address) == ("mine:1", "Always", "store")
    assert settings.resources["limits"] == {}
    assert settings.resources["requests"]["memory"] == "40Mi"


def test_katibs_own_collector_leaves_ours():
    entry = KatibConfig.read(KATIBS_OWN).collectors["TensorFlowEvent"]
    settings = entry.changed(CollectorSettings(image="ours:1", store_address="store"))
    assert settings.image == "ours:1"
    assert settings.resources["limits"] == {"memory": "1Gi"}


class TestSource:
    """A file that changes under an operator that runs."""

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "katib-config.yaml"
        path.write_text(HEAD)
        return path

    def test_a_change_is_found(self, file):
        source = KatibConfigSource(ConfigFile(file))
        assert not source.look()
        file.write_text(f"{HEAD}runtime: {{suggestions: [{{algorithmName: a, endpoint: 'b:1'}}]}}")
        assert source.look()
        assert source.config.suggestions["a"].endpoint == "b:1"

    def test_a_change_of_no_meaning_is_none(self, file):
        source = KatibConfigSource(ConfigFile(file))
        file.write_text(f"{HEAD}# a comment\n")
        assert not source.look()

    @pytest.mark.parametrize("damage", ["kind: [", "x" * (2 << 20), "\0", None])
    def test_a_bad_one_leaves_the_last_good_one(self, file, damage, caplog):
        file.write_text(f"{HEAD}runtime: {{suggestions: [{{algorithmName: a, endpoint: 'b:1'}}]}}")
        source = KatibConfigSource(ConfigFile(file))
        if damage is None:
            file.unlink()
        else:
            file.write_text(damage)
        assert not source.look()
        assert not source.look()
        assert source.config.suggestions["a"].endpoint == "b:1"
        assert caplog.text.count("the last good configuration stays in force") == 1

    def test_notes_are_told_once(self, file, caplog):
        file.write_text(KATIBS_OWN)
        source = KatibConfigSource(ConfigFile(file), every=3600)
        source.start(lambda: None)
        file.write_text(f"{KATIBS_OWN}# a comment\n")
        source.look()
        source.stop()
        assert caplog.text.count("trialResources has no effect") == 1

    def test_what_needs_a_restart_is_said(self, file, caplog):
        source = KatibConfigSource(ConfigFile(file))
        file.write_text(f"{HEAD}init: {{controller: {{metricsAddr: ':1'}}}}")
        source.look()
        assert "init.controller differs from what the operator was started with" in caplog.text

    def test_without_a_file_there_is_no_start(self, tmp_path):
        with pytest.raises(InvalidInput, match="No such file"):
            KatibConfigSource(ConfigFile(tmp_path / "missing"))

    def test_a_config_map(self):
        class Cluster:
            data = {"katib-config.yaml": HEAD}

            def get(self, _resource, name, namespace):
                return {"metadata": {"name": name, "namespace": namespace, "uid": "u"}, "data": self.data}

        events = []
        cluster = Cluster()
        source = KatibConfigSource(ConfigInCluster(cluster, "katib", "katib-config"), every=3600)
        source.start(
            lambda: None, lambda obj, reason, _said, kind: events.append((obj["metadata"]["uid"], reason, kind))
        )
        cluster.data = {"katib-config.yaml": KATIBS_OWN}
        assert source.look()
        cluster.data = {"other": HEAD}
        assert not source.look()
        source.stop()
        assert events == [
            ("u", "NoEffect", "Normal"),
            ("u", "RestartNeeded", "Warning"),
            ("u", "UnreadableKatibConfig", "Warning"),
        ]
        with pytest.raises(NotFound, match=r"has no key katib-config\.yaml"):
            KatibConfigSource(ConfigInCluster(cluster, "katib", "katib-config"))


class TestEndpoints:
    """Servers that run anyway: where they are and how they are known."""

    def entry(self, text):
        return read(f"runtime: {{suggestions: [{{algorithmName: a, {text}}}]}}").suggestions["a"]

    def test_an_endpoint_is_asked_in_plain_text_unless_it_says_otherwise(self):
        for text in ("endpoint: 'b:1'", "endpoint: 'grpc://b:1'"):
            assert (self.entry(text).endpoint, self.entry(text).tls) == ("b:1", None)
        for text in ("endpoint: 'grpcs://b:1'", "endpoint: 'b:1', tls: {}"):
            assert (self.entry(text).endpoint, self.entry(text).tls) == ("b:1", EndpointTls())

    def test_it_may_be_known_by_an_authority_and_a_name(self):
        pem = ssl.DER_cert_to_PEM_cert(certificate())
        for bundle in (pem, base64.b64encode(pem.encode()).decode()):
            found = self.entry(f"endpoint: 'b:1', tls: {{caBundle: {json.dumps(bundle)}, serverName: c.example}}")
            assert (found.tls.ca_bundle.strip(), found.tls.server_name) == (pem.strip(), "c.example")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("image: 'i:1', tls: {}", "tls (line 3): goes with an endpoint"),
            ("endpoint: 'grpc://b:1', tls: {}", "contradicts grpc://"),
            ("endpoint: 'https://b:1'", "must be HOST:PORT, or grpcs://HOST:PORT"),
            ("endpoint: 'grpcs://b'", "must be HOST:PORT, or grpcs://HOST:PORT"),
            ("endpoint: 'b:1', tls: {caBundle: nonsense}", "caBundle (line 3): must be certificates in PEM"),
            ("endpoint: 'b:1', tls: {serverName: 'a/b'}", "must be the name of a host"),
            ("endpoint: 'b:1', tls: {caBundel: x}", "is no field here"),
            ("endpoint: 'b:1', tls: yes", "must be a mapping"),
        ],
    )
    def test_what_is_wrong_is_said(self, text, said):
        found = problems(f"runtime: {{suggestions: [{{algorithmName: a, {text}}}]}}")
        assert any(said in problem for problem in found), found


def test_claims_of_stock_algorithms_are_heeded():
    image = "ghcr.io/kubeflow/katib/suggestion-pbt:latest"
    claim = "{accessModes: [ReadWriteMany], storageClassName: fast}"
    config = read(
        f"runtime: {{suggestions: [{{algorithmName: pbt, image: '{image}', persistentVolumeClaimSpec: {claim}}}]}}"
    )
    assert "pbt" not in config.suggestions
    assert config.claims["pbt"]["storageClassName"] == "fast"
    assert config.claims["pbt"]["accessModes"] == ["ReadWriteMany"]


def certificate():
    """A certificate, in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "one")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(hours=1))
    return made.sign(key, SHA256()).public_bytes(Encoding.DER)
