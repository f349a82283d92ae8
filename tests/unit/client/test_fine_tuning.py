"""``tune`` of a Trainer's arguments: the volume and the experiment, beside what Katib's client makes of the same call."""

import copy
import dataclasses
import enum
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from kubernetes import client as kubernetes

import katib
from katib.admission import admit
from katib.client.documents import as_text
from katib.client.fine_tuning import FineTuning
from katib.client.katib_client import KatibClient
from katib.client.trainer_arguments import TrainerArguments
from katib.errors import Conflict, Denied, InvalidExperiment, InvalidInput, Unsupported
from katib.local.experiments import LocalExperiments
from katib.metrics.line_parser import TextLines
from katib.template.collection_check import collection_problems
from katib.template.render import render
from katib.template.source import LocalConfigMaps

ROOT = Path(__file__).resolve().parents[3]
KATIBS = ROOT / "tests" / "fixtures" / "katib-sdk" / "fine-tuning.yaml"
MODEL = katib.HuggingFaceModelParams(
    "hf://google-bert/bert-base-cased", "AutoModelForSequenceClassification", num_labels=5
)
DATA = katib.HuggingFaceDatasetParams("yelp_review_full", split="train[:8]")
GPU = {"cpu": "2", "memory": "10G", "gpu": "1"}


def calls():
    """The calls that Katib's client was asked, by the name of the experiment."""
    hub = {
        "name": "hub",
        "namespace": "team",
        "model_provider_parameters": MODEL,
        "dataset_provider_parameters": DATA,
        "trainer_parameters": katib.HuggingFaceTrainerParams(
            training_parameters=SimpleNamespace(
                output_dir="results",
                save_strategy="no",
                learning_rate=katib.search.double(min="1e-05", max="5e-05"),
                num_train_epochs=1,
                report_to=[],
            ),
            lora_config=SimpleNamespace(
                r=katib.search.int(min=8, max=32),
                lora_alpha=8,
                lora_dropout=0.1,
                bias="none",
                target_modules={"query"},
            ),
        ),
        "objective_metric_name": "train_loss",
        "objective_type": "minimize",
        "objective_goal": 0.1,
        "additional_metric_names": ["train_runtime"],
        "algorithm_name": "tpe",
        "algorithm_settings": {"n_startup_trials": 5},
        "max_trial_count": 4,
        "parallel_trial_count": 2,
        "max_failed_trial_count": 1,
        "retain_trials": True,
        "resources_per_trial": katib.TrainerResources(3, 2, GPU),
        "storage_config": {"size": "5Gi", "storage_class": "fast", "access_modes": ["ReadWriteMany"]},
        "trial_active_deadline_seconds": 600,
    }
    bucket = {
        "name": "bucket",
        "namespace": "team",
        "model_provider_parameters": katib.HuggingFaceModelParams(
            model_uri="hf://openai-community/gpt2",
            transformer_type="AutoModelForCausalLM",
            access_token="hf_secret",  # noqa: S106 - nobody's
        ),
        "dataset_provider_parameters": katib.S3DatasetParams(
            endpoint_url="https://s3.example.org",
            bucket_name="data",
            file_key="reviews/",
            region_name="eu-1",
            access_key="key",
            secret_key="secret",  # noqa: S106 - nobody's
        ),
        "trainer_parameters": katib.HuggingFaceTrainerParams(
            training_parameters=SimpleNamespace(
                output_dir="results",
                optim=katib.search.categorical(["sgd", "adamw_torch"]),
                per_device_train_batch_size=katib.search.int(min=8, max=32, step=8),
            ),
            lora_config=SimpleNamespace(r=8),
        ),
        "objective_metric_name": "train_loss",
        "objective_type": "minimize",
        "max_trial_count": 2,
        "resources_per_trial": katib.TrainerResources(1, 1, {"cpu": "1"}),
    }
    return {"hub": hub, "bucket": bucket}


def tuning(**more):
    return FineTuning(**{**calls()["hub"], **more})


def trained(**arguments):
    return katib.HuggingFaceTrainerParams(arguments, {"r": 8})


