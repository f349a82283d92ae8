"""A cluster in this process: an API server's objects with watches and garbage collection, a store, a suggestion server, and operators.

Nothing goes over a wire and nothing is forked, so an operator's whole life costs a fraction of a second, and every one of its crash points
can be tried. An operator that is killed acts no more: whatever any of its threads asks for then ends that thread.
"""

import copy
import threading
import time
import uuid
from collections import defaultdict

from katib.errors import NotFound as NotRecorded
from katib.kube.client import Page, Requests
from katib.kube.errors import AlreadyExists, Conflict, NotFound, UnknownKind
from katib.kube.resource import EVENTS, JOBS, NAMESPACES, PODS
from katib.operator.kinds import EXPERIMENTS, SUGGESTIONS, TRIALS
from katib.operator.running import Operator
from katib.operator.settings import OperatorSettings
from katib.rpc.answer import Answerer
from katib.rpc.suggestion_client import SuggestionClient
from katib.rpc.worker_call import Kind, Task
from katib.store.protocol import Summary

RESOURCES = (EXPERIMENTS, TRIALS, SUGGESTIONS, JOBS, PODS, EVENTS, NAMESPACES)
WITH_STATUS = {"Experiment", "Trial", "Suggestion", "Job"}


class Killed(SystemExit):
    """Ends a thread of a process that is dead; nobody is told, as nobody would be."""


class MemoryCluster:
    """The objects of all namespaces, and everything that ever happened to them."""

    def __init__(self):
        self.lock = threading.RLock()
        self.objects = {resource.kind: {} for resource in RESOURCES}
        self._log = []
        self._changed = threading.Condition(self.lock)

    # -- what is written, under the lock

    def put(self, resource, obj, kind):
        """Store an object with a new version, and tell the watches."""
        metadata = obj["metadata"]
        metadata["resourceVersion"] = str(len(self._log) + 1)
        key = (metadata.get("namespace") or "", metadata["name"])
        if kind == "DELETED":
            del self.objects[resource.kind][key]
        else:
            self.objects[resource.kind][key] = obj
        self._log.append((resource.kind, kind, copy.deepcopy(obj)))
        self._changed.notify_all()
        return copy.deepcopy(obj)

    def remove(self, resource, obj):
        """Delete an object and what it owns."""
        self.put(resource, obj, "DELETED")
        for other in RESOURCES:
            for each in list(self.objects[other.kind].values()):
                owners = each["metadata"].get("ownerReferences") or ()
                if any(owner["uid"] == obj["metadata"]["uid"] for owner in owners):
                    self.remove(other, each)

    # -- what is read

    @property
    def version(self):
        return str(len(self._log))

    def events(self, resource, namespace, selector, since, stopped):
        """Yield what happened after a version, as it happens, until told to stop."""
        place = int(since)
        while True:
            with self.lock:
                while place == len(self._log):
                    if stopped.is_set():
                        return
                    self._changed.wait(1.0)
                new, place = self._log[place:], len(self._log)
            for kind, what, obj in new:
                if stopped.is_set():
                    return
                if kind == resource.kind and chosen(obj, namespace, selector):
                    yield {"type": what, "object": copy.deepcopy(obj)}

    def history(self, resource, namespace):
        """Every state that the objects of a kind in a namespace ever had, in their order."""
        with self.lock:
            return [obj for kind, _, obj in self._log if kind == resource.kind and chosen(obj, namespace, "")]

    def wake(self):
        with self.lock:
            self._changed.notify_all()


class Stream:
    """A watch as a reflector reads it."""

    def __init__(self, cluster, events, stopped):
        self._cluster, self._events, self._stopped = cluster, events, stopped

    def __iter__(self):
        return self._events

    def close(self):
        self.stop()

    def stop(self):
        self._stopped.set()
        self._cluster.wake()


