"""Servers that are away for a while, killed or hanging: nothing is lost, nobody is hammered, and what is waited for is said."""

import re
import time

import pytest
from relay import Relay
from world import condition, experiment, state, status, tell

from katib.operator.kinds import SUGGESTIONS

AWAY = 8.0
"""Seconds in which requests are counted. A longer outage has fewer of them, as pauses grow."""
UNDER_WAY = 6.0
"""Seconds in which what was under way when a server went is tried again a few times."""


def rates(before, after, seconds):
    """Requests per second by resource."""
    counted = {}
    for (_, resource, _), count in after.items():
        name = resource.partition("/")[0]
        counted[name] = counted.get(name, 0) + count
    for (_, resource, _), count in before.items():
        name = resource.partition("/")[0]
        counted[name] = counted.get(name, 0) - count
    return {name: count / seconds for name, count in counted.items() if count}


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_the_api_server_is_away(plane, world, start, how):
    operator = start(world)
    world.create(experiment(rule="seconds=0.5", trials=8, parallel=3))
    world.until(lambda: "Succeeded" in world.states(), what="the first trial has ended")
    plane.kill("apiserver") if how == "killed" else plane.hang("apiserver")
    time.sleep(UNDER_WAY)
    before, began = operator.counts, time.monotonic()
    time.sleep(AWAY)
    found = rates(before, operator.counts, time.monotonic() - began)
    plane.start("apiserver") if how == "killed" else plane.resume("apiserver")
    tell(f"{how}: requests per second and resource while away: {found}")
    assert max(found.values(), default=0) <= 1.0, found
    assert operator.alive
    assert state(world.ended(seconds=120)) == "Succeeded"
    assert world.states() == ["Succeeded"] * 8
    assert not [uids for uids in world.uids["Job"].values() if len(uids) > 1]
    assert world.most["search"] <= 3


def test_the_api_server_cannot_be_reached_and_is_not_hammered(plane, world, start, tmp_path):
    """As before with other eyes: connections are counted on the way, whatever the operator believes of itself."""
    text = plane.kubeconfig.read_text()
    address = re.search(r'"server": "https://([^"]+)"', text).group(1)
    with Relay(address) as relay:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(text.replace(address, relay.address))
        start(world, kubeconfig=kubeconfig)
        world.create(experiment(rule="seconds=0.5", trials=6, parallel=3))
        world.until(lambda: "Succeeded" in world.states(), what="the first trial has ended")
        relay.go_away()
        time.sleep(UNDER_WAY)
        before, began = relay.connections, time.monotonic()
        time.sleep(AWAY)
        rate = (relay.connections - before) / (time.monotonic() - began)
        relay.come_back()
        tell(f"connections per second while away: {rate:.2f}")
        assert rate <= 6, "there are five watches and the workers"
        assert state(world.ended(seconds=90)) == "Succeeded"
        assert world.states() == ["Succeeded"] * 6


def test_a_store_that_is_away_delays_results_and_fails_nothing(world, start, store_relay):
    start(world, store_address=store_relay.address)
    world.create(experiment(rule="seconds=0.5", trials=8, parallel=4))
    world.until(lambda: len(world.jobs()) == 4, what="four run")
    store_relay.go_away()
    waiting = world.reason_is("WaitingForStore", seconds=40)
    assert state(waiting) == "Running"
    before, began = store_relay.connections, time.monotonic()
    time.sleep(3)
    rate = (store_relay.connections - before) / (time.monotonic() - began)
    tell(f"connections to the store per second while away: {rate:.2f}")
    assert rate <= 2
    assert set(world.states()) == {"Running"}
    store_relay.come_back()
    ended = world.ended()
    assert state(ended) == "Succeeded"
    assert world.states() == ["Succeeded"] * 8
    assert all(status(trial)["observation"]["metrics"] for trial in world.trials())


def test_a_store_that_is_away_fails_no_trial_whose_time_is_over_meanwhile(world, start, store_relay):
    """Its job was complete in time; only its metrics could not be read."""
    start(world, store_address=store_relay.address)
    world.create(experiment(rule="seconds=1", trials=3, parallel=3, trialTimeout="4s"))
    world.until(lambda: len(world.jobs()) == 3, what="three run")
    store_relay.go_away()
    time.sleep(6)
    assert set(world.states()) == {"Running"}
    store_relay.come_back()
    assert state(world.ended()) == "Succeeded"
    assert world.states() == ["Succeeded"] * 3


def test_an_experiment_is_stopped_also_while_the_store_is_away(world, start, store_relay):
    start(world, store_address=store_relay.address)
    world.create(experiment(rule="end=never", trials=4))
    world.until(lambda: len(world.jobs()) == 2, what="two run")
    store_relay.go_away()
    world.annotate(stop="true")
    assert state(world.ended()) == "Stopped"
    assert world.states() == ["Killed", "Killed"]


def test_an_experiment_begins_without_a_store_and_is_recorded_later(world, start, store_relay, store):
    from katib.rpc.store_client import StoreClient

    store_relay.go_away()
    start(world, store_address=store_relay.address)
    world.create(experiment(rule="seconds=0.3", trials=4, parallel=2))
    world.until(lambda: len(world.jobs()) == 2, what="two run")
    time.sleep(2)
    store_relay.come_back()
    assert state(world.ended()) == "Succeeded"
    names = [trial["metadata"]["name"] for trial in world.trials()]
    from katib.api.parse import parse_experiment

    with StoreClient(store.address) as client:
        read = parse_experiment({key: value for key, value in world.get().items() if key != "status"})
        world.until(lambda: len(client.summaries(read, names)) == 4, what="the store knows them")


def test_a_suggestion_server_that_is_away_is_waited_for_and_named(world, start, suggestion_relay):
    suggestion_relay.go_away()
    start(world, suggestion_address=suggestion_relay.address)
    world.create(experiment(trials=4))

    def told():
        suggestion = world.find(resource=SUGGESTIONS)
        message = condition(world.get()).get("message", "")
        return message if suggestion and suggestion_relay.address in message else ""

    said = world.until(told, seconds=40, what="the experiment says what it waits for")
    assert state(world.get()) == "Running"
    tell(said)
    before, began = suggestion_relay.connections, time.monotonic()
    time.sleep(4)
    assert (suggestion_relay.connections - before) / (time.monotonic() - began) <= 1.5
    suggestion_relay.come_back()
    ended = world.ended(seconds=90)
    assert state(ended) == "Succeeded"
    assert condition(ended)["message"] == "Experiment has succeeded because max trial count has reached"
    assert suggestion_relay.address not in str(status(ended))
    assert suggestion_relay.address not in str(status(world.get(resource=SUGGESTIONS)))
