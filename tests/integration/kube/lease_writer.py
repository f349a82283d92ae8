"""A process that writes as fast as it can while it leads: a line for each write, with who wrote and when."""

import sys
import threading
import time

from katib.errors import KatibError
from katib.kube.client import Client
from katib.kube.errors import NotLeading
from katib.kube.lease import LeaderElection, LeaseTimes
from katib.kube.resource import CONFIG_MAPS


def say(*words):
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def main():
    kubeconfig, namespace, name, *times = sys.argv[1:]
    client = Client.connect(kubeconfig=kubeconfig, request_timeout=2)
    election = LeaderElection(
        client, namespace=namespace, name="writers", identity=name, times=LeaseTimes(*(float(each) for each in times))
    )
    fenced = client.fenced(election.check)
    stop = threading.Event()

    def write():
        number = 0
        while election.is_leading:
            number += 1
            try:
                document = {"metadata": {"name": "shared"}, "data": {"writer": name, "number": str(number)}}
                written = fenced.merge_patch(CONFIG_MAPS, "shared", document, namespace)
            except NotLeading:
                say("fenced", name)
                return
            except KatibError as error:
                say("failed", name, str(error))
                continue
            say("wrote", name, written["metadata"]["resourceVersion"])
            time.sleep(0.01)

    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    election.run(write, lambda: say("lost", name), stop)


main()
