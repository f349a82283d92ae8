"""The collector in a trial's job: what is there afterwards, and that nothing else of the template has changed."""

import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.api.trial import Trial
from katib.errors import InvalidInput
from katib.metrics.sidecar.settings import HttpSource, Rule, SidecarSettings
from katib.template.collection import CollectorSettings, collect_from_pod, with_collector

SETTINGS = CollectorSettings(image="collector:1", store_address="katib-store.katib:8080", report_token="token$1")  # noqa: S106 - of nothing
MAIN = {"name": "main", "image": "trainer", "command": ["python", "train.py"], "args": ["--lr", "0.1"]}


def job(container=MAIN, **pod):
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "search-1", "namespace": "team"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container], **pod}}},
    }


def trial(run_spec, collector=None, **spec):
    document = {
        "metadata": {"name": "search-1", "namespace": "team", "labels": {"katib.kubeflow.org/experiment": "search"}},
        "spec": {
            "objective": {"type": "maximize", "objectiveMetricName": "acc", "additionalMetricNames": ["loss", "acc"]},
            "runSpec": run_spec,
            "primaryContainerName": "main",
            "metricsCollector": collector or {"collector": {"kind": "StdOut"}},
            **spec,
        },
    }
    return Trial.model_validate(document)


def collected(run_spec, collector=None, settings=SETTINGS, **spec):
    return with_collector(trial(run_spec, collector, **spec), settings)


def file_at(path, collector="File", **more):
    return {"collector": {"kind": collector}, "source": {"fileSystemPath": {"path": path, **more}}}


def pod_of(made):
    return made["spec"]["template"]["spec"]


def sidecar_of(pod):
    return pod["initContainers"][-1]


def settings_of(pod):
    """Return what the sidecar reads, as Kubernetes gives it: doubled dollars are single ones."""
    variables = {variable["name"]: variable.get("value", "") for variable in sidecar_of(pod)["env"]}
    return SidecarSettings.from_json(variables["KATIB_COLLECTOR"].replace("$$", "$"))


def words_of(container):
    """Return the trainer's words as the launcher runs them."""
    return container["command"][container["command"].index("--") + 1 :] + container.get("args", [])


def refused(run_spec, collector=None, **spec):
    with pytest.raises(InvalidInput) as caught:
        collected(run_spec, collector, **spec)
    (problem,) = caught.value.problems
    return problem


NO_TOKEN = {"name": "katib-metrics", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}
"""Where something is mounted Kubernetes mounts no token."""


