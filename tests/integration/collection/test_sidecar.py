"""Launcher, sidecar and store server as real processes: what a trainer says is in the store, once, when its container ends."""

import http.server
import math
import os
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pod import LONGEST, wait_for

from katib.access.report_token import sign_report
from katib.store import open_store
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import recorded

KEY = "k" * 64
FOR_EVER = 3600

HERE = Path(__file__).parent


def finish(trainer):
    """Wait for the container's end."""
    out, err = trainer.communicate(timeout=LONGEST)
    return trainer.returncode, out, err


class TestKinds:
    def test_what_is_printed_on_either_stream(self, collected, store):
        pod, trial = collected(metrics=["loss", "acc"])
        program = "echo epoch 1 loss=0.5; echo 'acc=1e-3 loss=nan' >&2; echo loss = -inf; echo other=4; exit 3"
        assert finish(pod.start_trainer("sh", "-c", program))[0] == 3
        assert sorted(store.texts(trial)) == ["-inf", "0.5", "nan"]
        assert store.texts(trial, "acc") == ["1e-3"]
        assert pod.end_sidecar() == {"points": {"loss": 3, "acc": 1}, "stored": 4, "evidence": []}

    def test_times_of_lines_are_kept_and_others_are_those_of_collection(self, collected, store):
        pod, trial = collected()
        before = datetime.now(UTC)
        finish(pod.start_trainer("sh", "-c", "echo 2026-03-01T12:00:00.25Z loss=1; echo loss=2"))
        first, second = store.series(trial)
        assert first.time == datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
        assert before - timedelta(seconds=1) <= second.time <= datetime.now(UTC) + timedelta(seconds=1)

    def test_filters_say_what_a_line_means(self, collected, store):
        pod, trial = collected(filters=[r"(\w+) is ([\d.]+)"])
        finish(pod.start_trainer("echo", "loss is 0.25, loss=9"))
        assert store.texts(trial) == ["0.25"]

    @pytest.mark.parametrize(
        ("is_json", "lines"),
        [(False, "loss=1\nloss=2\n"), (True, '{"loss": 1, "step": 3}\nno json\n{"loss": "2"}\n')],
    )
    def test_a_file(self, collected, store, tmp_path, is_json, lines):
        path = tmp_path / "metrics.log"
        pod, trial = collected(kind="File", path=str(path), is_json=is_json)
        finish(pod.start_trainer("sh", "-c", f"printf '%s' '{lines}' > {path}; echo loss=7", output=False))
        assert store.texts(trial) == ["1", "2"]

    def test_event_files(self, collected, store, tmp_path):
        folder = tmp_path / "events"
        program = (
            "import sys; sys.path.insert(0, sys.argv[2])\n"
            "from event_files import write\n"
            "write(sys.argv[1], [('loss', 0.5, 1), ('loss', 0.25, 2)])\n"
        )
        pod, trial = collected(kind="TensorFlowEvent", path=str(folder))
        code = finish(pod.start_trainer(sys.executable, "-c", program, str(folder), str(HERE), output=False))
        assert code[0] == 0, code
        assert store.texts(trial) == ["0.5", "0.25"]

    @pytest.mark.parametrize("kind", ["Push", "StdOut", "Custom"])
    def test_what_the_training_code_reports(self, collected, store, kind):
        pod, trial = collected(kind=kind)
        program = "import katib\nfor i in range(3): katib.report_metrics({'loss': i / 4}, step=i)"
        environment = {"KATIB_METRICS_FILE": str(pod.folder / "metrics.jsonl")}
        assert finish(pod.start_trainer(sys.executable, "-c", program, env=environment))[0] == 0
        assert [(each.text, each.step) for each in store.series(trial)] == [("0.0", 0), ("0.25", 1), ("0.5", 2)]

    def test_a_metrics_server_is_asked_while_the_trial_runs(self, collected, store):
        values = iter(["nan", "0.5", "0.5", "0.25"])

        class Metrics(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                assert self.headers["X-Key"] == "v"
                body = f'# HELP loss x\nloss{{set="valid"}} {next(values, "0.125")} \nother 3\n'.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Metrics) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            where = {"port": server.server_port, "headers": [["X-Key", "v"]], "seconds": 0.05}
            pod, trial = collected(kind="PrometheusMetric", http=where)
            trainer = pod.start_trainer("sleep", "60", output=False)
            wait_for(lambda: store.texts(trial) == ["nan", "0.5", "0.25", "0.125"])
            server.shutdown()
        trainer.terminate()
        trainer.wait(LONGEST)
        pod.end_sidecar()

    def test_a_metrics_server_that_is_not_there_is_told_of(self, collected):
        pod, _ = collected(kind="PrometheusMetric", http={"port": 9, "seconds": 0.05})
        finish(pod.start_trainer("sleep", "0.3", output=False))
        said = " ".join(pod.end_sidecar()["evidence"])
        assert "http://127.0.0.1:9/metrics" in said
        assert "was answered 0 times. The last failure: Connection refused." in said


