"""``KatibClient`` beside a server that is killed, that is not there, and that comes back."""

import re

import pytest

import katib as package
from katib.client.katib_client import KatibClient
from katib.client.views.progress import progress_view
from katib.errors import DeadlineExceeded, StoreUnavailable


def objective(x):
    import time

    time.sleep(0.2)
    return x


def started(katib, address="127.0.0.1:0"):
    server = katib.start("up", "--no-http", "--address", address)
    said = ""
    while not (found := re.search(r" on (\S+) \(", said)):
        line = server.stdout.readline()
        assert line, said
        said += line
    return server, found[1]


def test_a_server_that_is_killed_and_comes_back_costs_nothing(katib):
    server, address = started(katib)
    with KatibClient(address=address) as client:
        client.tune(
            name="survives",
            objective=objective,
            parameters={"x": package.search.double(0, 1)},
            max_trial_count=12,
            parallel_trial_count=4,
        )
        for thing in client.watch("survives"):
            if thing.kind == "Trial" and thing.status.completion_time:
                break
        server.kill()
        server.wait(30)
        started(katib, address)
        ended = client.wait_for_experiment_condition("survives", view=progress_view("none"))
        assert ended.status.trials_succeeded == ended.status.trials == 12
        assert list(client.trials_dataframe("survives").index) == list(range(12))


def test_a_server_that_is_not_there_is_said_with_its_address():
    with KatibClient(address="127.0.0.1:9", patience=0.2) as client:
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9") as caught:
            client.list_experiments()
        assert isinstance(caught.value, RuntimeError)
    said = r"no answer within 0\.2 s when asked to get experiment 'x'"
    with KatibClient(address="127.0.0.1:9", patience=30) as client, pytest.raises(DeadlineExceeded, match=said):
        client.get_experiment("x", timeout=0.2)
