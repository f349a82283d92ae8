"""A double of the Job controller: Jobs that name it in ``spec.managedBy`` run, report and end without any pod.

With it an operator is tried on a control plane alone, at any size and speed. A Job says in its annotation ``katib.test/rule`` what becomes
of it; without one it reports once and is complete at once. How a report reaches the store is the caller's choice.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from katib.errors import KatibError
from katib.kube.errors import NotFound
from katib.kube.reflector import Reflector
from katib.kube.resource import JOBS
from katib.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from katib.kube.client import Client

__all__ = ["CONTROLLER", "RULE", "JobDouble", "Rule", "Run", "loss_of"]

CONTROLLER: Final = "katib.test/double"
"""For ``spec.managedBy`` of a Job."""
RULE: Final = "katib.test/rule"
"""The annotation of a Job with its rule."""

_LOGGER: Final = logging.getLogger(__name__)
_LABEL: Final = "katib.kubeflow.org/trial"
_PAUSE: Final = 0.5
"""Seconds after which what did not work is tried again."""
_NUMBER: Final = re.compile(r"^--[\w-]+=([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)$")


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a Job: words ``name=value`` in its annotation, in any order.

    Attributes:
        seconds: How long it runs.
        end: How it ends: ``complete``, ``fail``, or ``never``.
        reports: How often it reports, evenly in its time and the last time before it ends; 0 is never.
        late: Seconds after its end when the last report comes.
        metric: What it reports.
        value: The last value; by default ``loss_of`` its arguments. Earlier ones are greater by 1 for each report that follows.
        message: Why it failed.

    Example::

        Rule.of({"metadata": {"annotations": {"katib.test/rule": "seconds=0.5 end=fail"}}})
    """

    seconds: float = 0.0
    end: str = "complete"
    reports: int = 1
    late: float = 0.0
    metric: str = "loss"
    value: float | None = None
    message: str = "Told to fail"

    _READ: ClassVar[dict[str, Callable[[str], Any]]] = {
        "seconds": float,
        "reports": int,
        "late": float,
        "value": float,
    }

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> Self:
        """Return the rule of a Job.

        Raises:
            ValueError: A word of it means nothing.
        """
        text = (job["metadata"].get("annotations") or {}).get(RULE, "")
        known = {field.name for field in fields(cls)}
        found: dict[str, Any] = {}
        for word in text.split():
            name, _, value = word.partition("=")
            if name not in known:
                message = f"{RULE}: {word!r} is none of {', '.join(sorted(known))}"
                raise ValueError(message)
            found[name] = cls._READ.get(name, str)(value)
        return cls(**found)

    def due(self) -> Iterator[tuple[float, str]]:
        """Yield what happens, and after how many seconds."""
        for number in range(self.reports):
            last = number == self.reports - 1
            at = self.seconds * (number + 1) / self.reports
            if not (last and self.late):
                yield at, f"report {self.reports - 1 - number}"
        if self.end != "never":
            yield self.seconds, self.end
        if self.reports and self.late:
            yield self.seconds + self.late, "report 0"


@dataclass(slots=True)
class Run:
    """One Job as the double saw it.

    Attributes:
        namespace: Of the Job.
        name: Of the Job.
        uid: Of the Job; another Job of the same name has another.
        began: When it was seen (``time.monotonic``).
        done: How much of its rule was carried out.
        ended: When it was ended by the double.
        gone: When it was seen to be deleted.
    """

    namespace: str
    name: str
    uid: str
    began: float
    done: int = 0
    ended: float | None = None
    gone: float | None = None