def admitted(document, tmp_path):
    return admit(as_text(document), config_maps=LocalConfigMaps(tmp_path))


def pods(document):
    """The pod specs of the job, by role."""
    replicas = document["spec"]["trialTemplate"]["trialSpec"]["spec"]["pytorchReplicaSpecs"]
    return {role: one["template"]["spec"] for role, one in replicas.items()}


def words(document, container="pytorch", role="Master"):
    """The arguments of a container, by their names."""
    spec = pods(document)[role]
    found = next(one for one in [*spec["containers"], *spec.get("initContainers", [])] if one["name"] == container)
    return dict(zip(found["args"][::2], found["args"][1::2], strict=True))


def with_our_differences(katibs):
    """What Katib's client made, with each thing that is otherwise here, and why."""
    wanted = copy.deepcopy(katibs)
    # What belongs to an experiment says so.
    wanted["claim"]["metadata"]["labels"] = {"katib.kubeflow.org/experiment": wanted["experiment"]["metadata"]["name"]}
    spec = wanted["experiment"]["spec"]
    if not spec["objective"]["additionalMetricNames"]:
        del spec["objective"]["additionalMetricNames"]  # nothing, said by leaving it out
    for parameter in spec["parameters"]:
        space = parameter["feasibleSpace"]
        for bound in {"min", "max"} & space.keys():
            space[bound] = str(space[bound])  # the format has texts; Katib's client writes numbers for doubles
        if isinstance(space.get("distribution"), list):
            space["list"] = space.pop("distribution")  # where Katib's ``search.categorical`` loses them
    job = spec["trialTemplate"]["trialSpec"]["spec"]
    job["runPolicy"]["backoffLimit"] = 0  # ``retries``, which Katib's client does not have
    numbers = [one["name"] for one in spec["parameters"] if one["parameterType"] in ("int", "double")]
    for replica in job["pytorchReplicaSpecs"].values():
        replica["restartPolicy"] = "Never"  # a trial that fails is tried again by the trial's own rule
        pod = replica["template"]["spec"]
        pod["restartPolicy"] = "Never"
        container = pod["containers"][0]
        # What the image runs by itself: nobody here looks into a registry for it.
        container["command"] = ["torchrun", "hf_llm_training.py"]
        for index, word in enumerate(container["args"]):
            if word.startswith("'{"):
                # The quotes were for a shell, which no container of ours goes through, nor does Katib's own on workers.
                text = word.strip("'")
                for name in numbers:  # a number is no text
                    text = text.replace(f'"${{trialParameters.{name}}}"', f"${{trialParameters.{name}}}")
                container["args"][index] = text
    return wanted


@pytest.mark.parametrize("name", ["hub", "bucket"])
def test_what_is_made_is_what_katibs_client_makes_but_for_these_differences(name, monkeypatch):
    for variable in ("STORAGE_INITIALIZER_IMAGE", "TRAINER_TRANSFORMER_IMAGE"):
        monkeypatch.delenv(variable, raising=False)
    katibs = yaml.safe_load(KATIBS.read_text())[name]
    made = FineTuning(**calls()[name])
    assert made.volume_claim() == with_our_differences(katibs)["claim"]
    assert made.document() == with_our_differences(katibs)["experiment"]


