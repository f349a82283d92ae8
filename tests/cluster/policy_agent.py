"""NetworkPolicies enforced for some pods of this machine's own cluster, whose network plugin enforces none.

``network_policies/`` (Go) decides by the policies of the whole cluster, as kube-network-policies does on real nodes; which packets it is
asked about is said here, with rules of iptables for the addresses of those pods. When it ends, all packets pass again.
"""

import contextlib
import ctypes
import hashlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from singlenode import checks, network
from singlenode.layout import NODE, Layout
from singlenode.processes import CLUSTER_MARK, PART_MARK
from singlenode.programs import alone

_MODULE = Path(__file__).parent / "network_policies"
_QUEUE = 7067
_CHAINS = {"POSTROUTING": "KATIB-TEST-FORWARDED", "INPUT": "KATIB-TEST-TO-NODE"}
_SET_DEATH_SIGNAL = 1


@contextlib.contextmanager
def enforced(kubernetes, namespace, log):
    """Enforce the policies for all pods of a namespace, also for those that come later."""
    layout = Layout.of_environment()
    if kubernetes.kubeconfig.absolute() != layout.kubeconfig.absolute():
        pytest.skip("NetworkPolicies are enforced on this machine's own cluster; what another one does is not known")
    program = _built(layout)
    # A part of the cluster, which nobody takes for a stranger in its network and which goes with it.
    environment = {**os.environ, CLUSTER_MARK: str(layout.folder), PART_MARK: "network-policies"}
    words = [*network.INSIDE, program, f"--kubeconfig={layout.kubeconfig}", f"--node={NODE}", f"--queue={_QUEUE}"]
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("w"))
        agent = subprocess.Popen(
            words,
            env=environment,
            stdout=output,
            stderr=output,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call
        )
        stack.callback(_end, agent)
        _listens(agent, log)
        stack.callback(_remove_rules)
        _remove_rules()
        _write_rules(())
        for hook, chain in _CHAINS.items():
            _iptables("--insert", hook, "--jump", chain)
        stop = threading.Event()
        follower = threading.Thread(target=_follow, args=(kubernetes, namespace, stop))
        follower.start()
        stack.callback(follower.join)
        stack.callback(stop.set)
        yield
        assert agent.poll() is None, log.read_text()[-2000:]


def _built(layout):
    if checks.program("go") is None:
        pytest.skip("what enforces NetworkPolicies is built with Go, which is not there")
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(_MODULE.iterdir()))).hexdigest()[:12]
    target = layout.cache / "network-policies" / digest
    with alone(layout.cache / "network-policies.lock", "build of network-policies"):
        if not target.exists():
            new = target.with_name(f".{digest}")
            done = subprocess.run(
                ["go", "build", "-mod=readonly", "-trimpath", "-o", new, "."],
                cwd=_MODULE,
                env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-2000:]
            new.rename(target)
            for old in target.parent.iterdir():
                if old != target:
                    old.unlink()
    return target


def _end_with_parent():
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


def _end(agent):
    agent.terminate()
    try:
        agent.wait(10)
    except subprocess.TimeoutExpired:
        agent.kill()
        agent.wait()


def _listens(agent, log):
    """Wait until packets of the queue are asked for."""
    queues = [*network.INSIDE, "cat", "/proc/net/netfilter/nfnetlink_queue"]
    until = time.monotonic() + 60
    while time.monotonic() < until and agent.poll() is None:
        found = subprocess.run(queues, capture_output=True, text=True, check=False)
        if found.returncode:
            pytest.skip("this kernel has no queues of netfilter (CONFIG_NETFILTER_NETLINK_QUEUE)")
        if any(line.split()[0] == str(_QUEUE) for line in found.stdout.splitlines()):
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


def _iptables(*words):
    subprocess.run([*network.INSIDE, "iptables", "--wait", "--table", "mangle", *words], check=True)


def _write_rules(addresses):
    """Have new connections from and to addresses asked about; a kubelet's own are its business."""
    lines = ["*mangle", *(f":{chain} - [0:0]" for chain in _CHAINS.values())]
    lines += [f"-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN" for chain in _CHAINS.values()]
    lines.append(f"-A {_CHAINS['POSTROUTING']} -m owner --uid-owner 0 -j RETURN")
    for chain in _CHAINS.values():
        for address in addresses:
            for side in ("-s", "-d"):
                lines.append(f"-A {chain} {side} {address} -j NFQUEUE --queue-num {_QUEUE} --queue-bypass")
    subprocess.run(
        [*network.INSIDE, "iptables-restore", "--wait", "--noflush"],
        input="\n".join([*lines, "COMMIT", ""]),
        text=True,
        check=True,
    )


def _remove_rules():
    """Remove what this process or a killed one put there."""
    for hook, chain in _CHAINS.items():
        for words in (("--delete", hook, "--jump", chain), ("--flush", chain), ("--delete-chain", chain)):
            with contextlib.suppress(subprocess.CalledProcessError):
                subprocess.run(
                    [*network.INSIDE, "iptables", "--wait", "--table", "mangle", *words],
                    check=True,
                    capture_output=True,
                )


def _follow(kubernetes, namespace, stop):
    known = ()
    while not stop.wait(0.2):
        words = ("pods", "--namespace", namespace, "--output=jsonpath={.items[*].status.podIP}")
        now = tuple(sorted(kubernetes.kubectl("get", *words, check=False).split()))
        if now != known and all(part.isdecimal() for address in now for part in address.split(".")):
            _write_rules(now)
            known = now