class TestJob:
    def test_whole(self):
        made = collected(job())
        labels = {"katib.kubeflow.org/experiment": "search", "katib.kubeflow.org/trial": "search-1"}
        assert made["spec"]["template"]["metadata"] == {"labels": labels}
        assert made["metadata"] == job()["metadata"]
        pod = pod_of(made)
        assert pod == {
            "restartPolicy": "Never",
            "volumes": [{"name": "katib-metrics", "emptyDir": {"sizeLimit": "1Gi"}}],
            "containers": [
                {
                    "name": "main",
                    "image": "trainer",
                    "command": [
                        *("/var/run/katib/launcher", "--folder", "/var/run/katib", "--output"),
                        *("--grace", "28", "--stop-grace", "30", "--", "python", "train.py"),
                    ],
                    "args": ["--lr", "0.1"],
                    "env": [
                        {"name": "KATIB_TRIAL_NAME", "value": "search-1"},
                        {"name": "KATIB_EXPERIMENT_NAME", "value": "search"},
                        {"name": "KATIB_NAMESPACE", "value": "team"},
                        {"name": "KATIB_METRICS_FILE", "value": "/var/run/katib/metrics.jsonl"},
                    ],
                    "volumeMounts": [{"name": "katib-metrics", "mountPath": "/var/run/katib"}],
                }
            ],
            "initContainers": [
                {
                    "name": "katib-collector",
                    "image": "collector:1",
                    "imagePullPolicy": "IfNotPresent",
                    "restartPolicy": "Always",
                    "env": [
                        sidecar_of(pod)["env"][0],
                        {"name": "KATIB_REPORT_TOKEN", "value": "token$$1"},
                        {"name": "KATIB_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
                    ],
                    "lifecycle": {
                        "postStart": {"exec": {"command": ["/usr/local/bin/launcher", "--install", "/var/run/katib"]}}
                    },
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "40Mi"},
                        "limits": {"cpu": "500m", "memory": "128Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                        "runAsNonRoot": True,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "volumeMounts": [{"name": "katib-metrics", "mountPath": "/var/run/katib"}, NO_TOKEN],
                }
            ],
        }
        assert settings_of(pod) == SidecarSettings(
            "team", "search-1", ("acc", "loss"), "http://katib-store.katib:8080", maximize=True, ends_itself=True
        )

    def test_the_trial_stays_as_it_was(self):
        given = job()
        collected(given)
        assert given == job()

    def test_twice_is_the_same(self):
        assert collected(job()) == collected(job())


class TestTrainer:
    WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)

    @given(command=st.lists(WORDS, min_size=1, max_size=5), args=st.lists(WORDS, max_size=5))
    def test_its_words_are_those_of_the_template(self, command, args):
        (container,) = pod_of(collected(job({**MAIN, "command": command, "args": args})))["containers"]
        assert words_of(container) == command + args

    def test_without_a_command_what_it_prints_cannot_be_collected(self):
        problem = refused(job({"name": "main", "args": ["x"]}))
        assert problem.path == "spec.trialTemplate.trialSpec.spec.template.spec.containers[0].command"
        assert "command: [python, /app/train.py]" in problem.message

    @pytest.mark.parametrize("collector", [file_at("/log/file"), {"collector": {"kind": "Push"}}])
    def test_without_a_command_other_metrics_are_collected_without_the_launcher(self, collector):
        pod = pod_of(collected(job({"name": "main", "args": ["x"]}), collector))
        (container,) = pod["containers"]
        assert "command" not in container
        assert container["args"] == ["x"]
        assert pod["terminationGracePeriodSeconds"] == 120
        assert settings_of(pod).wrapped is False

    @pytest.mark.parametrize(("stated", "grace"), [(10, "8"), (0, "1"), (3600, "3598")])
    def test_a_grace_period_that_is_stated_counts(self, stated, grace):
        pod = pod_of(collected(job(terminationGracePeriodSeconds=stated)))
        command = pod["containers"][0]["command"]
        assert command[command.index("--grace") + 1] == grace
        assert pod["terminationGracePeriodSeconds"] == stated

    def test_its_own_variables_count_and_may_refer_to_ours(self):
        own = [{"name": "KATIB_METRICS_FILE", "value": "/own"}, {"name": "ID", "value": "$(KATIB_TRIAL_NAME)"}]
        env = pod_of(collected(job({**MAIN, "env": own})))["containers"][0]["env"]
        assert [variable["name"] for variable in env] == [
            *("KATIB_TRIAL_NAME", "KATIB_EXPERIMENT_NAME", "KATIB_NAMESPACE"),
            *("KATIB_METRICS_FILE", "ID"),
        ]
        assert env[3:] == own

    def test_it_is_told_its_place_and_its_values_where_their_types_are_known(self):
        values = [{"name": "lr", "value": "0.10"}, {"name": "layers", "value": "3"}, {"name": "size", "value": "3"}]
        known = replace(
            SETTINGS, trial_index=7, parameter_kinds={"lr": "double", "layers": "int", "size": "categorical"}
        )
        env = pod_of(collected(job(), settings=known, parameterAssignments=values))["containers"][0]["env"]
        told = {variable["name"]: variable["value"] for variable in env}
        assert told["KATIB_TRIAL_INDEX"] == "7"
        assert told["KATIB_TRIAL_PARAMETERS"] == '{"lr":0.1,"layers":3,"size":"3"}'
        unknown = pod_of(collected(job(), parameterAssignments=values))["containers"][0]["env"]
        assert "KATIB_TRIAL_PARAMETERS" not in {variable["name"] for variable in unknown}

    def test_the_primary_container_is_named(self):
        run_spec = job({"name": "helper"}, restartPolicy="Never")
        pod_of(run_spec)["containers"].append(MAIN)
        helper, main = pod_of(collected(run_spec))["containers"]
        assert helper == {"name": "helper"}
        assert "launcher" in main["command"][0]
        problem = refused(run_spec, primaryContainerName="mian")
        assert (problem.path, problem.hint) == ("spec.trialTemplate.primaryContainerName", "did you mean 'main'?")

    def test_one_container_needs_no_name(self):
        assert collected(job({**MAIN, "name": "any"}), primaryContainerName=None)


