"""What holds for every object of every way to install: rights, pods, networks, names."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from manifests import (
    CLUSTER_SCOPED,
    allowed,
    containers,
    granted,
    matches,
    named,
    of_kind,
    of_trials,
    pods,
)

from katib.cli.main import main
from katib.kube.resource import CONFIG_MAPS, EVENTS, LEASES, NAMESPACES, PERSISTENT_VOLUME_CLAIMS, PODS
from katib.operator.kinds import EXPERIMENTS, SUGGESTIONS, TRIALS

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
OVERLAYS = sorted(path.name for path in (DEPLOY / "overlays").iterdir())
REVIEWING = ("standalone", "katib-names", "prometheus", "token-review")
WITH_KATIB_CONFIG = ("standalone", "katib-config", "webhook")
READS = ("get", "list", "watch")


@pytest.fixture(
    params=[*OVERLAYS, REVIEWING, WITH_KATIB_CONFIG], ids=lambda each: each if isinstance(each, str) else each[1]
)
def objects(request, rendered, composed):
    """Every object of one way to install."""
    if isinstance(request.param, str):
        return rendered(DEPLOY / "overlays" / request.param)
    return composed(*request.param)


@pytest.fixture
def overlay(rendered):
    return lambda name: rendered(DEPLOY / "overlays" / name)


# -- rights -----------------------------------------------------------------------------------------------------------


def test_operator_may_do_what_its_code_does_and_nothing_else(objects):
    """The verbs are those of the calls in katib/operator and katib/kube; tests/cluster/test_install.py sees that none is refused."""
    uses = {
        EXPERIMENTS: READS,
        TRIALS: (*READS, "create", "patch", "delete", "deletecollection"),
        SUGGESTIONS: (*READS, "create", "patch"),
        PODS: ("list", "watch"),
        CONFIG_MAPS: ("get",),
        EVENTS: ("create", "patch"),
        LEASES: ("get", "create", "patch"),
        NAMESPACES: ("get",),
        PERSISTENT_VOLUME_CLAIMS: ("create",),
    }
    expected = {(resource.group, resource.plural, verb) for resource, verbs in uses.items() for verb in verbs}
    expected |= {(each.group, f"{each.plural}/status", "patch") for each in (EXPERIMENTS, TRIALS, SUGGESTIONS)}
    (container,) = named(objects, "Deployment", "katib-operator")["spec"]["template"]["spec"]["containers"]
    if any(each.startswith("--webhook-address") for each in container["args"]):
        expected |= {("tekton.dev", "taskruns", "get")}
    if any(each.startswith("--katib-config-map") for each in container["args"]):
        expected |= {("apps", "deployments", verb) for verb in (*READS, "create", "patch", "delete")}
        expected |= {("", "services", verb) for verb in ("get", "create", "patch", "delete")}
        expected |= {("", "persistentvolumeclaims", verb) for verb in ("get", "create", "patch")}
    if any(each["metadata"]["name"] == "katib-trials-of-callers" for each in of_kind(objects, "ClusterRole")):
        expected |= {(LEASES.group, LEASES.plural, verb) for verb in (*READS, "create", "delete")}
    assert granted(objects, "katib-operator") == expected | of_trials()


def test_nobody_may_everything_nor_more_than_they_have(objects):
    for role in of_kind(objects, "Role", "ClusterRole"):
        for group, resource, verb in allowed(role.get("rules") or []):
            assert "*" not in {group, resource, verb}, role["metadata"]["name"]
            assert verb not in {"escalate", "bind", "impersonate"}
            assert not resource.startswith(("pods/", "nodes", "serviceaccounts"))


def test_secrets_are_open_to_one_job_and_by_name(objects):
    for role in of_kind(objects, "Role", "ClusterRole"):
        for rule in role.get("rules") or []:
            if "secrets" in rule["resources"]:
                assert (role["kind"], role["metadata"]["name"]) == ("Role", "katib-keys")
                assert set(rule["verbs"]) == {"get", "patch"}
                assert set(rule["resourceNames"]) <= {"katib-keys", "katib-database"}
    bound = [each for each in of_kind(objects, "RoleBinding") if each["roleRef"]["name"] == "katib-keys"]
    assert [subject["name"] for each in bound for subject in each["subjects"]] == ["katib-keys"]


def test_no_secret_has_anything_in_it(objects):
    for secret in of_kind(objects, "Secret"):
        assert not {"data", "stringData"} & set(secret)


def test_only_who_has_rights_has_a_token(objects):
    bindings = of_kind(objects, "RoleBinding", "ClusterRoleBinding")
    with_rights = {subject["name"] for binding in bindings for subject in binding["subjects"]}
    with_token = {
        pod["spec"]["serviceAccountName"]
        for _, pod in pods(objects)
        if pod["spec"]["automountServiceAccountToken"] is True
    }
    assert with_token == with_rights
    for account in of_kind(objects, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_everybody_bound_is_there(objects):
    accounts = {
        (each["metadata"]["namespace"], each["metadata"]["name"]) for each in of_kind(objects, "ServiceAccount")
    }
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        assert {(subject["namespace"], subject["name"]) for subject in binding["subjects"]} <= accounts
        named(objects, binding["roleRef"]["kind"], binding["roleRef"]["name"])
    assert {pod["spec"]["serviceAccountName"] for _, pod in pods(objects)} <= {name for _, name in accounts}


def test_store_asks_kubernetes_only_where_it_was_told_to(overlay, composed):
    reviews = {
        ("authentication.k8s.io", "tokenreviews", "create"),
        ("authorization.k8s.io", "subjectaccessreviews", "create"),
    }
    assert granted(overlay("standalone"), "katib-store") == set()
    assert granted(composed(*REVIEWING), "katib-store") == reviews


def test_one_namespace_needs_nothing_of_the_cluster(overlay):
    objects = overlay("namespaced")
    assert {each["kind"] for each in objects} & CLUSTER_SCOPED == set()
    (operator,) = named(objects, "Deployment", "katib-operator")["spec"]["template"]["spec"]["containers"]
    assert "--watch-namespace=$(POD_NAMESPACE)" in operator["args"]


def test_users_roles_add_up_and_leave_the_status_to_the_operator(overlay):
    objects = overlay("standalone")
    view, edit, admin = (
        allowed(named(objects, "ClusterRole", f"katib-{name}")["rules"]) for name in ("view", "edit", "admin")
    )
    assert view < edit < admin
    assert ("kubeflow.org", "experiments", "create") in edit - view
    for name in ("view", "edit", "admin"):
        labels = named(objects, "ClusterRole", f"katib-{name}")["metadata"]["labels"]
        assert labels[f"rbac.authorization.k8s.io/aggregate-to-{name}"] == "true"
    assert not [each for each in admin if "/status" in each[1] and each[2] != "get"]


# -- pods -------------------------------------------------------------------------------------------------------------


def test_pods_are_as_pod_security_restricts_them(objects):
    for name, pod in pods(objects):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["securityContext"].get("runAsUser") != 0
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        kinds = {kind for volume in spec.get("volumes", []) for kind in volume} - {"name"}
        assert kinds <= {"emptyDir", "secret", "persistentVolumeClaim", "configMap", "projected"}
        for container in containers(pod):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert not [port for port in container.get("ports", []) if "hostPort" in port]


def test_namespace_says_restricted(overlay):
    (namespace,) = of_kind(overlay("standalone"), "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_containers_have_limits_and_servers_probes(objects):
    for name, pod in pods(objects):
        for container in containers(pod):
            for kind in ("requests", "limits"):
                assert set(container["resources"][kind]) >= {"cpu", "memory"}, name
        if not name.startswith("Job/"):
            for container in pod["spec"]["containers"]:
                assert {"readinessProbe", "livenessProbe"} <= set(container), name


def test_images_have_a_tag_that_stays(objects):
    for _, pod in pods(objects):
        for container in containers(pod):
            assert re.fullmatch(r"[^:@]+(:[^:/@]+|@sha256:[0-9a-f]{64})", container["image"])
            assert not container["image"].endswith(":latest")
            for variable in container.get("env", []):
                if variable["name"].endswith("_IMAGE"):
                    assert re.fullmatch(r"[^:]+:(?!latest$).+", variable["value"])


def test_volumes_and_their_mounts_belong_together(objects):
    for name, pod in pods(objects):
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        volumes |= {
            claim["metadata"]["name"]
            for each in of_kind(objects, "StatefulSet")
            if f"StatefulSet/{each['metadata']['name']}" == name
            for claim in each["spec"]["volumeClaimTemplates"]
        }
        mounted = {mount["name"] for container in containers(pod) for mount in container.get("volumeMounts", [])}
        assert mounted == volumes, name


def test_secrets_that_pods_read_are_installed_or_are_said_to_be_the_users(overlay):
    theirs = {"external-db": {"katib-database"}, "leader-election": {"katib-database"}}
    for name in OVERLAYS:
        objects = overlay(name)
        made = {each["metadata"]["name"] for each in of_kind(objects, "Secret")}
        made |= {each["spec"]["secretName"] for each in of_kind(objects, "Certificate")}
        read = {
            volume["secret"]["secretName"]
            for _, pod in pods(objects)
            for volume in pod["spec"].get("volumes", [])
            if "secret" in volume
        }
        read |= {
            variable["valueFrom"]["secretKeyRef"]["name"]
            for _, pod in pods(objects)
            for container in containers(pod)
            for variable in container.get("env", [])
            if "secretKeyRef" in variable.get("valueFrom", {})
        }
        assert read - made == theirs.get(name, set()), name


def test_every_option_is_one_that_the_command_has(objects, capsys):
    for name, pod in pods(objects):
        for container in containers(pod):
            if not container["image"].startswith("katib.test/katib:"):
                continue
            words = [word for word in container["args"] if not word.startswith("-")]
            assert main([*words, "--help"]) == 0, name
            known = set(re.findall(r"(?<!\S)(--[a-z-]+)", capsys.readouterr().out))
            assert {word.partition("=")[0] for word in container["args"]} - set(words) <= known, name


# -- many and one -----------------------------------------------------------------------------------------------------


def test_who_is_many_keeps_one_through_disruptions(objects):
    budgets = of_kind(objects, "PodDisruptionBudget")
    for each in of_kind(objects, "Deployment"):
        labels = each["spec"]["template"]["metadata"]["labels"]
        kept = [budget for budget in budgets if matches(budget["spec"]["selector"], labels)]
        assert len(kept) == (each["spec"]["replicas"] > 1), each["metadata"]["name"]


def test_a_file_has_one_store_at_a_time(overlay):
    for name in ("standalone", "standalone-pvc", "cert-manager"):
        store = named(overlay(name), "Deployment", "katib-store")["spec"]
        assert (store["replicas"], store["strategy"]) == (1, {"type": "Recreate"})
    for name in ("postgres", "external-db"):
        store = named(overlay(name), "Deployment", "katib-store")["spec"]
        assert (store["replicas"], store["strategy"]["type"]) == (2, "RollingUpdate")
        (upgrade,) = store["template"]["spec"]["initContainers"]
        assert upgrade["args"] == ["store", "upgrade"]
        assert upgrade["env"] == store["template"]["spec"]["containers"][0]["env"]


def test_two_operators_take_turns(overlay):
    operator = named(overlay("leader-election"), "Deployment", "katib-operator")["spec"]
    assert operator["replicas"] == 2
    assert "--no-leader-election" not in operator["template"]["spec"]["containers"][0]["args"]


# -- names and networks -----------------------------------------------------------------------------------------------


def test_objects_are_told_apart_and_are_in_the_namespace(objects):
    names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))
    for each in objects:
        expected = None if each["kind"] in CLUSTER_SCOPED else "katib"
        assert each["metadata"].get("namespace") == expected, each["metadata"]["name"]
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "katib"


def test_no_directive_of_a_patch_is_left(objects):
    def names(value):
        if isinstance(value, dict):
            yield from value
            value = list(value.values())
        for child in value if isinstance(value, list) else ():
            yield from names(child)

    assert not [name for each in objects if each["kind"] not in CLUSTER_SCOPED for name in names(each) if "$" in name]


def test_another_namespace_is_one_line(composed):
    objects = composed("standalone-pvc", more="namespace: elsewhere")
    assert {each["metadata"].get("namespace") for each in objects} == {None, "elsewhere"}
    assert named(objects, "Namespace", "elsewhere")
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        assert {subject["namespace"] for subject in binding["subjects"]} == {"elsewhere"}
    for name, pod in pods(objects):
        for container in containers(pod):
            assert not [word for word in container["args"] if ".katib" in word], name


def test_the_webhook_is_called_where_it_is_installed(composed):
    objects = composed("webhook", more="namespace: elsewhere")
    (configuration,) = of_kind(objects, "MutatingWebhookConfiguration")
    (hook,) = configuration["webhooks"]
    service = hook["clientConfig"]["service"]
    assert named(objects, "Service", service["name"])["metadata"]["namespace"] == service["namespace"] == "elsewhere"


def test_services_lead_to_one_workload_and_to_ports_that_it_has(objects):
    for service in of_kind(objects, "Service"):
        found = [
            pod
            for _, pod in pods(objects)
            if matches({"matchLabels": service["spec"]["selector"]}, pod["metadata"]["labels"])
        ]
        assert len(found) == 1, service["metadata"]["name"]
        ports = {port["name"] for container in containers(found[0]) for port in container.get("ports", [])}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_routes_lead_to_services_and_to_ports_that_they_have(overlay):
    def ports(objects, name):
        return {port["port"] for port in named(objects, "Service", name)["spec"]["ports"]}

    objects = overlay("gateway-api")
    (route,) = of_kind(objects, "HTTPRoute")
    backends = [backend for rule in route["spec"]["rules"] for backend in rule["backendRefs"]]
    assert backends
    for backend in backends:
        assert {"kind", "namespace"} & set(backend) == set()  # a Service beside it
        assert backend["port"] in ports(objects, backend["name"])
    objects = overlay("istio")
    (service,) = of_kind(objects, "VirtualService")
    destinations = [each["destination"] for rule in service["spec"]["http"] for each in rule["route"]]
    assert destinations
    for destination in destinations:
        assert destination["port"]["number"] in ports(objects, destination["host"])
    for name in ("gateway-api", "istio"):  # and who comes through the gateway is let in to them
        objects = overlay(name)
        (rule,) = named(objects, "NetworkPolicy", "katib-store-from-gateway")["spec"]["ingress"]
        assert {port["port"] for port in rule["ports"]} <= ports(objects, "katib-store")


def test_certificates_have_an_issuer_names_of_services_and_a_reader(overlay):
    for name in ("cert-manager", "api", "webhook"):
        objects = overlay(name)
        certificates = of_kind(objects, "Certificate")
        made = {each["spec"]["secretName"]: each for each in certificates}
        assert len(made) == len(certificates)
        for issuer in of_kind(objects, "Issuer"):
            if "ca" in issuer["spec"]:
                authority = made[issuer["spec"]["ca"]["secretName"]]["spec"]
                assert authority["isCA"] is True
                # Else a renewal would part what is signed before it from what is signed after.
                assert authority["privateKey"]["rotationPolicy"] == "Never"
        for certificate in certificates:
            spec = certificate["spec"]
            assert named(objects, spec["issuerRef"]["kind"], spec["issuerRef"]["name"])
            for each in spec.get("dnsNames", []):
                service, namespace, *_ = each.split(".")
                assert named(objects, "Service", service)["metadata"]["namespace"] == namespace
        read = {
            volume["secret"]["secretName"]
            for _, pod in pods(objects)
            for volume in pod["spec"].get("volumes", [])
            if "secret" in volume
        }
        read |= {each["spec"]["ca"]["secretName"] for each in of_kind(objects, "Issuer") if "ca" in each["spec"]}
        assert set(made) <= read


def test_workloads_select_their_own_pods(objects):
    for each in of_kind(objects, "Deployment", "StatefulSet"):
        selector = each["spec"]["selector"]
        names = [name for name, pod in pods(objects) if matches(selector, pod["metadata"]["labels"])]
        assert names == [f"{each['kind']}/{each['metadata']['name']}"]


def test_networks_are_closed_and_each_opening_is_somebodys(objects):
    policies = of_kind(objects, "NetworkPolicy")
    closed = named(objects, "NetworkPolicy", "katib-default-deny")["spec"]
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(closed)
    for name, pod in pods(objects):
        assert matches(closed["podSelector"], pod["metadata"]["labels"]), name
    trial = {"katib.kubeflow.org/trial": "one", "katib.kubeflow.org/experiment": "search"}
    for policy in policies:
        selector = policy["spec"]["podSelector"]
        assert [name for name, pod in pods(objects) if matches(selector, pod["metadata"]["labels"])]
        assert not matches(selector, trial)


def _reaches(objects, source, target, port):
    """Whether the policies let a pod with some labels call a component, as far as it comes in."""
    (pod,) = [pod for _, pod in pods(objects) if pod["metadata"]["labels"]["katib.kubeflow.org/component"] == target]
    for policy in of_kind(objects, "NetworkPolicy"):
        if not matches(policy["spec"]["podSelector"], pod["metadata"]["labels"]):
            continue
        for rule in policy["spec"].get("ingress", []):
            peers = [peer for peer in rule.get("from", []) if "podSelector" in peer]
            ports = {each["port"] for each in rule["ports"]}
            if port in ports and any(matches(peer["podSelector"], source) for peer in peers):
                return True
    return False


def test_who_may_call_whom(objects):
    def component(name):
        return {"app.kubernetes.io/part-of": "katib", "katib.kubeflow.org/component": name}

    trial, stranger = {"katib.kubeflow.org/trial": "one"}, {"app": "other"}
    assert _reaches(objects, trial, "store", 8080)
    assert _reaches(objects, {"katib.kubeflow.org/client": "true"}, "store", 8080)
    assert _reaches(objects, component("operator"), "store", 6789)
    assert _reaches(objects, component("operator"), "suggestion", 6789)
    assert not _reaches(objects, trial, "suggestion", 6789)
    assert not _reaches(objects, stranger, "store", 8080)
    assert not _reaches(objects, component("suggestion"), "store", 6789)


def test_tls_is_everywhere_or_is_said_to_be_nowhere(overlay):
    objects = overlay("cert-manager")
    for name in ("katib-store", "katib-suggestion"):
        (container,) = named(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        assert {"--tls-cert=/etc/katib/tls/tls.crt", "--tls-key=/etc/katib/tls/tls.key"} <= set(container["args"])
        assert "--insecure-plaintext" not in container["args"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe].get("httpGet", {}).get("scheme") == "HTTPS" or "tcpSocket" in container[probe]
    operator = named(objects, "Deployment", "katib-operator")["spec"]["template"]["spec"]
    (container,) = operator["containers"]
    assert "--root-ca=/etc/katib/tls/ca.crt" in container["args"]
    assert [word for word in container["args"] if word.startswith("--trial-store-address=https://")]
    (tls,) = [volume["secret"] for volume in operator["volumes"] if volume["name"] == "tls"]
    assert tls["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    names = {name for each in of_kind(objects, "Certificate") for name in each["spec"].get("dnsNames", [])}
    assert {"katib-store.katib", "katib-suggestion.katib"} <= names


def test_webhook_holds_nobody_up_and_sees_only_who_asked_for_it(overlay):
    objects = overlay("webhook")
    (configuration,) = of_kind(objects, "MutatingWebhookConfiguration")
    (hook,) = configuration["webhooks"]
    assert hook["failurePolicy"] == "Ignore"
    assert hook["timeoutSeconds"] <= 5
    assert hook["namespaceSelector"]["matchLabels"]
    service = hook["clientConfig"]["service"]
    (port,) = named(objects, "Service", service["name"])["spec"]["ports"]
    assert port["port"] == service["port"]
    certificate = configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
    assert certificate == "katib/katib-webhook"
    names = named(objects, "Certificate", "katib-webhook")["spec"]["dnsNames"]
    assert f"{service['name']}.{service['namespace']}.svc" in names


# -- the guide --------------------------------------------------------------------------------------------------------


def test_guide_names_every_overlay_and_component():
    text = (ROOT / "docs" / "install-kubernetes.md").read_text()
    for folder in ("overlays", "components"):
        for path in (DEPLOY / folder).iterdir():
            assert f"`{path.name}`" in text or f"overlays/{path.name}" in text, path.name


def test_guides_kustomizations_build(composed):
    text = (ROOT / "docs" / "install-kubernetes.md").read_text()
    (own,) = re.findall(r"```yaml\n# kustomization.yaml\n(.*?)```", text, re.DOTALL)
    more = re.sub(r"^resources:\n(- .*\n)+", "", own, flags=re.MULTILINE)
    assert more != own
    objects = composed("standalone-pvc", more=more)
    (operator,) = named(objects, "Deployment", "katib-operator")["spec"]["template"]["spec"]["containers"]
    assert operator["image"] == "registry.example.org/team/katib:1.0"
    environment = {variable["name"]: variable.get("value") for variable in operator["env"]}
    assert environment["KATIB_COLLECTOR_IMAGE"] == "registry.example.org/team/katib-collector:1.0"
