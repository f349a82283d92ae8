"""What is said of trials of which nothing comes to the store."""

from types import SimpleNamespace

import pytest

from katib.errors import StoreUnavailable
from katib.operator import silence
from katib.operator.silence import Silence

KEY = ("team", "search-abc")


def pod(*, collects=True):
    state = {"running": {}} if collects else {"terminated": {"exitCode": 0}}
    return {
        "metadata": {"name": "search-abc-x"},
        "status": {"initContainerStatuses": [{"name": "katib-collector", "state": state}]},
    }


class Store:
    def __init__(self):
        self.asked = []
        self.answer = {}

    def summaries(self, _, name):
        self.asked.append(name)
        if self.answer is None:
            raise StoreUnavailable("it is away")
        return self.answer


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(silence, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def test_a_long_silence_is_told_with_the_log_to_read_until_something_comes(clock):
    store = Store()
    found = Silence(store)
    assert found.of(KEY, None, [pod()]) == ("", 300.0)
    clock.seconds += 299
    assert found.of(KEY, None, [pod()]) == ("", 1.0)
    assert store.asked == []
    clock.seconds += 1
    said, again = found.of(KEY, None, [pod()])
    assert said == (
        "nothing that it reported has come to the store in 5 minutes; whether its collector can get there says "
        "`kubectl logs search-abc-x -c katib-collector`"
    )
    assert again == 60.0
    clock.seconds += 30
    assert found.of(KEY, None, [pod()]) == (said, 30.0)
    assert store.asked == ["search-abc"]
    clock.seconds += 30
    store.answer = None
    assert found.of(KEY, None, [pod()]) == (said, 60.0)
    clock.seconds += 60
    store.answer = {"loss": object()}
    assert found.of(KEY, None, [pod()]) == ("", None)
    clock.seconds += 3600
    assert found.of(KEY, None, [pod()]) == ("", None)
    assert len(store.asked) == 3


def test_who_is_not_collected_is_not_asked_about(clock):
    store = Store()
    found = Silence(store)
    for pods in ([], [pod(collects=False)], [{"metadata": {"name": "plain"}}]):
        assert found.of(KEY, None, pods) == ("", None)
        clock.seconds += 3600
    assert store.asked == []


def test_a_trial_that_was_forgotten_is_a_new_one(clock):
    store = Store()
    found = Silence(store)
    found.of(KEY, None, [pod()])
    clock.seconds += 400
    assert found.of(KEY, None, [pod()])[0]
    found.forget(KEY)
    assert found.of(KEY, None, [pod()]) == ("", 300.0)
