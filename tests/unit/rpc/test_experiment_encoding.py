"""The experiment of a request, as our client writes it and as our server reads it; and requests that say too little, or nonsense."""

import copy
import json
import random

import pytest

from katib.algorithm import registry
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.errors import InvalidExperiment, Unsupported
from katib.rpc import v1beta1 as wire
from katib.rpc.experiment_encoding import encoded_experiment, experiment_of_json
from katib.rpc.request_parts import ReplyParts, RequestParts, TrialParts
from katib.rpc.search import checked_search, search_key, search_of
from katib.rpc.worker_call import Kind

DOCUMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {
        "name": "search",
        "namespace": "here",
        "uid": "u-1",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "resourceVersion": "17",
    },
    "spec": {
        "objective": {
            "type": "minimize",
            "objectiveMetricName": "loss",
            "bounds": [{"metricName": "memory", "max": 0.1}],
        },
        "objectives": [{"type": "maximize", "objectiveMetricName": "size"}],
        "algorithm": {
            "algorithmName": "random",
            "algorithmSettings": [{"name": "random_state", "value": "4"}],
        },
        "parameters": [
            {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0.10", "max": "1e0"}},
            {"name": "ü", "parameterType": "categorical", "feasibleSpace": {"list": ["ä", "b"]}},
            {
                "name": "y",
                "parameterType": "int",
                "feasibleSpace": {"min": "1", "max": "3"},
                "condition": {"parameter": "ü", "in": ["ä"]},
            },
        ],
        "constraints": [{"expression": "x <= 0.9"}],
        "parallelTrialCount": 3,
        "maxTrialCount": 20,
        "seed": 5,
        "initialTrials": [{"parameterAssignments": [{"name": "x", "value": "0.5"}]}],
        "trialTemplate": {"trialSpec": {"kind": "Job", "apiVersion": "batch/v1", "secret": "do not tell"}},
    },
    "status": {"trials": 4},
}
NASTY = [
    None, True, -1, 0, 3, 2**31, 10**400, 0.5, 1e999, "", "0", "nan", "-inf", "1e308", "9" * 400, "x", "\0", "x" * 5_000, "🦆", [], {},
    [[]], ["a"] * 300, {"name": "x"}, [{"name": "x", "value": "1"}],
]  # fmt: skip
STOPPED = {"earlyStopping": {"algorithmName": "medianstop"}, "objectives": None}


def experiment(**more):
    return with_defaults(parse_experiment({**DOCUMENT, "spec": {**DOCUMENT["spec"], **more}}))


def plain():
    spec = {key: DOCUMENT["spec"][key] for key in ("algorithm", "parallelTrialCount", "maxTrialCount", "seed")}
    spec["objective"] = {"type": "minimize", "objectiveMetricName": "loss"}
    spec["parameters"] = DOCUMENT["spec"]["parameters"][:2]
    return with_defaults(parse_experiment({**DOCUMENT, "spec": spec}))


def parts_of(found, **more):
    return RequestParts.FromString(encoded_experiment(found, extended=True, **more))


class TestWhatIsSent:
    def test_the_search_comes_back_whole(self):
        ours = experiment()
        search = checked_search(parts_of(ours))
        assert (search.seed, search.exact) == (5, True)
        read = search.experiment
        for name in ("parameters", "objective", "objectives", "algorithm", "constraints", "seed"):
            assert getattr(read.spec, name) == getattr(ours.spec, name)
        assert (read.metadata.name, read.metadata.namespace, read.metadata.uid) == ("search", "here", "u-1")
        here, there = registry.create(ours, 5).problem, registry.create(read, search.seed).problem
        assert (here.objectives, here.parallel, here.max_trials) == (there.objectives, there.parallel, there.max_trials)

    def test_what_no_search_depends_on_stays_here(self):
        data = parts_of(experiment()).experiment_json
        assert b"do not tell" not in data
        document = json.loads(data)
        assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
        assert set(document["metadata"]) == {"name", "namespace", "uid"}
        assert not {"trialTemplate", "initialTrials", "metricsCollectorSpec", "resumePolicy"} & set(document["spec"])

    def test_an_edit_of_what_no_search_depends_on_is_the_same_search(self):
        key = search_key(parts_of(experiment()))
        assert search_key(parts_of(experiment(trialTemplate=None, maxFailedTrialCount=7))) == key
        assert search_key(parts_of(experiment(maxTrialCount=30))) != key

    def test_others_are_sent_katibs_message_and_nothing_else(self):
        found = wire.GetSuggestionsRequest.FromString(encoded_experiment(plain(), extended=False))
        assert RequestParts.FromString(found.SerializeToString()).experiment_json == b""
        assert found.experiment.name == "search"
        assert [each.name for each in found.experiment.spec.parameter_specs.parameters] == ["x", "ü"]

    def test_others_are_not_asked_for_what_cannot_be_said(self):
        with pytest.raises(Unsupported, match=r"spec\.objectives"):
            encoded_experiment(experiment(), extended=False)

    def test_settings_that_came_back_take_the_place_of_the_experiments(self):
        settings = [("random_state", "9"), ("current_s", "2"), ("current_s", "1")]
        for extended in (False, True):
            data = encoded_experiment(plain(), settings=settings, extended=extended)
            stated = wire.GetSuggestionsRequest.FromString(data).experiment.spec.algorithm.algorithm_settings
            assert [(item.name, item.value) for item in stated] == [("random_state", "9"), ("current_s", "1")]
        stated = search_of(parts_of(plain(), settings=settings)).experiment.spec.algorithm.algorithm_settings
        assert [(item.name, item.value) for item in stated] == [("random_state", "4")]