class TestVolumes:
    @pytest.mark.parametrize(
        ("collector", "folder", "path"),
        [
            (file_at("/var/log/katib/metrics.log", format="TEXT"), "/var/log/katib", "/var/log/katib/metrics.log"),
            (file_at("/tf/events", "TensorFlowEvent", kind="Directory"), "/tf/events", "/tf/events"),
        ],
    )
    def test_the_folder_of_the_metrics_is_shared(self, collector, folder, path):
        pod = pod_of(collected(job(), collector))
        mount = {"name": "katib-metrics-files", "mountPath": folder}
        assert {"name": "katib-metrics-files", "emptyDir": {}} in pod["volumes"]
        assert mount in pod["containers"][0]["volumeMounts"]
        assert mount in sidecar_of(pod)["volumeMounts"]
        assert settings_of(pod).path == path
        command = pod["containers"][0]["command"]
        assert command[command.index("--share") + 1] == path
        assert "--output" not in command

    def test_a_volume_of_the_template_is_shared_as_it_is(self):
        own = [{"name": "data", "mountPath": "/data"}, {"name": "runs", "mountPath": "/data/runs/", "subPath": "x"}]
        volumes = [{"name": "data", "emptyDir": {}}, {"name": "runs", "persistentVolumeClaim": {"claimName": "runs"}}]
        pod = pod_of(collected(job({**MAIN, "volumeMounts": own}, volumes=volumes), file_at("/data/runs/1/log")))
        assert pod["volumes"][:2] == volumes
        assert len(pod["volumes"]) == 3
        shared = {"name": "runs", "mountPath": "/data/runs/", "subPath": "x", "readOnly": True}
        assert sidecar_of(pod)["volumeMounts"][1:] == [shared, NO_TOKEN]
        assert pod["containers"][0]["volumeMounts"][:2] == own

    @pytest.mark.parametrize("path", ["/log", "log/file", "/x/../log", ""])
    def test_a_path_without_a_folder_of_its_own_is_refused_or_none(self, path):
        if path:
            assert refused(job(), file_at(path)).path == "spec.metricsCollectorSpec.source.fileSystemPath.path"
        else:
            assert settings_of(pod_of(collected(job(), file_at(path)))).path == ""

    def test_a_sub_path_of_variables_is_refused(self):
        mounts = [{"name": "runs", "mountPath": "/runs", "subPathExpr": "$(POD)"}]
        assert "subPathExpr" in refused(job({**MAIN, "volumeMounts": mounts}), file_at("/runs/log")).message

    def test_names_and_places_that_are_taken_are_left_alone(self):
        mounts = [{"name": "katib-metrics", "mountPath": "/var/run/katib/"}]
        run_spec = job(
            {**MAIN, "volumeMounts": mounts},
            volumes=[{"name": "katib-metrics", "emptyDir": {}}],
            initContainers=[{"name": "katib-collector"}, {"name": "katib-collector-2"}],
        )
        pod = pod_of(collected(run_spec))
        assert [each["name"] for each in pod["initContainers"]] == [
            *("katib-collector", "katib-collector-2"),
            "katib-collector-3",
        ]
        assert pod["volumes"][1]["name"] == "katib-metrics-2"
        assert pod["containers"][0]["command"][0] == "/var/run/katib-2/launcher"
        assert settings_of(pod).folder == "/var/run/katib-2"


