"""What users, clusters and operators may do to experiments in any order, and what has to be true all the while and in the end."""

import random
import traceback
import types
from collections import Counter, defaultdict

from memory_cluster import Killed, MemoryClient, MemoryStore
from simulation import DEPTH, Clock, Life, SimCluster, patched
from world import condition, state, status
from world import experiment as body_of

from katib.kube.resource import JOBS
from katib.operator.kinds import EXPERIMENTS, SUGGESTIONS, TRIALS
from katib.rpc.answer import Answerer

NAMESPACES_USED = ("red", "blue")
NAMES = ("a", "b", "c")
FINAL = ("Succeeded", "Failed", "Stopped")
ENDED = ("Succeeded", "Failed", "Killed", "EarlyStopped", "MetricsUnavailable")
GRID = (
    {"name": "size", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "3"}},
    {"name": "lr", "parameterType": "discrete", "feasibleSpace": {"list": ["0.1", "0.2"]}},
)
LR = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.1"}}
EPOCHS = {"name": "epochs", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "9"}}
GIVEN = [
    {"parameterAssignments": [{"name": "lr", "value": "0.02"}], "metrics": [{"name": "loss", "value": "0.5"}]},
    {"parameterAssignments": [{"name": "lr", "value": "0.03"}]},
    {"parameterAssignments": [{"name": "lr", "value": "0.05"}]},
]
UID_LABEL = "katib.kubeflow.org/experiment-uid"


def is_imported(trial):
    return "katib.kubeflow.org/trial-imported" in (trial["metadata"].get("annotations") or {})


def is_orphan(obj):
    """Whether somebody has taken an object's owner away, so that it goes with nobody."""
    return not obj["metadata"].get("ownerReferences")


