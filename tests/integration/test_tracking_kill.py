"""The store server killed with writers at work: what it acknowledged is there, and what is sent again is there once."""

import itertools
import random
import threading
import time

import grpc
import pytest
from tracking_client import Client, connected, points

from katib.rpc import store_v1 as wire
from katib.testing.served import ServedStore

WRITERS = 8
ROUNDS = 3


class Writer(threading.Thread):
    """Appends to a run of its own and logs to it, for as long as the server answers."""

    def __init__(self, address, number):
        super().__init__()
        self.address = address
        self.run_id = f"writer{number}"
        self.streams = number % 2 == 0
        self.appended = 0
        self.logged = set()
        self.end = None

    def again(self, address):
        """Return a writer that goes on where this one knows it was."""
        other = Writer(address, int(self.run_id.removeprefix("writer")))
        other.appended, other.logged = self.appended, self.logged
        return other

    def run(self):
        with grpc.insecure_channel(self.address) as channel:
            client = Client(channel, "team-a")
            try:
                client.CreateRun(run_id=self.run_id, name=self.run_id)
                (self.stream if self.streams else self.single)(client)
            except grpc.RpcError as error:
                self.end = error

    def single(self, client):
        while True:
            reply = client.Append(
                run_id=self.run_id, first_sequence=self.appended, observations=points(self.appended, 2)
            )
            self.appended = reply.next_sequence
            step = len(self.logged)
            client.Log(run_id=self.run_id, observations=[{"metric": "logged", "text": "1", "step": step}])
            self.logged.add(step)

    def stream(self, client):
        requests = (
            wire.AppendRequest(
                namespace="team-a", run_id=self.run_id, first_sequence=number, observations=points(number, 1)
            )
            for number in itertools.count(self.appended)
        )
        for reply in client.AppendObservations(requests=requests, timeout=60):
            self.appended = reply.next_sequence


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'katib.db'}"
    return request.getfixturevalue("postgresql").new_store()


def test_killed_under_load(url):
    chance = random.Random("kill")
    writers = [Writer("", number) for number in range(WRITERS)]
    for _ in range(ROUNDS):
        with ServedStore("--url", url) as server:
            assert server.address, server.log
            writers = [writer.again(server.address) for writer in writers]
            started = [(writer, writer.appended) for writer in writers]
            for writer in writers:
                writer.start()
            until = time.monotonic() + 60
            while any(writer.appended == before for writer, before in started) and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(chance.random())
            server.process.kill()
            server.process.wait()
            for writer in writers:
                writer.join()
                assert writer.end.code() is grpc.StatusCode.UNAVAILABLE, writer.end
    with ServedStore("--url", url) as server, connected(server, "team-a") as client:
        for writer in writers:
            found = client.ListObservations(run_id=writer.run_id, page_size=100_000).observations
            loss = [each for each in found if each.metric == "loss"]
            assert len(loss) >= writer.appended > 0
            assert [each.text for each in loss] == [each["text"] for each in points(0, len(loss))]
            steps = [each.step for each in found if each.metric == "logged"]
            assert len(set(steps)) == len(steps)
            assert set(steps) >= writer.logged
            # What was on its way comes again, and changes nothing.
            following = client.Append(run_id=writer.run_id, first_sequence=0, observations=points(0, len(loss)))
            assert following.next_sequence == len(loss)
            run = client.GetRun(run_id=writer.run_id)
            assert {metric.name: metric.count for metric in run.metrics}["loss"] == len(loss)
