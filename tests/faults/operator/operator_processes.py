"""Operators as processes that can be killed, stopped and counted, each a fork of one that has imported everything: a start costs little.

Run as a program it is that process: a line of JSON on its standard input starts an operator, a line of standard output is its pid.
An operator ends by itself, as if by SIGKILL, before its n-th action, if it is told so: an action is a write to the API server, or a call
of the store or of the suggestion server.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

READY = "ready"


class OperatorProcess:
    """One operator; killed when it is left (``with``)."""

    def __init__(self, pid, folder):
        self.pid = pid
        self._folder = folder

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.alive:
            self.signal(signal.SIGCONT)
            self.kill()

    @property
    def alive(self):
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    @property
    def log(self):
        return (self._folder / "log").read_text()

    @property
    def counts(self):
        """Its requests of the API server by (verb, resource, code), up to now."""
        with contextlib.suppress(OSError, ValueError):
            return {tuple(key): count for key, count in json.loads((self._folder / "counts").read_text())["requests"]}
        return {}

    @property
    def actions(self):
        """How many actions it has begun, up to now."""
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self._folder / "counts").read_text())["actions"]
        return 0

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait()

    def wait(self, seconds=30):
        until = time.monotonic() + seconds
        while self.alive:
            assert time.monotonic() < until, f"the operator does not end:\n{self.log[-2000:]}"
            time.sleep(0.02)


class OperatorProcesses:
    """Starts operators; all of them end with it (``with``)."""

    def __init__(self, folder):
        self._folder = folder
        self._numbers = itertools.count()
        self._started = []
        self._lock = threading.Lock()

    def __enter__(self):
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout.readline().strip() == READY
        return self

    def __exit__(self, *_):
        for process in self._started:
            process.__exit__()
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()

    def start(self, kubeconfig, *, die_before=0, user_agent="katib-operator", lease_seconds=0.0, **settings):
        """Start an operator.

        Args:
            kubeconfig: Of its cluster.
            die_before: The number of the action before which it dies; 0 is never.
            user_agent: What it calls itself.
            lease_seconds: How long it holds a lease; 0 is an operator without.
            settings: Of ``OperatorSettings``.
        """
        with self._lock:
            folder = self._folder / f"operator-{next(self._numbers)}"
            folder.mkdir(parents=True)
            order = {
                "kubeconfig": str(kubeconfig),
                "die_before": die_before,
                "user_agent": user_agent,
                "lease_seconds": lease_seconds,
                "settings": settings,
                "folder": str(folder),
            }
            self._server.stdin.write(json.dumps(order) + "\n")
            self._server.stdin.flush()
            process = OperatorProcess(int(self._server.stdout.readline()), folder)
            self._started.append(process)
            return process


def _say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _serve():
    # What every fork needs is imported once.
    import kubernetes.client  # noqa: F401
    import prometheus_client  # noqa: F401

    import katib.kube.client
    import katib.operator.running  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _say(READY)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                _operate(json.loads(line))
            finally:
                os._exit(1)
        _say(pid)


def _operate(order):
    import logging
    from collections import Counter

    from katib.kube.client import Client
    from katib.kube.lease import LeaseTimes
    from katib.operator.running import Operator
    from katib.operator.settings import OperatorSettings
    from katib.rpc.store_client import StoreClient
    from katib.rpc.suggestion_client import SuggestionClient

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder = Path(order["folder"])
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("urllib3").setLevel(logging.ERROR)

    lock, actions = threading.Lock(), Counter()

    def act():
        with lock:
            actions["all"] += 1
            if actions["all"] == order["die_before"]:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)

    def counted(method):
        def call(*arguments, **more):
            act()
            return method(*arguments, **more)

        return call

    for kind, names in (
        (StoreClient, ("record_experiment", "record_trials", "mark_deleted", "summaries", "series")),
        (SuggestionClient, ("suggest",)),
    ):
        for name in names:
            setattr(kind, name, counted(getattr(kind, name)))
    client = Client.connect(kubeconfig=order["kubeconfig"], user_agent=order["user_agent"], before_write=act)

    def tell():
        while True:
            counts = [[list(key), count] for key, count in client.requests.counts().items()]
            text = json.dumps({"requests": counts, "actions": actions["all"]})
            (folder / "counts.new").write_text(text)
            (folder / "counts.new").replace(folder / "counts")
            time.sleep(0.1)

    threading.Thread(target=tell, daemon=True).start()
    settings = dict(order["settings"])
    if order["lease_seconds"]:
        seconds = order["lease_seconds"]
        settings["lease_times"] = LeaseTimes(seconds, seconds * 2 / 3, seconds / 5)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    told = Operator(OperatorSettings(leader_election=bool(order["lease_seconds"]), **settings), client).run(stop)
    os._exit(0 if told else 3)


if __name__ == "__main__":
    _serve()