class TestSidecar:
    @pytest.mark.parametrize(
        ("of_pod", "own", "user"),
        [
            (None, None, None),
            (1000, None, None),
            (1000, 2000, 2000),
            (None, 2000, 2000),
            (0, None, 65532),
            (0, 0, 65532),
            (0, 2000, 2000),
            (1000, 0, None),
        ],
    )
    def test_it_is_the_trainers_user_and_never_root(self, of_pod, own, user):
        container = MAIN if own is None else {**MAIN, "securityContext": {"runAsUser": own}}
        pod = pod_of(
            collected(job(container, **({} if of_pod is None else {"securityContext": {"runAsUser": of_pod}})))
        )
        assert sidecar_of(pod)["securityContext"].get("runAsUser") == user
        assert sidecar_of(pod)["securityContext"]["runAsNonRoot"] is True

    def test_it_is_told_everything(self):
        made = collected(
            job({**MAIN, "ports": [{"name": "metrics", "containerPort": 9100}]}),
            {
                "collector": {"kind": "PrometheusMetric"},
                "source": {
                    "httpGet": {
                        "port": "metrics",
                        "path": "/m",
                        "scheme": "HTTPS",
                        "httpHeaders": [{"name": "A", "value": "$(b)"}],
                    }
                },
            },
            earlyStoppingRules=[{"name": "loss", "value": "1", "comparison": "greater", "startStep": 4}],
        )
        found = settings_of(pod_of(made))
        assert found.http == HttpSource(9100, "/m", scheme="https", headers=(("A", "$(b)"),))
        assert found.rules == (Rule("loss", "1", "greater", 4),)
        assert found.kind == "PrometheusMetric"

    def test_it_ends_by_itself_only_where_the_pod_ends_with_the_trainer(self):
        assert settings_of(pod_of(collected(job()))).ends_itself
        for other in (job(restartPolicy="OnFailure"), job({"name": "main", "args": ["x"]})):
            collector = file_at("/x/y")
            assert not settings_of(pod_of(collected(other, collector))).ends_itself
        two = job()
        pod_of(two)["containers"].append({"name": "other"})
        assert not settings_of(pod_of(collected(two))).ends_itself

    def test_filters_keep_their_dollars(self):
        filters = [r"^(\w+): (\d+)$", "$(HOME) $$ ([a-z]+)=(.*)$"]
        made = collected(job(), {"collector": {"kind": "StdOut"}, "source": {"filter": {"metricsFormat": filters}}})
        assert settings_of(pod_of(made)).filters == tuple(filters)

    def test_a_port_that_nobody_has_is_refused(self):
        collector = {"collector": {"kind": "PrometheusMetric"}, "source": {"httpGet": {"port": "metrics"}}}
        assert refused(job(), collector).path == "spec.metricsCollectorSpec.source.httpGet.port"

    @pytest.mark.parametrize("address", ["https://store:1/below", "store:8080"])
    def test_the_address_of_the_store(self, address):
        settings = CollectorSettings(image="c", store_address=address, metrics=("a", "b"), store_ca="PEM")
        found = settings_of(pod_of(collected(job(), settings=settings)))
        assert found.store == (address if "://" in address else f"http://{address}")
        assert (found.metrics, found.store_ca) == (("a", "b"), "PEM")

    def test_the_token_is_shown_nowhere(self):
        assert "token$1" not in repr(SETTINGS)
        assert "token" not in json.dumps(settings_of(pod_of(collected(job()))).to_json())


