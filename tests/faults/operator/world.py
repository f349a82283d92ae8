"""One namespace of a control plane as a test sees it: what is there, what was there, and experiments to put into it."""

import contextlib
import secrets
import sys
import threading
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime

import grpc

from katib.kube.errors import NotFound
from katib.kube.reflector import Reflector
from katib.kube.resource import EVENTS, JOBS, NAMESPACES
from katib.operator.kinds import EXPERIMENT_LABEL, EXPERIMENTS, SUGGESTIONS, TRIALS
from katib.rpc import v1beta1 as wire
from katib.testing.job_double import CONTROLLER, RULE

LR = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.1"}}
ENDED = ("Succeeded", "Failed", "Killed", "EarlyStopped", "MetricsUnavailable")


def experiment(
    name="search", *, algorithm="random", rule="", parameters=(LR,), parallel=2, trials=5, settings=(), **more
):
    """Return an experiment whose trials are Jobs of the double."""
    names = [parameter["name"] for parameter in parameters]
    words = [f"--{each}=${{trialParameters.{each}}}" for each in names]
    container = {"name": "main", "image": "none", "command": ["train", *words]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"annotations": {RULE: rule}},
        "spec": {
            "managedBy": CONTROLLER,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }
    chosen = {"algorithmName": algorithm}
    if settings:
        chosen["algorithmSettings"] = [{"name": key, "value": value} for key, value in settings]
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": chosen,
            "parallelTrialCount": parallel,
            "maxTrialCount": trials,
            "metricsCollectorSpec": {"collector": {"kind": "Push"}},
            "parameters": list(parameters),
            "trialTemplate": {
                "primaryContainerName": "main",
                "trialParameters": [{"name": each, "reference": each} for each in names],
                "trialSpec": job,
            },
            **more,
        },
    }


def of_absent_kind(**more):
    """An experiment whose trials wait for ever, as their kind is not there."""
    body = experiment(**more)
    template = body["spec"]["trialTemplate"]
    template["trialSpec"] |= {"apiVersion": "not.there/v1", "kind": "Absent"}
    template |= {"successCondition": "status.ok", "failureCondition": "status.bad"}
    return body


class Reports:
    """Reports metrics as Katib's own collectors do, over ``DBManager``."""

    def __init__(self, address):
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
        self._channel = grpc.insecure_channel(address, options=options)
        self._call = self._channel.unary_unary(
            "/api.v1.beta1.DBManager/ReportObservationLog",
            request_serializer=wire.ReportObservationLogRequest.SerializeToString,
            response_deserializer=wire.ReportObservationLogReply.FromString,
        )

    def __call__(self, namespace, trial, metrics):
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        logs = [
            wire.MetricLog(time_stamp=now, metric=wire.Metric(name=name, value=value))
            for name, value in metrics.items()
        ]
        request = wire.ReportObservationLogRequest(
            trial_name=trial, observation_log=wire.ObservationLog(metric_logs=logs)
        )
        self._call(request, timeout=10, metadata=(("x-katib-namespace", namespace),))

    def close(self):
        self._channel.close()