class Simulation:
    """One history.

    Args:
        seed: Of everything that is drawn.
        monkeypatch: Of pytest.
        faults: How many requests fail.
        interleaving: How often other steps come between the requests of a look.

    Attributes:
        story: What happened.
        problems: What must never be.
    """

    def __init__(self, seed, monkeypatch, *, faults=0.03, interleaving=0.15):
        self.rng = random.Random(seed)
        self.seed, self.interleaving = seed, interleaving
        self.failing = []
        self.story, self.events = [], []
        self.clock = Clock()
        self.store = MemoryStore()
        self.answerer = Answerer(1 << 20)
        self.faults = faults
        self.store_down = self.suggestions_down = False
        self.depth = 0
        self.quieting = False
        self.allowed = {}
        self.all_go_on = False
        self.gone_threads = []
        self.problems = []
        self.raised = {}  # uid -> the user has allowed it to go on
        self.jobs_of = defaultdict(list)  # trial uid -> attempts of its jobs
        self.of = {}  # uid of a trial or job -> uid of its experiment or trial, whatever somebody writes on it
        self.names = set()  # of all trials that any status told of
        self.made = Counter()  # uid -> how many were made
        self.issued = Counter()  # uid -> how many indices any Suggestion told of
        self.meddled = Counter()
        self.user_writes = False
        self.counts = Counter()
        self.life = None
        patched(monkeypatch, self)
        self.cluster = SimCluster(self)
        self.user = MemoryClient(self.cluster)
        self.fates = {}
        self.life = Life(self)
        self.unsuggested = set()

    # -- telling
    def note(self, text):
        self.story.append(f"{self.clock.passed:8.2f} {'  ' * self.depth}{text}")

    def fails(self, verb):
        """Whether a request was told to fail, once."""
        if verb in self.failing:
            self.failing.remove(verb)
            return True
        return False

    def fail(self, text, error=None):
        self.note(f"!!! {text}")
        if error is not None:
            self.note("".join(traceback.format_exception(error)))
        self.problems.append(text)

    def deferred_thread(self, *, target, args=(), **_):
        return types.SimpleNamespace(
            start=lambda: self.gone_threads.append((self.life, target, args)), is_alive=lambda: False
        )

    # -- what is checked with each write
    def working(self, uid):
        trials = {
            t["metadata"]["uid"]: t
            for t in self.cluster.objects["Trial"].values()
            if self.of.get(t["metadata"]["uid"]) == uid and not t["metadata"].get("deletionTimestamp")
        }
        return [
            job["metadata"]["name"]
            for job in self.cluster.objects["Job"].values()
            if self.of.get(job["metadata"]["uid"]) in trials
            and not job["metadata"].get("deletionTimestamp")
            and not self.is_done(job)
        ]

    @staticmethod
    def is_done(job):
        return any(c["type"] in ("Complete", "Failed") for c in status(job).get("conditions") or ())

    def by_uid(self, uid):
        return next((e for e in self.cluster.objects["Experiment"].values() if e["metadata"]["uid"] == uid), None)

    def limits(self, uid, field):
        values = []
        found = self.by_uid(uid)
        if found is not None:
            values.append(found["spec"].get(field))
        if field == "parallelTrialCount" and uid in self.allowed:
            values.append(self.allowed[uid])
        known = self.life.parts.states.get(uid) if self.life else None
        if known is not None:
            values.append(known.experiment.spec.to_document().get(field))
        return values

    def saw(self, resource, kind, old, obj):
        meta = obj["metadata"]
        who = "user" if self.user_writes else "write"
        said = f"{state(obj)} {condition(obj).get('reason', '')}"
        self.note(f"  {who} {kind} {resource.kind} {meta.get('namespace')}/{meta['name']} {said}")
        if self.user_writes:
            return
        if kind == "ADDED":
            self.saw_made(resource, obj)
        if resource.kind == "Suggestion":
            uid = meta["ownerReferences"][0]["uid"]
            self.issued[uid] = max(self.issued[uid], status(obj).get("suggestionCount") or 0)
        if resource.kind == "Experiment":
            lists = [each for field, each in status(obj).items() if field.endswith("TrialList")]
            self.names.update(name for each in lists for name in each or ())
        if kind == "MODIFIED" and resource.kind in ("Experiment", "Trial") and old is not None:
            self.saw_turn(resource, old, obj)

    def saw_made(self, resource, obj):
        """A trial is started once, never more run than may, and never more are made than the budget has."""
        meta = obj["metadata"]
        if resource.kind == "Job":
            owner = self.of[meta["uid"]] = meta["ownerReferences"][0]["uid"]
            attempt = int(meta["annotations"].get("katib.kubeflow.org/trial-attempt", 1))
            known = {t["metadata"]["uid"] for t in self.trials()}
            if owner in known and self.jobs_of[owner] and attempt <= self.jobs_of[owner][-1]:
                self.fail(f"trial {meta['name']} was started twice (attempt {attempt})")
            self.jobs_of[owner].append(attempt)
            uid = meta["labels"][UID_LABEL]
            limits = self.limits(uid, "parallelTrialCount")
            if owner in known and limits and len(self.working(uid)) > max(limits):
                self.fail(f"{len(self.working(uid))} jobs of {meta['name']} run, allowed are {limits}")
            self.counts["jobs"] += 1
        if resource.kind == "Trial":
            uid = self.of[meta["uid"]] = meta["labels"][UID_LABEL]
            index, found = int(meta["annotations"]["katib.kubeflow.org/trial-index"]), self.by_uid(uid)
            # A given point that somebody deletes is made again as what it was.
            given = len((found or {"spec": {}})["spec"].get("initialTrials") or ())
            is_told = meta["name"] in self.names or index < self.issued[uid]
            if is_told and found is not None and index >= given and index < self.made[uid]:
                self.fail(f"the name {meta['name']} is given again")
            self.made[uid] = max(self.made[uid], index + 1)
            trials = [t for t in self.trials() if self.of.get(t["metadata"]["uid"]) == uid and not is_imported(t)]
            limits = self.limits(uid, "maxTrialCount")
            if limits and None not in limits and len(trials) > max(limits):
                self.fail(f"{len(trials)} trials of {meta['name']}, the budget is {limits}")
            self.counts["trials"] += 1

    def saw_turn(self, resource, old, obj):
        """What is over stays over, unless its user lets it go on."""
        was, now, meta = condition(old), condition(obj), obj["metadata"]
        over = FINAL if resource.kind == "Experiment" else ENDED
        stop = (meta.get("annotations") or {}).get("katib.kubeflow.org/stop") == "true"
        if was.get("type") in over and (was["type"], was.get("reason")) != (now.get("type"), now.get("reason")):
            if resource.kind == "Experiment":
                # What was written of the one before it is taken away again.
                goes_on = meta["uid"] in self.raised or not now or (was["type"] == "Stopped" and not stop)
            else:
                goes_on = (was["type"], was["reason"]) == ("Killed", "ExperimentStopped")
            if not goes_on:
                self.fail(f"{meta['name']} was {was['type']} {was['reason']} and is {now.get('type')}")
        if resource.kind == "Experiment" and now.get("type") in FINAL and was.get("type") not in FINAL:
            if len(set(self.limits(meta["uid"], "maxTrialCount"))) < 2 and (now["type"] != "Stopped" or stop):
                self.raised.pop(meta["uid"], None)
            self.counts[f"{now['type']} {now['reason']}"] += 1

    # -- interleaving
    def interleave(self, life):
        if life is not self.life or self.depth >= DEPTH:
            return
        while self.rng.random() < self.interleaving:
            self.depth += 1
            before, self.user_writes = self.user_writes, False
            try:
                if self.rng.random() < 0.05 and not self.quieting:
                    self.act(nested=True)
                else:
                    self.one_step(nested=True)
            finally:
                self.depth -= 1
                self.user_writes = before

    def one_step(self, nested=False):
        steps = []
        if not self.life.dead:
            steps += [("operator", s) for s in self.life.steps(nested)]
        steps += [("garbage", g) for g in self.cluster.garbage()[:3]]
        steps += [("job", j) for j in self.jobs()[:4]]
        if self.gone_threads and not nested:
            steps.append(("thread", None))
        if not steps:
            return False
        what, of = self.rng.choice(steps)
        if what == "operator":
            return self.life.do(of)
        if what == "garbage":
            self.as_user(lambda: self.collect(*of))
        elif what == "job":
            self.as_user(lambda: self.bring_on(of))
        elif what == "thread":
            life, target, args = self.gone_threads.pop(0)
            if life is self.life and not life.dead:
                target(*args)
        return True

    def as_user(self, call):
        before, self.user_writes = self.user_writes, True
        try:
            return call()
        finally:
            self.user_writes = before

    def collect(self, resource, obj):
        meta = obj["metadata"]
        if (meta.get("namespace") or "", meta["name"]) in self.cluster.objects[resource.kind]:
            with self.cluster.lock:
                self.cluster.remove(resource, obj)

    # -- jobs
    def fate(self, job):
        uid = job["metadata"]["uid"]
        if uid not in self.fates:
            rule = job["metadata"]["annotations"].get("sim/fates", "ok")
            rng = random.Random(
                f"{self.seed} {job['metadata']['name']} {job['metadata']['annotations'].get('katib.kubeflow.org/trial-attempt')}"
            )
            end = rng.choice(rule.split(","))
            self.fates[uid] = {
                "end": "ok" if end == "never" and self.all_go_on else end,
                "steps": rng.randrange(0, 4),
                "done": 0,
            }
        return self.fates[uid]

    def jobs(self):
        found = []
        for job in self.cluster.objects["Job"].values():
            if job["metadata"].get("deletionTimestamp") or self.is_done(job):
                continue
            if job["spec"].get("suspend") and not self.all_go_on:
                continue
            fate = self.fate(job)
            if fate["end"] == "never" and fate["done"] >= fate["steps"]:
                continue
            found.append(job)
        return found

    def bring_on(self, job):
        meta = job["metadata"]
        fate = self.fate(job)
        if job["spec"].get("suspend"):
            self.patch(job, JOBS, {"spec": {"suspend": False}})
            return
        if fate["done"] < fate["steps"]:
            fate["done"] += 1
            if fate["end"] != "silent":
                self.store.report(
                    meta["namespace"], meta["name"], {"loss": repr(self.loss(job) + fate["steps"] - fate["done"])}
                )
            return
        if fate["end"] in ("ok", "silent"):
            if fate["end"] == "ok":
                self.store.report(meta["namespace"], meta["name"], {"loss": repr(self.loss(job))})
            conditions = [{"type": "Complete", "status": "True"}]
        elif fate["end"] == "fail":
            conditions = [{"type": "Failed", "status": "True", "reason": "Backoff", "message": "told to"}]
        else:
            return
        self.user.merge_patch(
            JOBS, meta["name"], {"status": {"conditions": conditions}}, meta["namespace"], subresource="status"
        )

    def loss(self, job):
        return random.Random(f"loss {self.seed} {job['metadata']['name']}").random()

    # -- users
    def experiments(self):
        return [e for e in self.cluster.objects["Experiment"].values() if not e["metadata"].get("deletionTimestamp")]

    def trials(self, of=None):
        return [
            t
            for t in self.cluster.objects["Trial"].values()
            if of is None or self.of.get(t["metadata"]["uid"]) == of["metadata"]["uid"]
        ]

    def new_body(self, name):
        rng = self.rng
        algorithm = rng.choice(("random", "random", "grid", "hyperband", "tpe", "sobol", "given", "asha"))
        parallel = rng.randint(1, 5)
        trials = rng.randint(max(parallel, 2), 10)
        more = {}
        if rng.random() < 0.4:
            more["maxFailedTrialCount"] = rng.randint(1, trials)
        more["resumePolicy"] = rng.choice(("Never", "LongRunning", "FromVolume"))
        if rng.random() < 0.3 and algorithm in ("random", "tpe"):
            settings = [{"name": "min_trials_required", "value": "1"}, {"name": "start_step", "value": "1"}]
            more["earlyStopping"] = {"algorithmName": "medianstop", "algorithmSettings": settings}
        if rng.random() < 0.2:
            more["trialTimeout"] = "30s"
        if rng.random() < 0.1:
            more["maxRuntime"] = "60s"
        of_rungs = {"parameters": (LR, EPOCHS), "settings": [("r_l", "9"), ("eta", "3"), ("resource_name", "epochs")]}
        more |= {
            "grid": {"parameters": GRID},
            "hyperband": of_rungs,
            "asha": of_rungs,
            "given": {"initialTrials": GIVEN},
            "tpe": {"settings": [("n_startup_trials", "2")]},
        }.get(algorithm, {})
        named = "random" if algorithm == "given" else algorithm
        body = body_of(name, algorithm=named, parallel=parallel, trials=trials, **more)
        if rng.random() < 0.15:
            body["spec"]["objective"]["goal"] = 0.05
        if algorithm == "grid" and rng.random() < 0.2:
            del body["spec"]["maxTrialCount"]
            body["spec"].pop("maxFailedTrialCount", None)
        if rng.random() < 0.25:
            body["spec"]["metricsCollectorSpec"] = {"collector": {"kind": "StdOut"}}
        template = body["spec"]["trialTemplate"]
        job = template["trialSpec"]
        fates = ("ok", "ok", "ok,ok,ok,fail", "ok,silent", "ok,fail,silent,never", "ok,never", "fail")
        job["metadata"]["annotations"] = {"sim/fates": rng.choice(fates)}
        if rng.random() < 0.1:
            job["spec"]["suspend"] = True
        if rng.random() < 0.1:
            template["retain"] = True
        return body

    def act(self, nested=False):
        rng = self.rng
        actions = [
            *[(6, self.create), (4, self.edit_budget), (3, self.edit_parallel), (2, self.delete_trial)],
            *[(2, self.delete_job), (2, self.suspend), (1, self.delete_suggestion), (2, self.delete)],
            *[(1, self.recreate), (2, self.stop_or_resume), (2, self.relist), (2, self.outage)],
            *[(3, self.advance), (1, self.meddle_status), (1, self.meddle_marks), (2, self.meddle_trial)],
            *[(1, self.meddle_job), (1, self.hand_over)],
        ]
        if not nested:
            actions.append((3, self.kill))
        weights, calls = zip(*actions, strict=True)
        call = rng.choices(calls, weights)[0]
        self.as_user(call)

    def some(self, items):
        return self.rng.choice(items) if items else None

    def create(self):
        namespace, name = self.rng.choice(NAMESPACES_USED), self.rng.choice(NAMES)
        if (namespace, name) in self.cluster.objects["Experiment"]:
            return
        body = self.new_body(name)
        self.note(f"USER create {namespace}/{name} {body['spec']}")
        self.user.create(EXPERIMENTS, body, namespace)

    def patch(self, obj, resource, patch, **more):
        return self.user.merge_patch(resource, obj["metadata"]["name"], patch, obj["metadata"]["namespace"], **more)

    def editable(self, e):
        """Whether the rules of the custom resource let the spec be edited."""
        now = condition(e)
        if now.get("type") not in ("Succeeded", "Failed"):
            return True
        again = e["spec"].get("resumePolicy") in ("LongRunning", "FromVolume")
        return now["type"] == "Succeeded" and now.get("reason") == "ExperimentMaxTrialsReached" and again

    def edit_budget(self):
        e = self.some(self.experiments())
        if e is None or not self.editable(e):
            return
        spec = e["spec"]
        over = condition(e).get("type") == "Succeeded"
        most = self.rng.randint(1, 14)
        if over:
            most = len(self.trials(e)) + self.rng.randint(1, 4)
        change = {"maxTrialCount": most}
        if spec["parallelTrialCount"] > most:
            change["parallelTrialCount"] = most
        if (spec.get("maxFailedTrialCount") or 0) > most:
            change["maxFailedTrialCount"] = most
        self.note(
            f"USER edit {e['metadata']['namespace']}/{e['metadata']['name']} {change} ({condition(e).get('type')})"
        )
        if spec.get("resumePolicy") in ("LongRunning", "FromVolume"):
            self.raised[e["metadata"]["uid"]] = True
        self.patch(e, EXPERIMENTS, {"spec": change})

    def edit_parallel(self):
        e = self.some(self.experiments())
        if e is None or condition(e).get("type") in ("Succeeded", "Failed"):
            return
        most = min(e["spec"].get("maxTrialCount") or 5, 5)
        change = {"parallelTrialCount": self.rng.randint(1, most)}
        self.note(f"USER edit {e['metadata']['namespace']}/{e['metadata']['name']} {change}")
        self.patch(e, EXPERIMENTS, {"spec": change})

    def delete_trial(self):
        t = self.some(self.trials())
        if t is not None:
            self.note(f"USER delete trial {t['metadata']['name']} ({state(t)})")
            self.user.delete(TRIALS, t["metadata"]["name"], t["metadata"]["namespace"])

    def delete_job(self):
        j = self.some(list(self.cluster.objects["Job"].values()))
        if j is not None:
            self.note(f"USER delete job {j['metadata']['name']}")
            self.jobs_of.pop(self.of[j["metadata"]["uid"]], None)
            self.user.delete(JOBS, j["metadata"]["name"], j["metadata"]["namespace"])

    def suspend(self):
        j = self.some([j for j in self.cluster.objects["Job"].values() if not self.is_done(j)])
        if j is not None:
            self.note(f"USER suspends or resumes job {j['metadata']['name']}")
            suspend = not j["spec"].get("suspend")
            self.patch(j, JOBS, {"spec": {"suspend": suspend}})
            said = {"conditions": [{"type": "Suspended", "status": str(suspend)}]}
            self.patch(j, JOBS, {"status": said}, subresource="status")

    def delete_suggestion(self):
        s = self.some(list(self.cluster.objects["Suggestion"].values()))
        if s is not None:
            self.note(f"USER delete suggestion {s['metadata']['name']}")
            self.unsuggested.add(s["metadata"]["ownerReferences"][0]["uid"])
            self.user.delete(SUGGESTIONS, s["metadata"]["name"], s["metadata"]["namespace"])

    def delete(self, *, foreground=None):
        e = self.some(self.experiments())
        if foreground is None:
            foreground = self.rng.random() < 0.4
        if e is not None:
            self.note(
                f"USER delete {'in the foreground ' if foreground else ''}{e['metadata']['namespace']}/{e['metadata']['name']}"
            )
            if foreground:
                self.cluster.doom(EXPERIMENTS, e)
            else:
                self.user.delete(EXPERIMENTS, e["metadata"]["name"], e["metadata"]["namespace"])
        return e

    def recreate(self):
        e = self.delete(foreground=False)
        if e is not None:
            body = self.new_body(e["metadata"]["name"])
            self.note(f"USER recreate {e['metadata']['namespace']}/{e['metadata']['name']}")
            self.user.create(EXPERIMENTS, body, e["metadata"]["namespace"])

    def stop_or_resume(self):
        e = self.some(self.experiments())
        if e is None or condition(e).get("type") in ("Succeeded", "Failed"):
            return
        stopped = (e["metadata"].get("annotations") or {}).get("katib.kubeflow.org/stop") == "true"
        self.note(f"USER {'resume' if stopped else 'stop'} {e['metadata']['namespace']}/{e['metadata']['name']}")
        if stopped:
            self.raised[e["metadata"]["uid"]] = True
        self.patch(
            e, EXPERIMENTS, {"metadata": {"annotations": {"katib.kubeflow.org/stop": None if stopped else "true"}}}
        )

    def relist(self):
        if not self.life.dead:
            watch = self.rng.choice(self.life.watches)
            self.note(f"410 Gone for {watch._resource.plural}")
            watch.relist()

    def outage(self):
        which = self.rng.random()
        if which < 0.5:
            self.store_down = not self.store_down
        else:
            self.suggestions_down = not self.suggestions_down
        self.note(f"OUTAGE store {self.store_down} suggestions {self.suggestions_down}")

    def advance(self, seconds=None):
        due = None if self.life.dead else self.life.next_due()
        if seconds is None:
            seconds = self.rng.choice((0.05, 0.5, 2.0, 5.0, 11.0, 40.0))
            if due is not None and self.rng.random() < 0.6:
                seconds = max(due - self.clock.monotonic(), 0) + 0.001
        self.clock.passed += seconds

    def kill(self):
        if self.life.dead:
            return
        if self.rng.random() < 0.5:
            self.life.die_before = self.life.actions + self.rng.randint(1, 6)
        else:
            self.note("the operator is killed")
            self.life.dead = True

    def meddle_status(self):
        e = self.some(self.experiments())
        if e is not None and condition(e).get("type") not in FINAL:
            self.note(f"USER wipes the status of {e['metadata']['name']}")
            self.patch(e, EXPERIMENTS, {"status": None}, subresource="status")

    def meddle_marks(self):
        e = self.some(self.experiments())
        if e is not None:
            self.patch(
                e,
                EXPERIMENTS,
                {
                    "metadata": {
                        "labels": {"team": str(self.rng.randint(1, 9))},
                        "annotations": {"note": str(self.rng.randint(1, 9))},
                    }
                },
            )

    def meddle_trial(self):
        """Somebody takes or changes what the operator follows a trial by."""
        t = self.some(self.trials())
        if t is None:
            return
        others = ("experiment", "experiment-uid", "trial-index", "trial-imported", "trial-attempt", "stopping")
        what = self.rng.choice((*others, *others[:3], "owner", "labels", "all"))
        value = self.rng.choice((None, "7"))
        patch = {
            "owner": {"ownerReferences": None},
            "labels": {"labels": None},
            "all": {"ownerReferences": None, "labels": None, "annotations": None},
        }.get(what)
        if what == "all" and self.life.dead:
            return  # nobody sees whose it was
        if patch is None:
            part = "labels" if what.startswith("experiment") else "annotations"
            name = f"katib.kubeflow.org/{what}"
            if name not in (t["metadata"].get(part) or {}):
                return
            patch = {part: {name: None if what in ("trial-imported", "stopping") else value}}
        self.note(f"USER meddles with trial {t['metadata']['name']} ({state(t)}): {patch}")
        self.meddled[what] += 1
        self.patch(t, TRIALS, {"metadata": patch})

    def meddle_job(self):
        """Somebody takes what the operator follows a job by: labels, or the owner."""
        j = self.some(list(self.cluster.objects["Job"].values()))
        if j is None:
            return
        labels = j["metadata"].get("labels") or {}
        is_whole = (
            not is_orphan(j) and labels.get("katib.kubeflow.org/trial") == j["metadata"]["name"] and UID_LABEL in labels
        )
        if not is_whole:
            return
        patch = self.rng.choice(
            ({"ownerReferences": None}, {"labels": None}, {"labels": {"katib.kubeflow.org/trial": "other"}})
        )
        self.note(f"USER meddles with job {j['metadata']['name']}: {patch}")
        self.meddled["job"] += 1
        self.patch(j, JOBS, {"metadata": patch})

    def hand_over(self):
        """Another operator leads from now on, also in the midst of what this one does: nothing that it writes is taken any more."""
        if not self.life.dead:
            self.note("== another operator leads")
            self.life.dead = True
            self.life = Life(self)

    # -- running
    def run(self, steps):
        for _ in range(steps):
            self.step()
        self.settle("after the history")
        # what never ends ends now, what is suspended goes on
        self.note("== everything that waits goes on")
        self.all_go_on = True
        for job in list(self.cluster.objects["Job"].values()):
            self.fate(job)["end"] = "ok" if self.fate(job)["end"] == "never" else self.fate(job)["end"]
            if job["spec"].get("suspend"):
                self.as_user(lambda job=job: self.patch(job, JOBS, {"spec": {"suspend": False}}))
        self.settle("at the end", last=True)
        self.note("== all is deleted")
        for e in self.experiments():
            self.as_user(lambda e=e: self.user.delete(EXPERIMENTS, e["metadata"]["name"], e["metadata"]["namespace"]))
        self.quiet()
        trials = {t["metadata"]["uid"]: t for t in self.trials()}
        for resource in (EXPERIMENTS, TRIALS, JOBS, SUGGESTIONS):
            for left in self.cluster.objects[resource.kind].values():
                owner = left if resource != JOBS else trials.get(self.of[left["metadata"]["uid"]], left)
                if resource == EXPERIMENTS or not (is_orphan(left) or is_orphan(owner)):
                    self.fail(f"{resource.kind} {left['metadata']['name']} is left")
        if self.life.parts.states._by_uid:
            self.fail(f"states are left: {list(self.life.parts.states._by_uid)}")
        if self.life.parts.states._dirty:
            self.fail(f"news are left: {self.life.parts.states._dirty}")
        if self.life.parts.starts._allowed or self.life.parts.starts._begun:
            self.fail(f"permissions are left: {self.life.parts.starts._allowed}")
        for name in ("_ended", "_waits", "_deleted", "_disrupted", "_unsure"):
            if left := getattr(self.life.operator._trial_controller, name):
                self.fail(f"{name} is left: {left}")

    def step(self):
        try:
            if self.life.dead and self.rng.random() < 0.2:
                self.note("== a new operator")
                self.life = Life(self)
            if self.rng.random() < 0.12:
                self.act()
            elif not self.one_step():
                self.advance()
        except Killed:
            self.depth = 0

    def quiet(self, *, seconds=200.0):
        """Everything is well from now on: go on until nothing changes any more."""
        self.quieting = True
        self.faults, self.store_down, self.suggestions_down = 0.0, False, False
        if self.life.dead:
            self.note("== a new operator")
            self.life = Life(self)
        self.life.die_before = 0
        since, length, steps = self.clock.passed, len(self.cluster._log), 0
        total = 0
        while True:
            total += 1
            if total > 30000:
                self.fail("never quiet")
                return
            if len(self.cluster._log) != length:
                length, since, steps = len(self.cluster._log), self.clock.passed, 0
            steps += 1
            if steps > 3000:
                self.fail("a hot loop: 3000 steps without a change")
                return
            if self.one_step():
                continue
            due = self.life.next_due()
            if due is None or self.clock.passed - since > seconds:
                if due is None and self.life.parts.recorder._wake.is_set():
                    continue
                return
            self.clock.passed += max(due - self.clock.monotonic(), 0) + 0.001

    def settle(self, when, last=False):
        self.note(f"== {when}")
        self.quiet()
        writes = self.cluster.writes
        for watch in self.life.watches:
            watch.relist()
        self.quiet()
        if self.cluster.writes != writes:
            self.fail(f"{when}: {self.cluster.writes - writes} writes though nothing had changed")
        for e in list(self.cluster.objects["Experiment"].values()):
            self.check(e, when, last)
        trials = {t["metadata"]["uid"]: t for t in self.cluster.objects["Trial"].values()}
        for job in self.cluster.objects["Job"].values():
            owner = trials.get(self.of[job["metadata"]["uid"]])
            if owner is None and is_orphan(job):
                continue
            if owner is None or (state(owner) in ENDED and not owner["spec"].get("retainRun")):
                self.fail(f"{when}: job {job['metadata']['name']} is left")

    def check(self, e, when, last):
        """What has to be true of an experiment when nothing changes any more."""
        name = f"{when}: {e['metadata']['namespace']}/{e['metadata']['name']}"
        trials, now = self.trials(e), condition(e)
        own = [each for each in trials if not is_imported(each)]
        is_over = now.get("type") in FINAL
        if is_over and (status(e).get("trials") or 0) > len(own):
            return  # some were deleted after its end
        self.check_counts(name, e, own)
        self.check_optimum(name, e, trials)
        active = [each for each in own if state(each) not in ENDED]
        if is_over:
            self.check_over(name, e, active)
        else:
            self.check_progress(name, e, own, active, last=last)

    def check_counts(self, name, e, own):
        counted = Counter(state(each) or "Created" for each in own)
        fields = {"Created": "Pending", **{each: each for each in ("Running", "EarlyStopped", *ENDED[:3])}}
        wanted = {f"trials{field}": counted[kind] for kind, field in fields.items()}
        wanted |= {"trials": len(own), "trialMetricsUnavailable": counted["MetricsUnavailable"]}
        told = {field: status(e).get(field) or 0 for field in wanted}
        if told != wanted:
            self.fail(f"{name}: the status says {told}, there are {wanted}")

    def check_optimum(self, name, e, trials):
        found = {
            each["metadata"]["name"]: float(status(each)["observation"]["metrics"][0]["latest"])
            for each in trials
            if state(each) in ("Succeeded", "EarlyStopped") and status(each).get("observation")
        }
        best = (status(e).get("currentOptimalTrial") or {}).get("bestTrialName")
        if found.get(best) != min(found.values(), default=None):
            self.fail(f"{name}: the optimum is {best} of {found}")

    def check_over(self, name, e, active):
        if active:
            self.fail(f"{name} is over, and {[each['metadata']['name'] for each in active]} are not")
        suggestion = self.cluster.objects["Suggestion"].get((e["metadata"]["namespace"], e["metadata"]["name"]))
        if suggestion is None and e["metadata"]["uid"] in self.unsuggested:
            return
        if suggestion is None or (state(e) == "Succeeded" and state(suggestion) != "Succeeded"):
            self.fail(f"{name} is over, and its Suggestion is {state(suggestion or {})}")

    def check_progress(self, name, e, own, active, *, last):
        """What is not over gets on, or says why it does not."""
        spec = e["spec"]
        if (e["metadata"].get("annotations") or {}).get("katib.kubeflow.org/stop") == "true":
            self.fail(f"{name} was to stop")
        if not active or last:
            self.fail(f"{name} is {state(e)} ({condition(e).get('message')}), and nothing of it runs")
        places = spec["parallelTrialCount"]
        if spec.get("maxTrialCount") is not None:
            places = min(places, spec["maxTrialCount"] - (len(own) - len(active)))
        running = [each for each in active if state(each) == "Running"]
        for each in active if len(running) < places else running:
            job = self.cluster.objects["Job"].get((each["metadata"]["namespace"], each["metadata"]["name"]))
            said = f"{name}: {each['metadata']['name']} is {state(each)} {condition(each).get('reason')}"
            if job is None or job["metadata"].get("deletionTimestamp"):
                self.fail(f"{said}, and has no job")
            elif job["spec"].get("suspend"):
                if condition(each).get("reason") != "JobSuspended":
                    self.fail(f"{said}, and its job is suspended")
            elif self.is_done(job):
                self.fail(f"{said}, and its job has ended")
        if len(active) < places and spec["algorithm"]["algorithmName"] in ("random", "tpe", "sobol"):
            self.fail(f"{name}: {len(active)} run of {places}: {condition(e).get('message')}")