class MemoryClient:
    """The part of ``katib.kube.client.Client`` that is used here.

    Args:
        cluster: Its cluster.
        before: Called before each call with whether it writes; may raise.
    """

    def __init__(self, cluster, before=lambda _writes: None):
        self._cluster, self._before = cluster, before
        self.requests = Requests()

    def _begin(self, verb, resource, *, writes):
        self._before(writes)
        self.requests.count(verb, resource.plural, 200)

    def _known(self, resource, name, namespace):
        found = self._cluster.objects[resource.kind].get((namespace or "", name))
        if found is None:
            raise NotFound(f"{resource.kind} {name} is not there")
        return found

    def resource_for(self, api_version, kind):
        for resource in RESOURCES:
            if (resource.api_version, resource.kind) == (api_version, kind):
                return resource
        raise UnknownKind(f"{api_version} {kind} is not served")

    def get(self, resource, name, namespace=None, **_):
        self._begin("get", resource, writes=False)
        with self._cluster.lock:
            return copy.deepcopy(self._known(resource, name, namespace))

    def list(self, resource, namespace=None, *, label_selector="", **_):
        (page,) = self.pages(resource, namespace, label_selector=label_selector)
        return page.items, page.version

    def pages(self, resource, namespace=None, *, label_selector="", **_):
        self._begin("list", resource, writes=False)
        with self._cluster.lock:
            found = [
                copy.deepcopy(each)
                for each in self._cluster.objects[resource.kind].values()
                if chosen(each, namespace, label_selector)
            ]
            yield Page(found, self._cluster.version)

    def watch_lines(self, resource, namespace=None, *, resource_version, label_selector="", **_):
        self._begin("watch", resource, writes=False)
        stopped = threading.Event()
        events = self._cluster.events(resource, namespace, label_selector, resource_version, stopped)
        return Stream(self._cluster, events, stopped)

    def create(self, resource, body, namespace=None, **_):
        self._begin("create", resource, writes=True)
        return self._made(resource, body, namespace)

    def _made(self, resource, body, namespace=None):
        obj = copy.deepcopy(dict(body))
        metadata = obj["metadata"]
        if resource.namespaced:
            metadata["namespace"] = namespace or metadata["namespace"]
        with self._cluster.lock:
            key = (metadata.get("namespace") or "", metadata["name"])
            if key in self._cluster.objects[resource.kind]:
                raise AlreadyExists(f"{resource.kind} {metadata['name']} is there already")
            if resource.kind in WITH_STATUS:
                obj.pop("status", None)
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now, "generation": 1}
            obj |= {"apiVersion": resource.api_version, "kind": resource.kind}
            return self._cluster.put(resource, obj, "ADDED")

    def apply(self, resource, body, *, subresource=None, **_):
        self._begin("apply", resource, writes=True)
        metadata = body["metadata"]
        with self._cluster.lock:
            key = (metadata.get("namespace") or "", metadata["name"])
            if subresource is None and key not in self._cluster.objects[resource.kind]:
                return self._made(resource, body)
            known = self._known(resource, metadata["name"], metadata.get("namespace"))
            new = copy.deepcopy(known)
            if subresource == "status":
                new["status"] = copy.deepcopy(body.get("status") or {})
            else:
                new["spec"] = copy.deepcopy(body.get("spec") or {})
                for part in ("labels", "annotations", "ownerReferences"):
                    if part in metadata:
                        new["metadata"][part] = copy.deepcopy(metadata[part])
            return self._changed(resource, known, new)

    def merge_patch(self, resource, name, patch, namespace=None, *, subresource=None, **_):
        self._begin("patch", resource, writes=True)
        with self._cluster.lock:
            known = self._known(resource, name, namespace)
            uid = patch.get("metadata", {}).get("uid")
            if uid not in (None, known["metadata"]["uid"]):
                raise Conflict(f"{resource.kind} {name} is another one")
            allowed = ("status",) if subresource else tuple(part for part in patch if part != "status")
            merged = _merged(known, {part: patch[part] for part in allowed if part in patch})
            return self._changed(resource, known, merged)

    def _changed(self, resource, known, new):
        if new == known:
            return copy.deepcopy(known)
        if new.get("spec") != known.get("spec"):
            new["metadata"]["generation"] += 1
        return self._cluster.put(resource, new, "MODIFIED")

    def delete(self, resource, name, namespace=None, *, uid=None, **_):
        self._begin("delete", resource, writes=True)
        with self._cluster.lock:
            known = self._cluster.objects[resource.kind].get((namespace or "", name))
            if known is None or uid not in (None, known["metadata"]["uid"]):
                return False
            self._cluster.remove(resource, known)
            return True

    def delete_collection(self, resource, namespace, *, label_selector, **_):
        self._begin("deletecollection", resource, writes=True)
        with self._cluster.lock:
            for each in list(self._cluster.objects[resource.kind].values()):
                if chosen(each, namespace, label_selector):
                    self._cluster.remove(resource, each)

    def close(self):
        pass