class World:
    """One namespace; what happens to its Trials and Jobs is seen as it happens (``with``).

    Attributes:
        namespace: Its name.
        client: Of an administrator.
        errors: What was seen that must never be.
        uids: Of the Jobs, and of the Trials, that were seen, by kind and name.
        most: The most Jobs that were at work at a time, by experiment.
    """

    def __init__(self, client, purpose="world"):
        self.client = client
        self.namespace = f"{purpose[:40].strip('-')}-{secrets.token_hex(3)}"
        self.uids = {"Job": defaultdict(list), "Trial": defaultdict(list)}
        self.most = defaultdict(int)
        self._lock = threading.Lock()

    def __enter__(self):
        self.client.create(NAMESPACES, {"metadata": {"name": self.namespace}})
        self._jobs, _ = self._watches = [
            Reflector(self.client, resource, namespace=self.namespace, on_change=self._saw)
            for resource in (JOBS, TRIALS)
        ]
        for watch in self._watches:
            watch.start()
            assert watch.wait_synced(30)
        return self

    def __exit__(self, *_):
        for watch in self._watches:
            watch.stop()
        with contextlib.suppress(Exception):  # the control plane goes with the tests
            for each in self.client.list(EXPERIMENTS, self.namespace)[0]:
                self.client.delete(EXPERIMENTS, each["metadata"]["name"], self.namespace)

    def _saw(self, old, new):
        now = new or old
        kind, metadata = now["kind"], now["metadata"]
        with self._lock:
            if new is not None and metadata["uid"] not in self.uids[kind][metadata["name"]]:
                self.uids[kind][metadata["name"]].append(metadata["uid"])
            if kind == "Job":
                # Of one moment of the server: after an outage old ends and new beginnings are told one by one.
                working = Counter(_experiment_of(job) for job in self._jobs.items() if _is_at_work(job))
                for of, count in working.items():
                    self.most[of] = max(self.most[of], count)

    # -- what is done

    def create(self, body):
        return self.client.create(EXPERIMENTS, body, self.namespace)

    def edit(self, name="search", **spec):
        return self.client.merge_patch(EXPERIMENTS, name, {"spec": spec}, self.namespace)

    def annotate(self, name="search", **annotations):
        marks = {f"katib.kubeflow.org/{key}": value for key, value in annotations.items()}
        return self.client.merge_patch(EXPERIMENTS, name, {"metadata": {"annotations": marks}}, self.namespace)

    def delete(self, name="search"):
        return self.client.delete(EXPERIMENTS, name, self.namespace)

    # -- what is there

    def get(self, name="search", resource=EXPERIMENTS):
        return self.client.get(resource, name, self.namespace)

    def find(self, name="search", resource=EXPERIMENTS):
        try:
            return self.get(name, resource)
        except NotFound:
            return None

    def trials(self, name="search"):
        """Trials of an experiment, in their order."""
        found, _ = self.client.list(TRIALS, self.namespace, label_selector=f"{EXPERIMENT_LABEL}={name}")
        return sorted(found, key=lambda each: int(each["metadata"]["annotations"]["katib.kubeflow.org/trial-index"]))

    def jobs(self):
        return self.client.list(JOBS, self.namespace)[0]

    def events(self, reason):
        return [each for each in self.client.list(EVENTS, self.namespace)[0] if each.get("reason") == reason]

    def states(self, name="search"):
        return [state(each) for each in self.trials(name)]

    def imported(self, name="search"):
        """How many trials of an experiment came with it."""
        return sum("katib.kubeflow.org/trial-imported" in each["metadata"]["annotations"] for each in self.trials(name))

    def is_empty(self):
        """Whether nothing of experiments is left."""
        return not any(self.client.list(each, self.namespace)[0] for each in (TRIALS, JOBS, SUGGESTIONS, EXPERIMENTS))

    # -- waiting

    def until(self, holds, *, seconds=30, what=""):
        """Return the first true answer."""
        until = time.monotonic() + seconds
        while not (answer := holds()):
            assert time.monotonic() < until, f"not so after {seconds} s: {what}\n{self.story()}"
            time.sleep(0.1)
        return answer

    def ended(self, name="search", *, seconds=60):
        """Return an experiment when it has come to its end and nothing of it runs."""

        def over():
            found = self.get(name)
            return found if state(found) in ("Succeeded", "Failed", "Stopped") and not self.active(name) else None

        return self.until(over, seconds=seconds, what=f"{name} is over")

    def active(self, name="search"):
        return [each for each in self.trials(name) if state(each) not in ENDED]

    def reason_is(self, reason, resource=TRIALS, *, seconds=30):
        """Return the first object whose current condition has a reason."""

        def found():
            objects, _ = self.client.list(resource, self.namespace)
            return next((each for each in objects if condition(each).get("reason", "").startswith(reason)), None)

        return self.until(found, seconds=seconds, what=f"a {resource.kind} says {reason}")

    def story(self):
        """What a person would look at."""
        lines = []
        for resource in (EXPERIMENTS, TRIALS, JOBS, SUGGESTIONS):
            for each in self.client.list(resource, self.namespace)[0]:
                said = condition(each)
                lines.append(
                    f"{resource.kind} {each['metadata']['name']}: {said.get('type')} {said.get('reason')} {said.get('message')}"
                )
        events = self.client.list(EVENTS, self.namespace)[0][-20:]
        lines += [f"Event {each.get('reason')}: {words(each)}" for each in events]
        return "\n".join(lines)


def _experiment_of(job):
    return (job["metadata"].get("labels") or {}).get(EXPERIMENT_LABEL, "")


def _is_at_work(job):
    over = any(each["type"] in ("Complete", "Failed") for each in status(job).get("conditions") or ())
    return not over and not job["metadata"].get("deletionTimestamp")


def tell(text):
    """Print a figure; ``pytest -s`` shows it."""
    sys.stdout.write(f"{text}\n")


def status(obj):
    return obj.get("status") or {}


def words(event):
    """What an event says."""
    return event.get("message") or event.get("note") or ""


def condition(obj):
    """The current condition."""
    held = [each for each in status(obj).get("conditions") or () if each["status"] == "True"]
    return held[-1] if held else {}


def state(obj):
    return condition(obj).get("type", "")