def test_it_is_admitted_collected_and_rendered(tmp_path):
    experiment = admitted(tuning().document(), tmp_path)
    assert collection_problems(experiment, webhook=False) == []
    template = experiment.spec.trial_template.trial_spec
    job = render(experiment, "hub-1", [("learning_rate", "2e-05"), ("r", "16")], template=template)
    spec = job["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]
    args = spec["containers"][0]["args"]
    assert json.loads(args[args.index("--training_parameters") + 1])["learning_rate"] == 2e-05
    assert json.loads(args[args.index("--lora_config") + 1])["r"] == 16


def test_what_the_trainer_prints_is_collected(tmp_path):
    spec = admitted(tuning().document(), tmp_path).spec
    formats = spec.metrics_collector_spec.source.filter.metrics_format
    line = "{'train_runtime': 12.5, 'train_loss': 8.46e-01, 'epoch': 1.0}"
    samples = TextLines(["train_loss", "train_runtime"], formats).parse(line)
    assert {sample.name: float(sample.text) for sample in samples} == {"train_loss": 0.846, "train_runtime": 12.5}


def test_nothing_that_was_handed_over_is_changed():
    call = calls()["hub"]
    given = call["trainer_parameters"]
    before = copy.deepcopy(given)
    FineTuning(**call).document()
    FineTuning(**call).document()
    assert given == before


class TestArguments:
    def read(self, **given):
        read = TrainerArguments("arguments", given)
        return read.text, {one.name: one.feasible_space.list for one in read.space}

    def test_truth_values_stay_what_they_are(self):
        text, space = self.read(fp16=katib.search.categorical([True, False]), bf16=False)
        assert text == '{"fp16": ${trialParameters.fp16}, "bf16": false}'
        assert space == {"fp16": ["true", "false"]}

    def test_numbers_and_none_stay_what_they_are(self):
        text, space = self.read(
            warmup_steps=katib.search.categorical([0, 10, None]), seed=katib.search.discrete([1, 2])
        )
        assert text == '{"warmup_steps": ${trialParameters.warmup_steps}, "seed": ${trialParameters.seed}}'
        assert space == {"warmup_steps": ["0", "10", "null"], "seed": ["1", "2"]}

    def test_texts_are_quoted(self):
        text, space = self.read(optim=katib.search.categorical(["sgd", "adamw_torch"]))
        assert text == '{"optim": "${trialParameters.optim}"}'
        assert space == {"optim": ["sgd", "adamw_torch"]}

    def test_katibs_parameters_are_read_by_their_texts(self):
        def listed(*texts):
            space = katib.V1beta1FeasibleSpace(list=[*texts])
            return katib.V1beta1ParameterSpec(parameter_type="categorical", feasible_space=space)

        text, space = self.read(fp16=listed("True", "False"), optim=listed("sgd", "True"))
        assert text == '{"fp16": ${trialParameters.fp16}, "optim": "${trialParameters.optim}"}'
        assert space == {"fp16": ["true", "false"], "optim": ["sgd", "True"]}

    def test_numbers_that_json_would_not_read_are_quoted(self):
        space = katib.V1beta1FeasibleSpace(list=[".5", "1"])
        odd = katib.V1beta1ParameterSpec(parameter_type="discrete", feasible_space=space)
        assert self.read(x=odd)[0] == '{"x": "${trialParameters.x}"}'

    def test_values_that_json_does_not_know_are_written_as_transformers_does(self):
        class Strategy(enum.Enum):
            STEPS = "steps"

        @dataclasses.dataclass
        class Runtime:
            offload: bool = False

        text, _ = self.read(save=Strategy.STEPS, modules={"b", "a"}, kind=SimpleNamespace, runtime=Runtime(), none=None)
        assert json.loads(text) == {
            "save": "steps",
            "modules": ["a", "b"],
            "kind": "SimpleNamespace",
            "runtime": {"offload": False},
            "none": None,
        }

    def test_masked_tokens_are_left_out(self):
        masked = {"hub_token": "<HUB_TOKEN>", "run_name": "<mine>"}
        assert self.read(**masked)[0] == '{"run_name": "<mine>"}'

    def test_an_object_tells_its_own_arguments(self):
        class Arguments:
            def to_dict(self):
                return {"lr": katib.search.double(0, 1)}

        read = TrainerArguments("arguments", Arguments(), defaults={"output_dir": "out"})
        assert read.text == '{"output_dir": "out", "lr": ${trialParameters.lr}}'

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"x": {"inner": katib.search.int(1, 2)}}, "arguments.x.inner: is a search parameter inside of a value"),
            ({"x": katib.search.categorical(["a", None])}, "lists texts beside other values"),
            ({"x": katib.search.categorical(['a"b'])}, "lists a text with quotes"),
            ({"x": object()}, "arguments.x: a object cannot stand in an experiment"),
            ({"x": float("nan")}, "arguments.x: must be a finite number"),
            ("text", "must be a dict of arguments"),
            ({1: 2}, "must be a dict of arguments"),
            (dict, "must be a dict of arguments"),
        ],
    )
    def test_what_no_trainer_could_read_is_refused(self, given, said):
        with pytest.raises(InvalidInput, match=said):
            TrainerArguments("arguments", given)


