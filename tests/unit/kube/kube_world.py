"""What the tests of watches share."""

import json
import random
import time

from katib.kube.client import Client
from katib.kube.reflector import Reflector
from katib.kube.resource import CONFIG_MAPS


def kubeconfig(url, folder, **user):
    """Write a kubeconfig; JSON is YAML."""
    path = folder / "kubeconfig"
    named = {
        "clusters": [{"name": "fake", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "there", "context": {"cluster": "fake", "user": "me"}}],
    }
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "there", **named}))
    return str(path)


def client_of(url, folder, *, request_timeout=5, **user):
    return Client.connect(kubeconfig=kubeconfig(url, folder, **user), request_timeout=request_timeout)


def until(true, seconds=20.0):
    """Wait until something holds; a test that fails waits longest."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


class Followed:
    """A reflector and what it told."""

    def __init__(self, client, *, pauses=(0.02, 0.2), idle_seconds=5.0, **options):
        self.told = []
        self.reflector = Reflector(
            client,
            CONFIG_MAPS,
            namespace="team",
            on_change=self._change,
            pauses=pauses,
            idle_seconds=idle_seconds,
            jitter=random.Random(1),
            **options,
        )

    def _change(self, old, new):
        what = "added" if old is None else "deleted" if new is None else "changed"
        self.told.append((what, (new or old)["metadata"]["name"]))

    def __enter__(self):
        if self.reflector._thread is None:
            self.reflector.start()
        return self

    def __exit__(self, *_):
        self.reflector.stop()

    @property
    def names(self):
        return sorted(obj["metadata"]["name"] for obj in self.reflector.items())

    def synced(self):
        self.__enter__()
        assert self.reflector.wait_synced(20)
        return self