class TestEnds:
    def test_trials_that_end_at_once_are_collected(self, collected, store):
        for number in range(8):
            pod, trial = collected()
            assert finish(pod.start_trainer("echo", f"loss={number}"))[0] == 0
            assert store.texts(trial) == [str(number)]
            pod.end_sidecar()

    def test_a_last_line_without_an_end_counts(self, collected, store):
        pod, trial = collected()
        finish(pod.start_trainer("printf", "loss=1\nloss=2"))
        assert store.texts(trial) == ["1", "2"]

    def test_a_trainer_that_cannot_be_started_is_told_of(self, collected):
        pod, _ = collected()
        assert finish(pod.start_trainer("no-such-program"))[0] == 127
        assert pod.end_sidecar()["evidence"][0] == "The command could not be started: No such file or directory."

    def test_without_the_objective_the_operator_learns_what_was_seen(self, collected):
        pod, _ = collected(metrics=["loss", "acc"])
        finish(pod.start_trainer("sh", "-c", "echo acc=1; echo Loss: 0.5"))
        words = pod.end_sidecar()
        assert words["points"] == {"loss": 0, "acc": 1}
        assert words["evidence"][-1] == "The last lines: acc=1 | Loss: 0.5"

    def test_the_last_words_fit_where_kubernetes_keeps_them(self, collected):
        pod, _ = collected(metrics=["loss"])
        line = "é" * 4000
        finish(pod.start_trainer("sh", "-c", f"for i in 1 2 3; do echo '{line}'; done"))
        pod.end_sidecar()
        assert len(pod.last_words.read_bytes()) <= 4096

    def test_a_container_that_is_started_again_goes_on(self, collected, store):
        pod, trial = collected()
        for number, code in enumerate([1, 1, 0]):
            assert finish(pod.start_trainer("sh", "-c", f"echo loss={number}; exit {code}"))[0] == code
            assert store.texts(trial) == [str(each) for each in range(number + 1)]

    def test_where_the_pod_ends_with_the_trainer_so_does_the_sidecar(self, collected, store):
        pod, trial = collected(ends_itself=True)
        assert finish(pod.start_trainer("sh", "-c", "echo loss=1; exit 4"))[0] == 4
        assert pod.sidecar.wait(LONGEST) == 0
        assert pod.words()["points"] == {"loss": 1}
        # Should Kubernetes start it again, it waits to be told.
        pod.start_ready_sidecar()
        time.sleep(0.5)
        assert pod.sidecar.poll() is None
        assert pod.end_sidecar()["points"] == {"loss": 1}
        assert store.texts(trial) == ["1"]

    def test_it_does_not_end_before_the_launcher(self, collected):
        pod, _ = collected(ends_itself=True)
        trainer = pod.start_trainer("true")
        while pod.sidecar.poll() is None:
            alive = trainer.poll() is None
            time.sleep(0.001)
        assert not alive

    def test_pods_of_one_trial_do_not_take_each_other_for_themselves(self, make_pod, store):
        trial = store.trial()
        for source in ("first", "second"):
            pod = make_pod(store=store.http, trial=trial, source=source)
            pod.start_sidecar()
            finish(pod.start_trainer("sh", "-c", "echo loss=1; echo loss=2"))
            pod.end_sidecar()
        assert store.texts(trial) == ["1", "2", "1", "2"]

    def test_without_the_launcher_the_end_is_when_kubernetes_says_so(self, collected, store, tmp_path):
        path = tmp_path / "metrics.log"
        pod, trial = collected(kind="File", path=str(path), wrapped=False)
        path.write_text("loss=1\nloss=2")
        assert pod.end_sidecar()["points"] == {"loss": 2}
        assert store.texts(trial) == ["1", "2"]

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
    def test_a_file_that_may_not_be_read_is_told_of(self, make_pod, store, tmp_path):
        path = tmp_path / "metrics.log"
        path.write_text("loss=1\n")
        path.chmod(0o600)
        for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent, tmp_path.parent.parent.parent):
            folder.chmod(folder.stat().st_mode | 0o055)
        pod = make_pod(kind="File", path=str(path), wrapped=False, store=store.http, trial=store.trial())
        pod.folder.chmod(0o777)
        pod.last_words.touch()
        pod.last_words.chmod(0o666)
        # What Python looks up late has to be there before: its files may be somebody else's, too.
        program = (
            "import os; 'x'.encode('idna')\n"
            "from katib.metrics.sidecar.process import main\n"
            "os.setuid(65532)\n"
            "raise SystemExit(main())\n"
        )
        pod.start_sidecar(program=("-c", program))
        wait_for((pod.folder / "heartbeat").exists)
        assert (
            f"The collector, which is user 65532, may not read {path}: let others read it."
            in pod.end_sidecar()["evidence"]
        )