class TestCall:
    def test_a_dict_of_arguments_is_enough(self):
        document = tuning(trainer_parameters=trained(learning_rate=katib.search.double(0, 1), max_steps=3)).document()
        said = words(document)
        assert said["--training_parameters"] == (
            '{"output_dir": "trainer_output", "learning_rate": ${trialParameters.learning_rate}, "max_steps": 3}'
        )
        assert said["--lora_config"] == '{"r": 8}'

    def test_points_to_try_first_are_written_as_the_space_has_them(self):
        parameters = trained(fp16=katib.search.categorical([True, False]), lr=katib.search.double(0, 1))
        document = tuning(trainer_parameters=parameters, initial_trials=[{"fp16": True, "lr": 0.5}]).document()
        assert document["spec"]["initialTrials"] == [
            {"parameterAssignments": [{"name": "fp16", "value": "true"}, {"name": "lr", "value": "0.5"}]}
        ]

    def test_variables_reach_both_containers_so_that_tokens_need_not_stand_there(self):
        source = kubernetes.V1EnvVarSource(secret_key_ref=kubernetes.V1SecretKeySelector(name="hub", key="token"))
        variable = "$(HF_TOKEN)"
        document = tuning(
            env_per_trial=[kubernetes.V1EnvVar(name="HF_TOKEN", value_from=source)],
            model_provider_parameters=dataclasses.replace(MODEL, access_token=variable),
        ).document()
        pod = pods(document)["Master"]
        assert [one["env"][0]["name"] for one in [*pod["containers"], *pod["initContainers"]]] == ["HF_TOKEN"] * 2
        told = json.loads(words(document, "storage-initializer")["--model_provider_parameters"])
        assert told["access_token"] == variable

    def test_images_come_from_the_call_else_from_katibs_variables(self, monkeypatch):
        monkeypatch.setenv("STORAGE_INITIALIZER_IMAGE", "mirror/initializer:1")
        monkeypatch.setenv("TRAINER_TRANSFORMER_IMAGE", "mirror/trainer:1")
        pod = pods(tuning().document())["Master"]
        assert (pod["initContainers"][0]["image"], pod["containers"][0]["image"]) == (
            "mirror/initializer:1",
            "mirror/trainer:1",
        )
        said = {"initializer_image": "mine/i", "initializer_command": ["python", "/bring.py"]}
        said |= {"trainer_image": "mine/t", "trainer_command": ["python", "/train.py"]}
        brings = pods(tuning(**said).document())["Master"]["initContainers"][0]
        assert (brings["image"], brings["command"]) == ("mine/i", ["python", "/bring.py"])
        pod = pods(tuning(**said).document())["Worker"]
        assert (pod["containers"][0]["image"], pod["containers"][0]["command"]) == ("mine/t", ["python", "/train.py"])

    def test_resources_may_be_katibs_own_class(self):
        @dataclasses.dataclass
        class TrainerResources:
            num_workers: int
            num_procs_per_worker: int
            resources_per_worker: dict

        document = tuning(resources_per_trial=TrainerResources(2, 1, {"cpu": "1"})).document()
        assert pods(document)["Worker"]["containers"][0]["resources"]["limits"] == {"cpu": "1"}

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"model_provider_parameters": None}, "model_provider_parameters: is required beside the others"),
            ({"dataset_provider_parameters": None}, "dataset_provider_parameters: is required"),
            ({"trainer_parameters": None}, "trainer_parameters: is required"),
            ({"objective_metric_name": None}, "objective_metric_name: is required.*train_loss"),
            ({"resources_per_trial": None}, "resources_per_trial: is required as TrainerResources"),
            ({"resources_per_trial": {"cpu": 1}}, "resources_per_trial: is required as TrainerResources"),
            ({"resources_per_trial": katib.TrainerResources(0, 1)}, "num_workers: must be a whole number"),
            ({"model_provider_parameters": {"model_uri": "x"}}, "must be a HuggingFaceModelParams"),
            ({"model_provider_parameters": katib.HuggingFaceModelParams("", "Auto")}, "model_uri: must be a text"),
            (
                {"model_provider_parameters": katib.HuggingFaceModelParams("s3://bucket/model", "Auto")},
                "write hf://OWNER/MODEL",
            ),
            (
                {"model_provider_parameters": katib.HuggingFaceModelParams("hf://a/b", None)},
                "must be a class of transf",
            ),
            ({"model_provider_parameters": katib.HuggingFaceModelParams("hf://a/b", "A", num_labels=0)}, "num_labels"),
            ({"model_provider_parameters": katib.HuggingFaceModelParams("hf://a/b", "A", 5)}, "access_token: must be"),
            ({"dataset_provider_parameters": MODEL}, "must be a HuggingFaceDatasetParams or a S3DatasetParams"),
            ({"dataset_provider_parameters": katib.HuggingFaceDatasetParams("")}, "repo_id: must be a text"),
            ({"dataset_provider_parameters": katib.S3DatasetParams("s3.local", "b", "k")}, "must be a whole URL"),
            ({"trainer_parameters": {"training_parameters": {}}}, "must be a HuggingFaceTrainerParams"),
            ({"trainer_parameters": trained(lr=1)}, "trainer_parameters: has nothing to search for"),
            ({"trainer_parameters": trained(r=katib.search.int(1, 2), lr=object())}, "training_parameters.lr"),
            ({"trainer_image": ""}, "trainer_image: must be the name of an image"),
            ({"trainer_command": "torchrun x"}, "trainer_command: must be a list of texts"),
            ({"initial_trials": [{"lr": 1}]}, "has no parameter lr: there are learning_rate, r"),
        ],
    )
    def test_a_mistake_is_said_with_its_argument(self, given, said):
        with pytest.raises(InvalidInput, match=said):
            tuning(**given).document()

    def test_one_name_cannot_be_searched_twice(self):
        both = katib.HuggingFaceTrainerParams({"seed": katib.search.int(1, 2)}, {"seed": katib.search.int(1, 2)})
        with pytest.raises(InvalidInput, match="lora_config: searches seed, as training_parameters do"):
            tuning(trainer_parameters=both).document()


