"""The launcher as a real process: arguments, streams, signals and exit codes are as if it were not there."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pod import wait_for

AWKWARD = [
    "",
    " ",
    "two words",
    "'single' \"double\"",
    "$HOME $(id) `id` ${x}",
    "new\nline",
    "tab\tand\\backslash",
    "--",
    "--folder",
    "-c",
    "*?[a-z]{1,2}~!#;&|<>",
    "é漢\U0001f600",
    b"\xff\xfe\x01".decode("utf-8", "surrogateescape"),
    "x" * 100_000,
]
NO_WAIT = ("--patience", "0.3")
ECHO_ARGUMENTS = "import os, sys; os.write(1, b'\\0'.join(os.fsencode(word) for word in sys.argv[1:]))"


@pytest.fixture
def pod(make_pod):
    return make_pod()


def run(pod, *command, **how):
    """Run a trainer without a collector to wait for."""
    trainer = pod.start_trainer(*command, options=(*NO_WAIT, *how.pop("options", ())), **how)
    out, err = trainer.communicate(timeout=60)
    return trainer.returncode, out, err


def ended(pod):
    return json.loads((pod.folder / "ended").read_text())


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestArguments:
    def test_they_reach_the_trainer_byte_for_byte(self, pod):
        code, out, _ = run(pod, sys.executable, "-c", ECHO_ARGUMENTS, *AWKWARD)
        assert (code, out) == (0, b"\0".join(map(os.fsencode, AWKWARD)))

    def test_so_do_environment_folder_and_input(self, pod, tmp_path):
        code, out, _ = run(
            pod,
            sys.executable,
            "-c",
            "import os, sys; print(dict(os.environ)['ODD'], os.getcwd(), sys.stdin.read())",
            env={"ODD": "a\n$b", "PATH": os.environ["PATH"]},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
        )
        assert (code, out.decode()) == (0, f"a\n$b {tmp_path} \n")

    def test_a_command_is_found_as_a_container_runtime_finds_it(self, pod, tmp_path):
        own = tmp_path / "bin"
        own.mkdir()
        (own / "trainer").symlink_to(shutil.which("echo"))
        assert run(pod, "trainer", "found", env={"PATH": f"/nowhere:{own}"})[:2] == (0, b"found\n")
        assert run(pod, "./trainer", "here", cwd=own)[:2] == (0, b"here\n")

    @pytest.mark.parametrize(
        ("command", "code", "said"),
        [("no-such-program", 127, b"No such file"), ("/etc/passwd", 126, b"Permission denied")],
    )
    def test_what_cannot_be_run_says_so(self, pod, command, code, said):
        found, _, err = run(pod, command)
        assert found == code
        assert b"katib: cannot run " + command.encode() in err
        assert said in err
        assert ended(pod)["cannot_run"]

    def test_a_script_without_an_interpreter_is_given_to_no_shell(self, pod, tmp_path):
        script = tmp_path / "script"
        script.write_text("echo run by a shell\n")
        script.chmod(0o755)
        code, out, err = run(pod, str(script))
        assert (code, out) == (126, b"")
        assert b"Exec format error" in err


class TestEnd:
    @pytest.mark.parametrize("code", [0, 1, 2, 42, 137, 255])
    def test_the_exit_code_is_the_trainers(self, pod, code):
        assert run(pod, "sh", "-c", f"exit {code}")[0] == code
        assert ended(pod)["exit_code"] == code

    @pytest.mark.parametrize("name", ["KILL", "SEGV", "TERM"])
    def test_a_signal_that_ended_it_is_told_as_shells_tell_it(self, pod, name):
        number = signal.Signals[f"SIG{name}"]
        assert run(pod, "sh", "-c", f"kill -{name} $$")[0] == 128 + number
        assert ended(pod)["signal"] == number

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
    def test_signals_reach_the_trainer_and_only_it(self, pod, number):
        program = (
            "import os, signal, sys, time\n"
            f"signal.signal({int(number)}, lambda *_: (print('heard', flush=True), sys.exit(5)))\n"
            "if os.fork() == 0:\n"
            f"    signal.signal({int(number)}, lambda *_: print('worker heard', flush=True))\n"
            "    time.sleep(30)\n"
            "time.sleep(0.1); print('ready', flush=True)\n"
            "while True: time.sleep(1)\n"
        )
        trainer = pod.start_trainer(sys.executable, "-c", program, options=NO_WAIT)
        assert trainer.stdout.readline() == b"ready\n"
        trainer.send_signal(number)
        assert trainer.communicate(timeout=30)[0] == b"heard\n"
        assert trainer.returncode == 5

    def test_orphans_are_reaped_and_what_is_left_ends_with_the_trainer(self, pod):
        program = "(setsid sh -c 'echo $$; trap \"\" TERM; sleep 60' &) ; sleep 0.3; exit 3"
        code, out, _ = run(pod, "sh", "-c", program)
        assert code == 3
        assert not is_running(int(out))

    def test_a_killed_launcher_takes_the_trainer_along(self, pod):
        trainer = pod.start_trainer("sh", "-c", "echo $$; exec sleep 60")
        pid = int(trainer.stdout.readline())
        trainer.kill()
        trainer.wait()
        wait_for(lambda: not is_running(pid))

    def test_without_a_folder_the_trainer_runs_all_the_same(self, pod):
        trainer = subprocess.run(
            [pod.folder / "launcher", "--folder", "/nowhere", "--output", "--", "sh", "-c", "echo out; exit 4"],
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert (trainer.returncode, trainer.stdout) == (4, b"out\n")
        assert b"nothing is collected" in trainer.stderr

    @pytest.mark.parametrize("words", [[], ["--"], ["--odd", "x", "--", "true"], ["--grace", "soon", "--", "true"]])
    def test_wrong_use_is_told(self, pod, words):
        done = subprocess.run([pod.folder / "launcher", *words], capture_output=True, timeout=30, check=False)
        assert done.returncode == 64
        assert done.stderr.startswith(b"katib: ")


class TestOutput:
    def test_streams_stay_apart_and_in_order_and_the_copy_has_whole_lines_of_both(self, pod):
        program = (
            "import sys\n"
            "for i in range(20000):\n"
            "    print(f'out {i}')\n"
            "    print(f'err {i}', file=sys.stderr)\n"
            "    if i % 500 == 0: sys.stdout.flush()\n"
        )
        code, out, err = run(pod, sys.executable, "-c", program)
        assert code == 0
        assert out == b"".join(b"out %d\n" % i for i in range(20000))
        assert err.startswith(b"".join(b"err %d\n" % i for i in range(20000)))
        copy = (pod.folder / "output.log").read_bytes().splitlines(keepends=True)
        assert [line for line in copy if line.startswith(b"out")] == [b"out %d\n" % i for i in range(20000)]
        assert [line for line in copy if line.startswith(b"err")] == [b"err %d\n" % i for i in range(20000)]
        assert len(copy) == 40000

    def test_binary_output_without_any_line_is_the_same_on_the_other_side(self, pod):
        data = os.urandom(3 << 20)
        code, out, _ = run(pod, sys.executable, "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())",
                           stdin=_piped(data))  # fmt: skip
        assert (code, out) == (0, data)

    def test_a_last_line_without_an_end_is_kept(self, pod):
        assert run(pod, "sh", "-c", "printf 'loss=0.5'")[1] == b"loss=0.5"
        assert (pod.folder / "output.log").read_bytes() == b"loss=0.5"
        run(pod, "sh", "-c", "echo again")
        assert (pod.folder / "output.log").read_bytes() == b"loss=0.5\nagain\n"

    def test_someone_who_keeps_the_pipe_open_delays_nothing(self, pod):
        trainer = pod.start_trainer(
            "sh", "-c", "echo $$; read line; echo last; exit 8", options=NO_WAIT, stdin=subprocess.PIPE
        )
        pid = int(trainer.stdout.readline())
        kept = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY)
        try:
            out, _ = trainer.communicate(b"\n", timeout=30)
        finally:
            os.close(kept)
        assert (trainer.returncode, out) == (8, b"last\n")

    def test_a_reader_who_has_gone_changes_nothing(self, pod):
        trainer = pod.start_trainer("sh", "-c", "sleep 0.3; seq 100000; exit 6", options=NO_WAIT)
        trainer.stdout.close()
        trainer.stderr.close()
        assert trainer.wait(60) == 6
        trainer.stdout = trainer.stderr = None
        assert (pod.folder / "output.log").read_bytes().endswith(b"100000\n")

    def test_a_slow_reader_slows_the_trainer_and_loses_nothing(self, pod):
        trainer = pod.start_trainer("seq", "200000", options=NO_WAIT)
        threading.Event().wait(0.2)
        out = trainer.communicate(timeout=60)[0]
        assert out == b"".join(b"%d\n" % i for i in range(1, 200001))

    def test_files_that_the_trainer_keeps_to_itself_become_readable(self, pod, tmp_path):
        kept = tmp_path / "metrics"
        command = f"umask 077; mkdir {kept}; echo loss=1 > {kept}/log"
        run(pod, "sh", "-c", command, options=("--share", str(kept)), output=False)
        assert kept.stat().st_mode & 0o777 == 0o755
        assert (kept / "log").stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.getuid() != 0, reason="needs a small file system, which only root can mount")
class TestFullDisk:
    @pytest.fixture
    def small(self, pod):
        """Put the volume on a file system of four megabytes."""
        binary = (pod.folder / "launcher").read_bytes()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", pod.folder], check=False)
        if done.returncode:
            pytest.skip("no tmpfs can be mounted here")
        (pod.folder / "launcher").write_bytes(binary)
        (pod.folder / "launcher").chmod(0o755)
        yield pod
        subprocess.run(["umount", "-l", pod.folder], check=True)

    def test_the_trainer_goes_on_and_the_gap_is_told(self, small):
        code, out, _ = run(small, "sh", "-c", "seq 1000000; exit 5")
        assert code == 5
        assert out == b"".join(b"%d\n" % i for i in range(1, 1000001))
        told = ended(small)
        assert told["exit_code"] == 5
        assert 0 < told["missing_bytes"] < len(out)
        assert out.startswith((small.folder / "output.log").read_bytes()[: len(out) - told["missing_bytes"]])

    def test_once_there_is_room_a_line_says_what_is_missing(self, small):
        filler = small.folder / "filler"
        script = f"seq 700000; rm {filler}; sleep 0.3; echo loss=0.5"
        filler.write_bytes(b"x" * (1 << 20))
        assert run(small, "sh", "-c", script)[0] == 0
        copy = (small.folder / "output.log").read_bytes()
        # Room comes while the last lines of ``seq`` are still in the pipe, or after them.
        before, _, after = copy.partition(b"bytes of output are missing here: the volume was full\n")
        assert before.startswith(b"1\n2\n3\n")
        assert after.endswith(b"loss=0.5\n")
        assert len(after) < 1 << 20


class TestSpace:
    def test_what_the_collector_has_read_is_given_back(self, pod):
        trainer = pod.start_trainer("sh", "-c", "seq 2000000; sleep 30", stdout=subprocess.DEVNULL)
        copy = pod.folder / "output.log"
        whole = sum(len(str(i)) + 1 for i in range(1, 2000001))
        wait_for(lambda: copy.exists() and copy.stat().st_size == whole)
        assert copy.stat().st_blocks * 512 >= whole
        (pod.folder / "heartbeat").write_text(f"{whole:020d}\n")
        wait_for(lambda: copy.stat().st_blocks * 512 < 64 << 10)
        assert copy.stat().st_size == whole
        trainer.kill()

    def test_more_than_the_collector_can_take_waits_for_it_and_then_goes_on_without(self, pod):
        options = ("--most-bytes", "1000000")
        code, out, _ = run(pod, "sh", "-c", "seq 1000000; exit 2", options=options)
        assert (code, len(out)) == (2, 6888896)
        told = ended(pod)
        assert told["missing_bytes"] == len(out) - told["output_bytes"]
        assert told["output_bytes"] <= 1_000_000 + (128 << 10)


class TestCollector:
    def test_it_waits_until_everything_is_collected(self, pod):
        trainer = pod.start_trainer("true", options=("--patience", "30"))
        run_id = wait_for(lambda: (pod.folder / "ended").exists() and ended(pod)["run"])
        (pod.folder / "collected").write_text("another run\n")
        with pytest.raises(subprocess.TimeoutExpired):
            trainer.wait(0.3)
        (pod.folder / "collected").write_text(f"{run_id}\n")
        assert trainer.wait(30) == 0

    def test_it_waits_without_a_limit_while_there_is_life(self, pod):
        trainer = pod.start_trainer("true", options=("--patience", "0.4"))
        for beat in range(12):
            (pod.folder / "heartbeat").write_text(f"{beat:020d}\n")
            time.sleep(0.1)
            assert trainer.poll() is None
        assert trainer.wait(30) == 0
        assert b"no sign of life" in trainer.stderr.read()

    def test_a_deleted_pod_does_not_outlast_its_grace(self, pod):
        trainer = pod.start_trainer("sh", "-c", "echo ready; exec sleep 60", options=("--grace", "0.5"))
        assert trainer.stdout.readline() == b"ready\n"
        trainer.terminate()
        assert trainer.wait(30) == 128 + signal.SIGTERM

    def stop(self, pod):
        wait_for((pod.folder / "run").exists)
        (pod.folder / "stop.new").write_text((pod.folder / "run").read_text())
        (pod.folder / "stop.new").rename(pod.folder / "stop")

    def test_an_early_stop_ends_every_process_and_is_a_success(self, pod):
        workers = "for i in 1 2 3; do setsid sh -c 'echo $$; trap \"\" TERM; while :; do sleep 1; done' & done; wait"
        trainer = pod.start_trainer("sh", "-c", workers, options=(*NO_WAIT, "--stop-grace", "0.5"))
        pids = [int(trainer.stdout.readline()) for _ in range(3)]
        self.stop(pod)
        assert trainer.wait(60) == 0
        assert ended(pod)["stopped"] is True
        assert not [pid for pid in pids if is_running(pid)]

    def test_who_is_stopped_has_time_to_end_well_also_when_the_first_process_has_gone(self, pod, tmp_path):
        worker = f"trap 'sleep 0.5; echo saved > {tmp_path}/checkpoint; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
        trainer = pod.start_trainer("sh", "-c", f"sh -c '{worker.replace(chr(39), chr(34))}' & wait", options=NO_WAIT)
        assert trainer.stdout.readline() == b"ready\n"
        self.stop(pod)
        assert trainer.wait(60) == 0
        assert (tmp_path / "checkpoint").read_text() == "saved\n"

    def test_a_stop_of_another_run_is_none(self, pod):
        (pod.folder / "stop").write_text("another run\n")
        assert run(pod, "sh", "-c", "sleep 0.3; exit 9")[0] == 9


def _piped(data):
    """Return a descriptor from which the data can be read."""
    reading, writing = os.pipe()

    def write():
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    threading.Thread(target=write, daemon=True).start()
    return reading
