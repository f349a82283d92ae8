"""A cluster and its operators under one seed: whatever happens, and in which order, is drawn from it, so that it happens again.

Everything runs in one thread, by a clock of its own. Each step is one of: a watch brings one event, a worker looks at one key, a request of
the suggestion server is answered, the garbage collector takes one object, a Job gets on, a user does something. While a look talks to the
API server other steps may come in between, as other workers would: threads differ from this only in that they do it elsewhere too.
"""

import copy
import datetime as dt
import threading
import time as real_time
import types
import uuid

import memory_cluster
from memory_cluster import RESOURCES, Killed, MemoryClient, MemoryCluster, MemorySuggestions, chosen

from katib.errors import KatibError, Overloaded, StoreUnavailable
from katib.kube.errors import AlreadyExists, Conflict, ServerAway, TooManyRequests
from katib.kube.reflector import Reflector
from katib.local import early_stopping
from katib.local.early_stopping import Watcher, _Seen
from katib.operator import (
    conversation,
    experiment_controller,
    experiment_trials,
    job_watches,
    running,
    stopping_early,
    store_access,
    trial_controller,
)
from katib.operator.running import Operator
from katib.operator.settings import OperatorSettings

DEPTH = 3
"""How many looks may be under way at a time."""


class Clock:
    """Seconds that pass when the simulation says so."""

    def __init__(self):
        self.base = real_time.monotonic()
        self.start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        self.passed = 0.0

    def monotonic(self):
        return self.base + self.passed

    def now(self):
        return self.start + dt.timedelta(seconds=self.passed)


class Stepped(Reflector):
    """A watch that brings what it has to bring one by one, when it is told to."""

    sim = None

    def start(self):
        self.position = None
        self.life = self._client.life
        self.life.watches.append(self)

    def stop(self):
        pass

    def wait_synced(self, timeout=None):  # noqa: ARG002 - time passes when the simulation says so
        if not self._synced.is_set() and (not self.sim.interleaving or self.sim.rng.random() < 0.5):
            self.relist()
        return self._synced.is_set()

    def relist(self):
        position = len(self.sim.cluster._log)
        self._version = ""
        try:
            self._list()
        except KatibError:
            return
        self.position = position

    def pending(self):
        return self.position is None or self._next() is not None

    def _next(self):
        log = self.sim.cluster._log
        while self.position < len(log):
            kind, _, obj = log[self.position]
            if kind == self._resource.kind and (self._chooses(obj) or self._knows(obj)):
                return log[self.position]
            self.position += 1
        return None

    def _chooses(self, obj):
        return chosen(obj, self._namespace, self._label_selector)

    def _knows(self, obj):
        """What is chosen no more is gone, for a watch."""
        known = self.get(obj["metadata"].get("namespace") or "", obj["metadata"]["name"])
        return known is not None and known["metadata"]["uid"] == obj["metadata"]["uid"]

    def bring(self):
        if self.position is None:
            self.relist()
            return
        found = self._next()
        if found is not None:
            self.position += 1
            _, what, obj = found
            self._take({"type": what if self._chooses(obj) else "DELETED", "object": copy.deepcopy(obj)})


class Done:
    def __init__(self, call):
        self._error = None
        try:
            self._result = call()
        except Exception as error:  # noqa: BLE001 - as a future keeps it
            self._error = error

    def result(self):
        if self._error is not None:
            raise self._error
        return self._result


class Now:
    """An executor that does it at once."""

    def submit(self, function, *arguments):
        return Done(lambda: function(*arguments))

    def shutdown(self, **_):
        pass


class Later:
    """An executor that does it when the simulation gets to it."""

    def __init__(self, life):
        self._life = life

    def submit(self, function, *arguments):
        self._life.tasks.append(lambda: function(*arguments))

    def shutdown(self, **_):
        pass


class Inline:
    """A thread that has ended when it has started."""

    def __init__(self, *, target, args=(), **_):
        self._target, self._args = target, args

    def start(self):
        self._target(*self._args)

    def is_alive(self):
        return False

    def join(self, _=None):
        pass