class TestVolume:
    def test_what_is_not_said_is_katibs_default(self):
        for given in (None, {}, {"storage_class": None}):
            spec = tuning(storage_config=given).volume_claim()["spec"]
            assert spec == {
                "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
                "resources": {"requests": {"storage": "10Gi"}},
            }

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"sise": "1Gi"}, "storage_config: has no 'sise'; did you mean 'size'"),
            ({"size": 10}, "must be a text such as '10Gi'"),
            ({"storage_class": 1}, "must be a text"),
            ({"access_modes": ["ReadWriteMay"]}, "must be of ReadWriteOnce.*did you mean 'ReadWriteMany'"),
            ({"access_modes": []}, "must be at least one of"),
            ({"access_modes": "ReadWriteOnce"}, "must be a list of texts"),
            ("10Gi", "must be a dict such as"),
        ],
    )
    def test_what_no_claim_has_is_refused(self, given, said):
        with pytest.raises(InvalidInput, match=said):
            tuning(storage_config=given).volume_claim()


class Cluster(LocalExperiments):
    """Experiments of this machine that can claim volumes, and refuse what they are told to."""

    refuses = None

    def __init__(self):
        self.claims = {}
        self.created = []

    def close(self):
        pass

    @property
    def volumes(self):
        return self

    def claim(self, namespace, document):
        key = namespace, document["metadata"]["name"]
        return self.claims.setdefault(key, document) is document

    def release(self, namespace, name):
        del self.claims[namespace, name]

    def create(self, namespace, document, *, request_id="", dry_run=False):  # noqa: ARG002
        error = (self.refuses or {}).get(dry_run)
        if error is not None:
            raise error
        found = admit(document, config_maps=LocalConfigMaps(Path.cwd()), namespace=namespace)
        if not dry_run:
            self.created.append(found)
        return found