def chosen(obj, namespace, selector):
    """Whether a list or a watch of a namespace and a label selector has an object."""
    metadata = obj["metadata"]
    labels = metadata.get("labels") or {}
    words = [word.partition("=") for word in selector.split(",") if word]
    return (namespace is None or metadata.get("namespace") == namespace) and all(
        labels.get(name) == value if equals else name in labels for name, equals, value in words
    )


def _merged(old, patch):
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    new = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        else:
            new[name] = _merged(new.get(name), value)
    return new


class MemoryStore:
    """What was told, and what trials reported."""

    def __init__(self):
        self._lock = threading.Lock()
        self.experiments, self.trials = {}, {}
        self._reports = defaultdict(list)

    def report(self, namespace, trial, metrics):
        with self._lock:
            for name, text in metrics.items():
                self._reports[namespace, trial, name].append(text)

    def as_client(self, act):
        """A client of it as an operator has one; ``act`` is called before each call."""
        return _StoreClient(self, act)

    def values(self, namespace, trial):
        with self._lock:
            return {
                name: list(texts)
                for (where, of, name), texts in self._reports.items()
                if (where, of) == (namespace, trial)
            }


class _StoreClient:
    def __init__(self, store, act):
        self._store, self._act = store, act

    def record_experiment(self, experiment, version):
        del version
        self._act()
        self._store.experiments[experiment.metadata.uid] = experiment

    def record_trials(self, experiment, records, **_):
        self._act()
        if experiment.metadata.uid not in self._store.experiments:
            raise NotRecorded("the experiment is not recorded")
        self._store.trials.update((record.name, record) for record in records)

    def mark_deleted(self, _namespace, uid):
        self._act()
        self._store.experiments.pop(uid, None)

    def summaries(self, experiment, names):
        self._act()
        found = {}
        for name in names:
            for metric, texts in self._store.values(experiment.metadata.namespace, name).items():
                least, most = min(texts, key=float), max(texts, key=float)
                summary = Summary(first=texts[0], latest=texts[-1], min=least, max=most, count=len(texts))
                found.setdefault(name, {})[metric] = summary
        return found

    def series(self, experiment, trial, metric):
        self._act()
        return [float(text) for text in self._store.values(experiment.metadata.namespace, trial).get(metric, ())]

    def open_experiments(self, _cluster, _namespace):
        return iter(())

    def close(self):
        pass


class MemorySuggestions(SuggestionClient):
    """A suggestion server that answers in the thread that asks."""

    def __init__(self, act):
        super().__init__("127.0.0.1:1")
        self._act = act
        self._answerer = Answerer(1 << 20)
        self._asking = threading.Lock()

    def _call(self, service, method, request, ends, deadline, **_):
        del service, method, ends
        self._act()
        with self._asking:
            outcome = self._answerer.answer(Task(kind=Kind.SUGGEST, request=request, seconds=deadline))
        assert outcome.failure is None, outcome.failure
        return outcome.reply


class MemoryOperator:
    """An operator of one namespace, for as long as it is open (``with``).

    Args:
        cluster: Its cluster.
        store: Its store.
        namespace: That one.
        die_before: The number of the action before which it dies; 0 is never.

    Attributes:
        actions: How many it has begun: writes to the API server, calls of the store or of the suggestion server.
    """

    def __init__(self, cluster, store, namespace, *, die_before=0):
        self._die_before = die_before
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._dead = False
        self.actions = 0
        client = MemoryClient(cluster, self._before)
        settings = OperatorSettings(namespace=namespace, leader_election=False)
        self._operator = Operator(settings, client)
        told = store.as_client(self.act)
        for part in (self._operator.parts.store, self._operator.parts.recorder):
            part._client.close()
            part._client = told
        self._operator._vanished._store = told
        suggestions = MemorySuggestions(self.act)
        self._operator.parts.suggestions.shared = lambda: suggestions
        self._thread = threading.Thread(target=self._operator.run, args=(self._stop,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def alive(self):
        return not self._dead

    def kill(self):
        """Let it act no more."""
        with self._lock:
            self._dead = True
        self._stop.set()

    def act(self):
        with self._lock:
            self.actions += not self._dead
            if self.actions == self._die_before:
                self._dead = True
        if self._dead:
            self._stop.set()
            raise Killed

    def _before(self, writes):
        if writes:
            self.act()
        elif self._dead:
            raise Killed