class JobDouble:
    """Carries out Jobs for as long as it is open (``with``).

    Args:
        client: Of the cluster.
        report: Reports a trial's metrics to the store: called with namespace, trial, and values by name. What it raises is logged, and
            it is called again: a Job does not end before its metrics have arrived.
        namespace: The only one it works in; None for all of them.
        workers: Jobs that are worked on at a time.

    Attributes:
        runs: Every Job that was seen, by uid, in the order in which they were.

    Example::

        with JobDouble(Client.connect(), report) as double:
            ...
    """

    def __init__(
        self,
        client: Client,
        report: Callable[[str, str, Mapping[str, str]], None],
        *,
        namespace: str | None = None,
        workers: int = 4,
    ) -> None:
        self._client = client
        self._report = report
        self._queue: WorkQueue[tuple[str, str]] = WorkQueue()
        self._jobs = Reflector(client, JOBS, namespace=namespace, label_selector=_LABEL, on_change=self._changed)
        self._threads = [
            threading.Thread(target=self._work, name=f"job-double-{number}", daemon=True) for number in range(workers)
        ]
        self._lock = threading.Lock()
        self.runs: dict[str, Run] = {}

    def __enter__(self) -> Self:
        self._jobs.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.shut_down()
        self._jobs.stop()
        for thread in self._threads:
            thread.join(5.0)

    def runs_of(self, namespace: str) -> list[Run]:
        """Return the Jobs that were seen in a namespace."""
        with self._lock:
            return [run for run in self.runs.values() if run.namespace == namespace]

    def _changed(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        now = time.monotonic()
        with self._lock:
            if old is not None and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"]):
                run = self.runs.get(old["metadata"]["uid"])
                if run is not None:
                    run.gone = now
            if new is None or new["spec"].get("managedBy") != CONTROLLER:
                return
            metadata = new["metadata"]
            self.runs.setdefault(metadata["uid"], Run(metadata["namespace"], metadata["name"], metadata["uid"], now))
        self._queue.add((metadata["namespace"], metadata["name"]))

    def _work(self) -> None:
        while not self._queue.is_shut_down:
            key = self._queue.get(timeout=1.0)
            if key is None:
                continue
            again: float | None = None
            try:
                again = self._look(*key)
            except NotFound:
                pass  # it was deleted meanwhile
            except Exception as error:  # noqa: BLE001 - whatever is away now may come back
                _LOGGER.info("job %s/%s: %s", *key, error)
                again = _PAUSE
            finally:
                self._queue.done(key)
            if again is not None:
                with contextlib.suppress(KatibError):
                    self._queue.add_after(key, again)

    def _look(self, namespace: str, name: str) -> float | None:
        """Carry out what is due of one Job; returns after how many seconds more is."""
        job = self._jobs.get(namespace, name)
        if job is None or job["spec"].get("suspend") or job["metadata"].get("deletionTimestamp"):
            return None
        run = self.runs[job["metadata"]["uid"]]
        rule = Rule.of(job)
        for at, what in list(rule.due())[run.done :]:
            left = run.began + at - time.monotonic()
            if left > 0:
                return left
            if what.startswith("report"):
                value = (loss_of(job) if rule.value is None else rule.value) + int(what.split()[1])
                self._report(namespace, name, {rule.metric: repr(value)})
            elif not (job.get("status") or {}).get("conditions"):
                self._end(job, what, rule)
                run.ended = time.monotonic()
            run.done += 1
        return None

    def _end(self, job: Mapping[str, Any], how: str, rule: Rule) -> None:
        """Write the end as the Job controller does, which the API server checks."""
        metadata, now = job["metadata"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        first, last = ("SuccessCriteriaMet", "Complete") if how == "complete" else ("FailureTarget", "Failed")
        more = {} if how == "complete" else {"reason": "BackoffLimitExceeded", "message": rule.message}
        status: dict[str, Any] = {
            "startTime": now,
            "uncountedTerminatedPods": {},
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": now, "lastProbeTime": now, **more}
                for kind in (first, last)
            ],
        }
        status |= {"succeeded": 1, "completionTime": now} if how == "complete" else {"failed": 1}
        patch = {"metadata": {"uid": metadata["uid"]}, "status": status}
        self._client.merge_patch(JOBS, metadata["name"], patch, metadata["namespace"], subresource="status")


def loss_of(job: Mapping[str, Any]) -> float:
    """Return a loss of the numbers among a Job's arguments (``--name=0.5``): the sum of their squared distances from 0.03."""
    containers = job["spec"]["template"]["spec"]["containers"]
    words = [word for container in containers for word in (*container.get("command", ()), *container.get("args", ()))]
    matches = (_NUMBER.match(str(word)) for word in words)
    return sum((float(match.group(1)) - 0.03) ** 2 for match in matches if match)