class TestTheSeed:
    def test_without_one_it_is_the_experiments_own(self):
        seeds = []
        for uid in ("u-1", "u-2", "u-1"):
            found = experiment(seed=None)
            found.metadata.uid = uid
            seeds.append(search_of(parts_of(found)).seed)
        assert seeds[0] == seeds[2] != seeds[1]

    def test_zero_is_one(self):
        assert search_of(parts_of(experiment(seed=0))).seed == 0


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "data",
        [b"{", b"[]", b"null", b'{"a": \xff}', b"[" * 100_000, b"1" * 5_000, b"{}", b'{"kind": "Experiment"}'],
        ids=["half", "list", "nothing", "bytes", "deep", "long", "empty", "kind"],
    )
    def test_what_is_no_experiment(self, data):
        with pytest.raises(InvalidExperiment):
            experiment_of_json(data)

    def test_more_than_there_can_be(self):
        with pytest.raises(InvalidExperiment, match="at most"):
            experiment_of_json(b" " * (5 << 20))

    def test_each_problem_has_its_place(self, answered):
        found = experiment(constraints=[{"expression": "z <= 1"}], seed=5)
        found.spec.parameters[0].feasible_space.min = "7"
        failure = answered(Kind.VALIDATE, encoded_experiment(found, extended=True)).failure
        assert failure.code == "INVALID_ARGUMENT"
        assert [problem.path for problem in failure.problems] == [
            "spec.parameters[0].feasibleSpace.min",
            "spec.constraints[0].expression",
        ]

    @pytest.mark.parametrize(
        ("trial", "says"),
        [
            (wire.Trial(name="t").SerializeToString(), "does not say its place"),
            (
                wire.Trial(name="t").SerializeToString() + TrialParts(place={"index": 1}).SerializeToString(),
                "is not of this search: 'x' has no value",
            ),
            (TrialParts(place={"index": 1}).SerializeToString(), "has no name"),
        ],
    )
    @pytest.mark.parametrize("kind", [Kind.SUGGEST, Kind.RULES])
    def test_trials_of_nowhere(self, answered, trial, says, kind):
        request = encoded_experiment(experiment(**STOPPED), extended=True)
        request += RequestParts(trials=[trial], current_request_number=1, total_request_number=1).SerializeToString()
        failure = answered(kind, request).failure
        assert failure.code == "INVALID_ARGUMENT"
        assert says in failure.message


class TestWhatIsSaidOfIt:
    def test_an_answer_to_ours_says_that_it_was_read(self, answered):
        request = encoded_experiment(experiment(**STOPPED), extended=True)
        for kind in (Kind.SUGGEST, Kind.VALIDATE, Kind.RULES):
            outcome = answered(kind, request)
            assert outcome.failure is None, outcome.failure
            assert ReplyParts.FromString(outcome.reply).experiment_json_read

    def test_an_answer_to_katibs_controller_is_katibs(self, answered):
        request = encoded_experiment(plain(), extended=False)
        for kind in (Kind.SUGGEST, Kind.VALIDATE):
            assert answered(kind, request).reply == b""


def nodes(document):
    """Yield each place of a document as its container and key."""
    for key, value in list(document.items() if isinstance(document, dict) else enumerate(document)):
        yield document, key
        if isinstance(value, (dict, list)):
            yield from nodes(value)


@pytest.mark.parametrize("kind", [Kind.SUGGEST, Kind.VALIDATE, Kind.RULES])
def test_whatever_stands_in_it_is_answered_or_refused_as_the_callers_fault(answered, kind):
    rng, codes = random.Random(f"nasty {kind.value}"), set()
    for _ in range(400):
        document = json.loads(parts_of(experiment(**STOPPED)).experiment_json)
        for _ in range(rng.choice((1, 1, 2, 3))):
            container, key = rng.choice(list(nodes(document)))
            if rng.random() < 0.2:
                del container[key]
            else:
                container[key] = copy.deepcopy(rng.choice(NASTY))
        trials = [wire.Trial(name="t").SerializeToString()] if rng.random() < 0.1 else []
        request = RequestParts(
            experiment_json=json.dumps(document).encode(),
            trials=trials,
            current_request_number=2,
            total_request_number=2,
        )
        failure = answered(kind, request.SerializeToString()).failure
        codes.add(failure.code if failure else "OK")
        assert failure is None or failure.code == "INVALID_ARGUMENT", (failure, document)
    assert codes == {"OK", "INVALID_ARGUMENT"}
