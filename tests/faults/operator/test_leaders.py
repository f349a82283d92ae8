"""Several operators take turns: one acts, and one that was stopped for too long does nothing any more."""

import json
import signal
import time

from world import experiment, state, status, tell

LEASE = 6.0
"""Seconds; the shortest that a loaded machine keeps."""


def writes(audit, agent):
    """What an operator changed, as the API server wrote it down: when, and what; requests it refused are left out."""
    found = []
    for line in audit.read_text().splitlines():
        event = json.loads(line)
        if event["userAgent"] == agent and event.get("responseStatus", {}).get("code", 0) < 300:
            thing = event["objectRef"]
            found.append((event["stageTimestamp"], event["verb"], thing["resource"], thing.get("name", "")))
    return found


def test_a_leader_that_was_stopped_writes_nothing_when_it_wakes_up(world, start, audit):
    agents = [f"{world.namespace}-{number}" for number in (1, 2)]
    more = {"lease_seconds": LEASE, "lease_namespace": world.namespace}
    first = start(world, user_agent=agents[0], **more)
    world.create(experiment(rule="seconds=0.4", trials=30, parallel=3))
    world.until(lambda: "Succeeded" in world.states(), what="the first one leads")
    second = start(world, user_agent=agents[1], **more)
    time.sleep(1)
    assert [what for what in writes(audit, agents[1]) if what[2] != "leases"] == []
    first.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    world.until(lambda: [what for what in writes(audit, agents[1]) if what[2] != "leases"], what="the second one leads")
    tell(f"taken over after {time.monotonic() - stopped:.1f} s, of which {LEASE:.0f} s are the lease")
    before = writes(audit, agents[0])
    first.signal(signal.SIGCONT)
    ended = world.ended(seconds=120)
    first.wait()
    time.sleep(0.5)
    assert writes(audit, agents[0]) == before
    assert second.alive
    assert state(ended) == "Succeeded"
    assert world.states() == ["Succeeded"] * 30
    assert not [uids for uids in world.uids["Job"].values() if len(uids) > 1]
    assert world.most["search"] <= 3


def test_a_leader_that_is_told_to_end_hands_over_at_once(world, start, audit):
    agents = [f"{world.namespace}-{number}" for number in (1, 2)]
    more = {"lease_seconds": 20.0, "lease_namespace": world.namespace}
    first = start(world, user_agent=agents[0], **more)
    world.create(experiment("before", trials=1, parallel=1))
    world.ended("before")
    start(world, user_agent=agents[1], **more)
    time.sleep(1)
    world.create(experiment(rule="seconds=0.5", trials=8))
    world.until(lambda: "Succeeded" in world.states(), what="the first one leads")
    stopped = time.monotonic()
    first.stop()
    world.until(
        lambda: [what for what in writes(audit, agents[1]) if what[2] != "leases"], seconds=40, what="the second leads"
    )
    tell(f"handed over after {time.monotonic() - stopped:.1f} s")
    assert state(world.ended()) == "Succeeded"


def test_a_new_operator_writes_nothing_of_what_is_finished(world, start, audit):
    """As the API server keeps it, with its defaults and times."""
    first = start(world)
    plain = experiment(trials=2)
    plain["metadata"]["labels"] = {"team": "blue"}
    world.create(plain)
    points = [{"parameterAssignments": [{"name": "lr", "value": "0.02"}], "metrics": [{"name": "loss", "value": "1"}]}]
    settings = [{"name": "min_trials_required", "value": "1"}, {"name": "start_step", "value": "1"}]
    stopping = {"algorithmName": "medianstop", "algorithmSettings": settings}
    more = {"settings": [("n_startup_trials", "1")], "earlyStopping": stopping, "initialTrials": points}
    world.create(experiment("stopping", algorithm="tpe", trials=2, **more))
    world.create(experiment("failing", trials=2, rule="end=fail", maxFailedTrialCount=1))
    found = {name: state(world.ended(name)) for name in ("search", "stopping", "failing")}
    assert found == {"search": "Succeeded", "stopping": "Succeeded", "failing": "Failed"}
    # One that had not begun when its experiment failed is killed then; both counts are written within two seconds.
    world.until(
        lambda: (
            not world.jobs()
            and not any(
                status(world.get(name)).get(f"trials{each}") for name in found for each in ("Running", "Pending")
            )
        ),
        what="all is told",
    )
    time.sleep(5)  # longer than counters are held back
    first.kill()
    agent = f"{world.namespace}-2"
    start(world, user_agent=agent)
    world.create(experiment("last", trials=1, parallel=1))
    world.ended("last")
    assert [what for what in writes(audit, agent) if not what[3].startswith("last")] == []