class InlineWatcher(Watcher):
    """An early stopper's conversation that is answered at once."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self._seen_here = _Seen()

    def ask(self):
        super().ask()
        while not self._questions.empty():
            question = self._questions.get()
            if question is not None:
                self._judgements.put(self._judge(self._seen_here, question))


class Idle:
    """Something that is not there."""

    def __init__(self, *_, **__):
        pass

    def start(self, *_):
        pass

    stop = start

    def join(self, *_):
        return True


class SimCluster(MemoryCluster):
    """Objects whose owners are gone stay until the garbage collector gets to them."""

    def __init__(self, sim):
        super().__init__()
        self.sim = sim
        self.writes = 0

    def put(self, resource, obj, kind):
        key = (obj["metadata"].get("namespace") or "", obj["metadata"]["name"])
        old = self.objects[resource.kind].get(key)
        made = super().put(resource, obj, kind)
        self.sim.saw(resource, kind, old, obj)
        return made

    def remove(self, resource, obj):
        self.put(resource, obj, "DELETED")

    def doom(self, resource, obj):
        """Delete an object when what it owns is deleted, and in any case sooner or later."""
        with self.lock:
            new = copy.deepcopy(obj)
            new["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self.put(resource, new, "MODIFIED")

    def garbage(self):
        there = {each["metadata"]["uid"]: each for objects in self.objects.values() for each in objects.values()}
        staying = {uid for uid, each in there.items() if not each["metadata"].get("deletionTimestamp")}
        found = []
        for resource in RESOURCES:
            for each in self.objects[resource.kind].values():
                owners = [owner["uid"] for owner in each["metadata"].get("ownerReferences") or ()]
                if each["metadata"].get("deletionTimestamp") or (owners and staying.isdisjoint(owners)):
                    found.append((resource, each))
        return found


class SimClient(MemoryClient):
    """An API server that fails now and then."""

    def __init__(self, life):
        self.life = life
        super().__init__(life.sim.cluster, self._may)
        self._verb = ""
        self.lose = False

    def fenced(self, _):
        return self

    def _begin(self, verb, resource, *, writes):
        self._verb = f"{verb} {resource.plural}"
        super()._begin(verb, resource, writes=writes)
        if writes:
            self.life.sim.cluster.writes += 1

    def _may(self, writes):
        life, sim = self.life, self.life.sim
        life.act(writes)
        sim.interleave(life)
        life.act(False)
        if sim.rng.random() < sim.faults or sim.fails(self._verb):
            # Only a patch or an apply can meet somebody else's change.
            is_patch = self._verb.startswith(("patch", "apply"))
            error = sim.rng.choice(
                (TooManyRequests("429"), ServerAway("500"), *([Conflict("409")] if is_patch else ()))
            )
            sim.note(f"  {self._verb} fails: {error}")
            raise error

    # A request that times out may have been carried out.
    def _maybe_lost(self):
        sim = self.life.sim
        lost, self.lose = self.lose, False
        if lost or sim.rng.random() < sim.faults / 2:
            sim.note(f"  the answer of {self._verb} is lost")
            raise ServerAway("timeout")

    def create(self, resource, body, namespace=None, **more):
        made = super().create(resource, body, namespace, **more)
        # The client repeats what got no answer, and finds that it is there.
        if self.life.sim.rng.random() < self.life.sim.faults / 2:
            raise AlreadyExists("it is there already")
        return made

    def apply(self, resource, body, **more):
        made = super().apply(resource, body, **more)
        self._maybe_lost()
        return made

    def merge_patch(self, *arguments, **more):
        made = super().merge_patch(*arguments, **more)
        self._maybe_lost()
        return made

    def delete(self, resource, name, namespace=None, *, uid=None, propagation="Background", **_):
        self._begin("delete", resource, writes=True)
        with self._cluster.lock:
            known = self._cluster.objects[resource.kind].get((namespace or "", name))
            if known is None or uid not in (None, known["metadata"]["uid"]):
                return False
            if propagation == "Foreground":
                if not known["metadata"].get("deletionTimestamp"):
                    self._cluster.doom(resource, known)
            else:
                self._cluster.remove(resource, known)
            return True


class Events:
    """What an operator tells people."""

    def __init__(self, sim):
        self._sim = sim

    def record(self, obj, reason, message, kind="Normal"):
        self._sim.events.append((obj["kind"], obj["metadata"]["name"], reason, message, kind))
        if reason == "ReconcileError":
            self._sim.note(f"  event {reason} {obj['metadata']['name']}: {message}")

    def stop(self):
        pass


class Life:
    """One operator, from its start to its death."""

    def __init__(self, sim):
        self.sim = sim
        self.watches, self.tasks = [], []
        self.dead = False
        self.actions = 0
        self.die_before = 0
        client = SimClient(self)
        self.client = client
        self.operator = Operator(OperatorSettings(namespace=None, leader_election=False), client)
        parts = self.parts = self.operator.parts
        for part in (parts.store, parts.recorder):
            part._client.close()
            part._client = sim.store.as_client(self.store_call)
        parts.recorder.cluster = "sim"
        parts.recorder._thread = Idle()
        self.operator._vanished = Idle()
        parts.events = Events(sim)
        suggestions = MemorySuggestions(self.suggestion_call)
        suggestions._answerer = sim.answerer
        parts.suggestions.shared = lambda: suggestions
        for queue in (parts.experiment_queue, parts.trial_queue):
            queue._clock = sim.clock.monotonic
            queue._pauses.random = sim.rng
        controller = self.operator._experiment_controller
        controller.close()
        controller._makers, controller._askers = Now(), Later(self)
        self.operator._leading.clear()
        for watch in self.operator._watches():
            watch.start()
            watch.relist()
        while not all(watch._synced.is_set() for watch in self.watches):
            for watch in self.watches:
                if not watch._synced.is_set():
                    watch.relist()
        self.operator._lead()

    def act(self, writes):
        """Die here, if this is the place."""
        if writes and not self.dead:
            self.actions += 1
            if self.actions == self.die_before:
                self.dead = True
                self.sim.note("  the operator dies here")
        if self.dead:
            raise Killed

    def store_call(self):
        self.act(True)
        if self.sim.store_down or self.sim.rng.random() < self.sim.faults:
            raise StoreUnavailable("the store is away")

    def suggestion_call(self):
        self.act(True)
        if self.sim.suggestions_down or self.sim.rng.random() < self.sim.faults:
            raise Overloaded("the suggestion server is away")

    # -- steps

    def steps(self, nested=False):
        found = [("bring", watch) for watch in self.watches if watch.pending()]
        if len(self.parts.experiment_queue):
            found += [("look", "experiment")] * 2
        if len(self.parts.trial_queue):
            found += [("look", "trial")] * 2
        if not nested:
            found += [("task", None)] * bool(self.tasks)
            if self.parts.recorder._wake.is_set():
                found.append(("record", None))
        return found

    def do(self, step):
        """Take a step; returns whether it led anywhere."""
        what, of = step
        if what == "bring":
            of.bring()
        elif what == "look":
            self.look(of)
        elif what == "task":
            self.tasks.pop(self.sim.rng.randrange(len(self.tasks)))()
        elif what == "record":
            self.parts.recorder._wake.clear()
            if not self.parts.recorder._tell():
                self.parts.recorder._wake.set()
                return False
        return True

    def look(self, kind):
        queue = self.parts.experiment_queue if kind == "experiment" else self.parts.trial_queue
        controller = self.operator._experiment_controller if kind == "experiment" else self.operator._trial_controller
        key = queue.get(timeout=0)
        if key is None:
            return
        self.sim.note(f"look at {kind} {key[1]}")
        if self.sim.depth == 0:  # what was right when a look began is not wrong in its middle
            self.sim.allowed = {
                uid: found.experiment.spec.parallel_trial_count or 1 for uid, found in self.parts.states._by_uid.items()
            }
        try:
            again = controller.reconcile(key)
        except ServerAway:
            queue.add_after(key, 4.0)
        except KatibError as error:
            self.sim.note(f"  {kind} {key[1]}: {type(error).__name__} {error}")
            queue.retry(key)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a defect
            self.sim.fail(f"{kind} {key[1]}: {type(error).__name__}: {error}", error)
            queue.retry(key)
        else:
            queue.forget(key)
            if again is not None:
                queue.add_after(key, again)
        finally:
            queue.done(key)

    def next_due(self):
        due = []
        for queue in (self.parts.experiment_queue, self.parts.trial_queue):
            due += list(queue._due.values())
        return min(due) if due else None


def patched(monkeypatch, sim):
    """Let everything that an operator consists of run by the simulation's clock and in its thread."""
    clock = sim.clock
    fake_time = types.SimpleNamespace(monotonic=clock.monotonic)
    for module in (experiment_controller, trial_controller, conversation, stopping_early, store_access):
        monkeypatch.setattr(module, "time", fake_time)
    for module in (experiment_controller, experiment_trials, trial_controller):
        monkeypatch.setattr(module, "_now", clock.now)
    drawn = types.SimpleNamespace(uuid4=lambda: uuid.UUID(int=sim.rng.getrandbits(128)))
    monkeypatch.setattr(memory_cluster, "uuid", drawn)
    gmtime = types.SimpleNamespace(
        monotonic=clock.monotonic, gmtime=lambda: clock.now().timetuple(), strftime=real_time.strftime
    )
    monkeypatch.setattr(memory_cluster, "time", gmtime)
    stepped = type("SteppedHere", (Stepped,), {"sim": sim})
    monkeypatch.setattr(running, "Reflector", stepped)
    monkeypatch.setattr(job_watches, "Reflector", stepped)
    monkeypatch.setattr(running, "Workers", Idle)
    monkeypatch.setattr(running, "threading", types.SimpleNamespace(Thread=sim.deferred_thread, Event=threading.Event))
    monkeypatch.setattr(stopping_early, "threading", types.SimpleNamespace(Thread=Inline))
    monkeypatch.setattr(stopping_early, "Watcher", InlineWatcher)
    monkeypatch.setattr(early_stopping, "threading", types.SimpleNamespace(Thread=Idle, Lock=threading.Lock))
