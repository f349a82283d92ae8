"""Collection under harm: a sidecar killed again and again, a store that is away, slow, full or says nonsense, a hostile trainer."""

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration" / "collection"))

from pod import LONGEST, Pod, build_launcher, wait_for

from katib.store import open_store
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import recorded

TRIAL = "search-0000"


@pytest.fixture(scope="session")
def launcher(tmp_path_factory):
    binary = build_launcher(tmp_path_factory.mktemp("launcher"))
    if binary is None:
        pytest.skip("no gcc: the launcher cannot be compiled")
    return binary


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "katib.db"
    with open_store(path) as store:
        recorded(store, trials=1)
    return path


@pytest.fixture
def make_pod(launcher, tmp_path):
    with contextlib.ExitStack() as stack:

        def make(**settings):
            pod = Pod(tmp_path, launcher, **settings)
            stack.callback(pod.close)
            return pod

        yield make


def texts(path):
    with open_store(path) as store:
        (experiment,) = store.experiments()
        return [each.text for each in store.series(experiment.uid, TRIAL, "loss")]


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def served(path, port=0):
    return ServedStore("--url", f"sqlite:///{path}", "--http-address", f"127.0.0.1:{port}")


def address(server):
    return f"http://{server.process.stdout.readline().split()[-1]}"


def printing(count, pause=0.0):
    program = f"import time\nfor i in range({count}):\n    print(f'noise {{i}}'); print(f'loss={{i}}', flush=True)\n"
    return (sys.executable, "-c", program + (f"    time.sleep({pause})\n" if pause else ""))


class TestKilledSidecar:
    @pytest.mark.parametrize("kind", ["StdOut", "Push"])
    def test_nothing_is_lost_and_nothing_comes_twice(self, make_pod, database, kind, record_property):
        count, choose = 8_000, random.Random(7)
        with served(database) as server:
            pod = make_pod(store=address(server), kind=kind)
            if kind == "StdOut":
                trainer = pod.start_trainer(*printing(count, 0.0005), stdout=subprocess.DEVNULL)
            else:
                program = (
                    f"import katib, time\nfor i in range({count}):\n    katib.report_metrics({{'loss': i}})\n"
                    "    time.sleep(0.0005)\n"
                )
                environment = {**os.environ, "KATIB_METRICS_FILE": str(pod.folder / "metrics.jsonl")}
                trainer = pod.start_trainer(sys.executable, "-c", program, env=environment)
            kills = 0
            while not (pod.folder / "ended").exists():
                sidecar = pod.start_sidecar()
                time.sleep(choose.uniform(0.1, 0.6))
                sidecar.kill()
                sidecar.wait()
                kills += 1
            pod.start_ready_sidecar()  # one that is told to end before it listens ends without a word
            assert trainer.wait(LONGEST) == 0
            assert pod.end_sidecar()["points"] == {"loss": count}
            record_property("kills", kills)
            assert kills > 2
        assert texts(database) == [str(number) for number in range(count)]

    def test_one_that_never_comes_back_does_not_hold_the_trial(self, make_pod):
        pod = make_pod()
        pod.start_sidecar().kill()
        trainer = pod.start_trainer("sh", "-c", "exit 4", options=("--patience", "0.5"))
        assert trainer.wait(LONGEST) == 4
        assert b"no sign of life for 0 s" in trainer.stderr.read()