class TestEarlyStopping:
    def test_a_trial_that_meets_its_rules_is_stopped_and_succeeds(self, collected, store):
        rules = [{"name": "loss", "value": "0.75", "comparison": "greater", "start_step": 3}]
        pod, trial = collected(rules=rules)
        program = (
            "import time, sys, multiprocessing\n"
            "if __name__ == '__main__':\n"
            "    for _ in range(2): multiprocessing.Process(target=time.sleep, args=(600,)).start()\n"
            "    for i in range(600): print(f'loss={1 - i / 1000}', flush=True); time.sleep(0.05)\n"
        )
        trainer = pod.start_trainer(sys.executable, "-c", program)
        assert finish(trainer)[0] == 0
        assert len(store.texts(trial)) >= 3
        assert pod.end_sidecar()["stopped"] == "loss was 0.998, greater than 0.75, at report 3"

    def test_one_that_does_not_runs_to_its_end(self, collected):
        rules = [{"name": "loss", "value": "0.75", "comparison": "greater", "start_step": 4}]
        pod, _ = collected(rules=rules)
        finish(pod.start_trainer("sh", "-c", "for i in 1 2 3; do echo loss=1; done; sleep 0.4; exit 7"))
        assert "stopped" not in pod.end_sidecar()


class TestStore:
    def test_a_trial_that_the_store_does_not_know_yet_waits_for_it(self, make_pod, tmp_path):
        path = tmp_path / "katib.db"
        with open_store(path):
            pass
        with ServedStore("--url", f"sqlite:///{path}", "--http-address", "127.0.0.1:0") as server:
            address = server.process.stdout.readline().split()[-1]
            pod = make_pod(store=f"http://{address}")
            pod.start_sidecar()
            trainer = pod.start_trainer("echo", "loss=1")
            wait_for(lambda: "has a trial 'search-0000' yet" in pod.log)
            assert trainer.poll() is None
            with open_store(path) as store:
                uid = recorded(store, trials=1)
            assert finish(trainer)[0] == 0
            with open_store(path) as store:
                assert [each.text for each in store.series(uid, "search-0000")] == ["1"]
            assert pod.log.count("WARNING") == 2

    def test_only_its_own_token_lets_a_trial_report(self, make_pod, tmp_path):
        path, keys = tmp_path / "katib.db", tmp_path / "keys"
        keys.write_text(f"{KEY}\n")
        with open_store(path) as store:
            uid = recorded(store, trials=2)
        expires = datetime.now(UTC) + timedelta(seconds=FOR_EVER)
        options = ("--url", f"sqlite:///{path}", "--http-address", "127.0.0.1:0", "--report-key-file", keys)
        with ServedStore(*options) as server:
            http = f"http://{server.process.stdout.readline().split()[-1]}"
            for number, about in enumerate(["search-0000", "search-0001"]):
                token = sign_report(KEY.encode(), namespace="default", trial=about, expires=expires)
                pod = make_pod(store=http, token=token)
                pod.start_sidecar()
                trainer = pod.start_trainer("echo", f"loss={number}", options=("--grace", "1"))
                if number == 0:
                    assert finish(trainer)[0] == 0
                    continue
                wait_for(lambda pod=pod: "may not report of trial 'search-0000'" in pod.log)
                trainer.terminate()
                trainer.wait(LONGEST)
            with open_store(path) as store:
                assert [each.text for each in store.series(uid, "search-0000")] == ["0"]
            assert KEY not in server.log

    def test_the_end_of_work_is_soon_the_end_of_the_container(self, collected, record_property):
        pod, _ = collected()
        found = []
        for _ in range(10):
            trainer = pod.start_trainer(
                sys.executable, "-c", "import time; print('loss=1'); print(time.time(), flush=True)"
            )
            out = finish(trainer)[1]
            found.append(time.time() - float(out.splitlines()[1]))
        record_property("end_of_work_to_end_of_container_seconds", sorted(found)[len(found) // 2])
        assert all(math.isfinite(each) for each in found)