class TestClient:
    @pytest.fixture
    def cluster(self):
        return Cluster()

    @pytest.fixture
    def client(self, cluster):
        with KatibClient(backend="kubernetes", experiments=cluster, namespace="team") as client:
            yield client

    def test_volume_and_experiment_are_made(self, client, cluster):
        created = client.tune(**calls()["hub"])
        assert isinstance(created, katib.V1beta1Experiment)
        assert [one.metadata.name for one in cluster.created] == ["hub"]
        assert cluster.claims.keys() == {("team", "hub")}

    def test_a_volume_that_is_there_is_used(self, client, cluster, capsys):
        cluster.claims["team", "hub"] = {}
        client.tune(**calls()["hub"])
        assert "has a volume claim 'hub' already, which is used as it is" in capsys.readouterr().err
        cluster.refuses = {False: Denied("no")}
        with pytest.raises(Denied):
            client.tune(**calls()["hub"])
        assert ("team", "hub") in cluster.claims

    def test_no_volume_is_claimed_for_an_experiment_that_would_be_refused(self, client, cluster):
        cluster.refuses = {True: Conflict("there is one")}
        with pytest.raises(Conflict, match="there is one"):
            client.tune(**calls()["hub"])
        cluster.refuses = None
        with pytest.raises(InvalidExperiment, match="maxTrialCount") as caught:
            client.tune(**{**calls()["bucket"], "max_trial_count": -1})
        assert all(problem.line is None for problem in caught.value.problems)
        assert cluster.claims == {}

    def test_no_volume_stays_for_an_experiment_that_was_refused(self, client, cluster):
        cluster.refuses = {False: Denied("exceeded quota")}
        with pytest.raises(Denied, match="exceeded quota"):
            client.tune(**calls()["hub"])
        assert cluster.claims == {}

    def test_the_volume_stays_where_somebody_else_was_quicker(self, client, cluster):
        cluster.refuses = {False: Conflict("since just now")}
        with pytest.raises(Conflict, match="since just now"):
            client.tune(**calls()["hub"])
        assert cluster.claims.keys() == {("team", "hub")}

    def test_the_example_of_the_documentation_makes_a_sound_experiment(self, cluster, monkeypatch):
        monkeypatch.setattr("katib.operator.cluster_experiments.ClusterExperiments.connect", lambda **_: cluster)
        text = (ROOT / "docs" / "python-client.md").read_text().split("## Fine-tuning a model")[1]
        exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], {})  # noqa: S102 - what we tell people to run
        [made] = cluster.created
        assert (made.metadata.name, made.metadata.namespace) == ("reviews", "team-a")
        assert [one.name for one in made.spec.parameters] == ["learning_rate", "r"]
        assert cluster.claims["team-a", "reviews"]["spec"]["accessModes"] == ["ReadWriteMany"]

    def test_a_function_and_a_trainer_are_not_both_tuned(self, client):
        with pytest.raises(ValueError, match="objective: stands beside model, data and trainer"):
            client.tune(**calls()["hub"], objective=print)
        with pytest.raises(ValueError, match="objective: is required"):
            client.tune(name="neither")

    def test_arguments_without_a_use_are_told(self, client):
        with pytest.warns(UserWarning, match="no use for base_image, packages_to_install") as told:
            client.tune(**calls()["hub"], base_image="mine", packages_to_install=["peft"])
        assert told[0].filename == __file__

    @pytest.mark.parametrize("backend", ["local", "grpc"])
    def test_where_there_are_no_pytorch_jobs_it_says_what_to_do(self, backend, tmp_path):
        where = {"home": tmp_path} if backend == "local" else {"address": "127.0.0.1:1"}
        with (
            KatibClient(backend=backend, **where) as client,
            pytest.raises(Unsupported, match=f"not with backend '{backend}': .*backend='kubernetes'"),
        ):
            client.tune(**calls()["hub"])