class TestStoreAway:
    def test_results_are_late_and_no_trial_fails(self, make_pod, database):
        port = free_port()
        pod = make_pod(store=f"http://127.0.0.1:{port}")
        pod.start_sidecar()
        trainer = pod.start_trainer(*printing(1_000), stdout=subprocess.DEVNULL)
        wait_for((pod.folder / "ended").exists)
        with pytest.raises(subprocess.TimeoutExpired):
            trainer.wait(2)
        assert pod.log.count("the store takes no reports") == 1
        with served(database, port):
            assert trainer.wait(LONGEST) == 0
            assert pod.log.count("the store takes reports again") == 1
            assert pod.end_sidecar()["points"] == {"loss": 1_000}
        assert texts(database) == [str(number) for number in range(1_000)]

    def test_killed_in_the_middle_it_is_told_only_what_it_has_not(self, make_pod, database):
        port = free_port()
        pod = make_pod(store=f"http://127.0.0.1:{port}")
        pod.start_sidecar()
        trainer = pod.start_trainer(*printing(4_000, 0.001), stdout=subprocess.DEVNULL)
        for _ in range(4):
            with served(database, port) as server:
                time.sleep(0.7)
                server.process.kill()
                server.process.wait()
            time.sleep(0.3)
        with served(database, port):
            assert trainer.wait(LONGEST) == 0
        assert texts(database) == [str(number) for number in range(4_000)]

    def test_a_deleted_pod_says_what_it_could_not_send(self, make_pod):
        pod = make_pod(store="http://127.0.0.1:9")
        pod.start_sidecar()
        trainer = pod.start_trainer("sh", "-c", "echo loss=1; echo loss=2; sleep 60", options=("--grace", "0.3"))
        wait_for(lambda: (pod.folder / "spool.jsonl").exists() and b"loss" in (pod.folder / "spool.jsonl").read_bytes())
        trainer.terminate()
        assert trainer.wait(LONGEST) != 0
        pod.sidecar.terminate()
        wait_for(lambda: pod.last_words.exists() and pod.last_words.read_text())
        words = pod.words()
        assert (words["unsent"], words["stored"]) == (2, 0)
        assert words["trouble"] == "127.0.0.1 cannot be reached (Connection refused)"

    @pytest.mark.parametrize(
        "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", b"\x00\xff garbage\r\n\r\n"]
    )
    def test_an_answer_that_is_none_is_as_no_answer(self, make_pod, database, answer):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            pod = make_pod(store=f"http://127.0.0.1:{port}")
            asked = threading.Event()

            def talk_nonsense():
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        with connection:
                            connection.recv(65536)
                            connection.sendall(answer)
                        asked.set()

            threading.Thread(target=talk_nonsense, daemon=True).start()
            pod.start_sidecar()
            trainer = pod.start_trainer("echo", "loss=1")
            assert asked.wait(LONGEST)
            wait_for(lambda: "the store takes no reports" in pod.log)
            assert trainer.poll() is None
            listener.shutdown(socket.SHUT_RDWR)
        with served(database, port):
            assert trainer.wait(LONGEST) == 0
        assert texts(database) == ["1"]

    def test_a_store_that_does_not_answer_delays_neither_reading_nor_stopping(self, make_pod):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            rules = [{"name": "loss", "value": "2", "comparison": "greater", "start_step": 1}]
            pod = make_pod(store=f"http://127.0.0.1:{listener.getsockname()[1]}", rules=rules)
            pod.start_sidecar()
            trainer = pod.start_trainer("sh", "-c", "echo loss=3; exec sleep 60", options=("--grace", "1"))
            told = wait_for(lambda: (pod.folder / "ended").exists() and json.loads((pod.folder / "ended").read_text()))
            assert told["stopped"] is True
            trainer.terminate()
            assert trainer.wait(LONGEST) == 0


class TestHostileTrainer:
    @pytest.mark.parametrize(
        "harm", ["os.mkfifo(path)", "os.symlink('/etc/passwd', path)", "open(path, 'w').write('[' * 100000)"]
    )
    def test_what_it_does_to_the_folder_costs_only_its_own_metrics(self, make_pod, database, harm):
        program = (
            "import os, sys\n"
            "print('loss=1', flush=True)\n"
            "for name in ('heartbeat', 'collected', 'ended', 'run', 'stop', 'spool.jsonl', 'collected.new', 'metrics.jsonl'):\n"
            "    path = os.path.join(sys.argv[1], name)\n"
            "    if os.path.lexists(path): os.remove(path)\n"
            f"    {harm}\n"
        )
        before = Path("/etc/passwd").read_bytes()
        with served(database) as server:
            pod = make_pod(store=address(server))
            pod.start_ready_sidecar()
            trainer = pod.start_trainer(sys.executable, "-c", program, str(pod.folder), options=("--patience", "1"))
            assert trainer.wait(LONGEST) == 0
            pod.end_sidecar()
            assert "Traceback" not in pod.log
        assert Path("/etc/passwd").read_bytes() == before


class TestMuch:
    def test_much_output_passes_in_constant_space(self, make_pod, database, record_property):
        """Lines that say nothing are read at once and their space is given back; nothing of the metrics among them is lost."""
        program = (
            "import sys\n"
            "noise = b'x' * 199 + b'\\n'\n"
            "for i in range(100): sys.stdout.buffer.write(noise * 10000 + b'loss=%d\\n' % i)\n"
        )
        with served(database) as server:
            pod = make_pod(store=address(server))
            pod.start_sidecar()
            trainer = pod.start_trainer(sys.executable, "-c", program, stdout=subprocess.DEVNULL)
            began, most, resident = time.monotonic(), 0, 0
            while trainer.poll() is None:
                with contextlib.suppress(OSError):
                    most = max(most, (pod.folder / "output.log").stat().st_blocks * 512)
                    status = Path(f"/proc/{pod.sidecar.pid}/status").read_text()
                    resident = max(resident, int(status.split("VmHWM:")[1].split()[0]) << 10)
                time.sleep(0.02)
            seconds = time.monotonic() - began
            assert trainer.returncode == 0
        assert texts(database) == [str(number) for number in range(100)]
        record_property("megabytes_per_second", round(200 / seconds))
        record_property("most_disk_megabytes", most >> 20)
        record_property("sidecar_resident_megabytes", resident >> 20)
        assert resident < 40 << 20