class TestCustom:
    def test_the_users_container_stands_beside(self):
        own = {"name": "mine", "image": "mine:1", "env": [{"name": "A", "value": "b"}]}
        collector = {**file_at("/x/log", "Custom"), "collector": {"kind": "Custom", "customCollector": own}}
        pod = pod_of(collected(job(), collector))
        mine = pod["containers"][1]
        assert {mount["mountPath"] for mount in mine["volumeMounts"]} == {"/x", "/var/run/katib"}
        env = {variable["name"]: variable["value"] for variable in mine["env"]}
        assert (env["KATIB_TRIAL_NAME"], env["KATIB_STORE_ADDRESS"]) == ("search-1", "katib-store.katib:8080")
        assert env["A"] == "b"
        assert "shareProcessNamespace" not in pod

    @pytest.mark.parametrize("own", [{}, {"name": "mine"}, {"name": "main", "image": "x"}])
    def test_one_that_is_none_is_refused(self, own):
        problem = refused(job(), {"collector": {"kind": "Custom", "customCollector": own}})
        assert problem.path.startswith("spec.metricsCollectorSpec.collector.customCollector")


def replicas(*names):
    template = {"spec": {"containers": [MAIN]}}
    return {name: {"replicas": 1, "template": copy.deepcopy(template)} for name in names}


class TestKinds:
    @pytest.mark.parametrize(
        ("api_version", "kind", "spec", "primary"),
        [
            ("kubeflow.org/v1", "TFJob", {"tfReplicaSpecs": replicas("Chief", "Worker", "PS")}, "Chief"),
            ("kubeflow.org/v1", "PyTorchJob", {"pytorchReplicaSpecs": replicas("Master", "Worker")}, "Master"),
            ("kubeflow.org/v2beta1", "MPIJob", {"mpiReplicaSpecs": replicas("Launcher", "Worker")}, "Launcher"),
        ],
    )
    def test_only_the_primary_pod_has_a_collector_and_all_have_labels(self, api_version, kind, spec, primary):
        made = collected({"apiVersion": api_version, "kind": kind, "metadata": {"name": "search-1"}, "spec": spec})
        (found,) = made["spec"].values()
        for name, replica in found.items():
            assert replica["template"]["metadata"]["labels"]["katib.kubeflow.org/trial"] == "search-1"
            assert ("initContainers" in replica["template"]["spec"]) is (name == primary)

    def test_a_kind_that_nobody_knows_is_collected_from_where_its_pods_are(self):
        made = collected(
            {"apiVersion": "x/v1", "kind": "Odd", "spec": {"deep": [{"pod": {"spec": {"containers": [MAIN]}}}]}}
        )
        assert "initContainers" in made["spec"]["deep"][0]["pod"]["spec"]

    def test_labels_that_no_pod_has_are_refused(self):
        run_spec = job()
        run_spec["spec"]["template"]["metadata"] = {"labels": {"role": "worker"}}
        problem = refused(run_spec, primaryPodLabels={"role": "master"})
        assert problem.path == "spec.trialTemplate.primaryPodLabels"
        assert problem.message == "no pod template has the labels role=master; there are those at spec.template"

    @pytest.mark.parametrize("api_version", ["trainer.kubeflow.org/v1alpha1", "x/v1"])
    def test_without_a_pod_template_it_says_what_to_do(self, api_version):
        kind = "TrainJob" if api_version.startswith("trainer") else "Odd"
        run_spec = {"apiVersion": api_version, "kind": kind, "spec": {"runtimeRef": {"name": "torch"}}}
        assert "webhook" in refused(run_spec).message
        assert collected(run_spec, {"collector": {"kind": "Push"}}) == run_spec
        webhook = CollectorSettings(image="c", store_address="s:1", webhook=True)
        assert collected(run_spec, settings=webhook) == run_spec

    def test_a_webhook_does_the_same_to_a_pod(self):
        pod = {"containers": [copy.deepcopy(MAIN)], "restartPolicy": "Never"}
        metadata = {}
        collect_from_pod(pod, metadata, trial(job()), SETTINGS)
        template = collected(job())["spec"]["template"]
        assert (pod, metadata) == (template["spec"], template["metadata"])
