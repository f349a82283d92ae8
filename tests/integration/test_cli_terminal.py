"""The command line on a real (pseudo-)terminal: the live table, Ctrl-C, questions, and text that tries to steer the terminal."""

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
import uuid

import pytest

CTRL_C, CTRL_D = b"\x03", b"\x04"
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

WAITS_FOR_TICKETS = """
def served():
    for number in range(99):
        try:
            os.remove(f'ticket-{number}')
            return True
        except FileNotFoundError:
            pass

print('loss=' + sys.argv[1])
while not served():
    time.sleep(0.05)
"""
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e"


class Terminal:
    """One command that believes a person sits in front of it."""

    def __init__(self, katib, *arguments, columns=160, rows=40, **environment):
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        known = {name: value for name, value in katib.environment.items() if name not in {"COLUMNS", "LINES"}}
        self.process = subprocess.Popen(
            katib.command(*arguments),
            cwd=katib.folder,
            env={**known, "TERM": "xterm-256color", **environment},
            preexec_fn=lambda: os.login_tty(slave),  # noqa: PLW1509 - these tests start no thread
        )
        katib.started.append(self.process)
        self.slave = slave  # kept, so that the terminal outlives the command
        self.output = ""
        self._bytes = b""

    def read(self, seconds=0.1):
        """Take in what has come."""
        if select.select([self.master], [], [], seconds)[0]:
            self._bytes += os.read(self.master, 1 << 16)
            self.output = self._bytes.decode("utf-8", "replace")

    def until(self, *texts, after=0, timeout=60):
        """Wait until all texts were shown in one picture (or line) and return where the output ends then."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if all(text in self.picture(after) for text in texts):
                return len(self.output)
            self.read()
        return pytest.fail(f"{texts} was never shown: {self.output[-3000:]!r}")

    def picture(self, after=0):
        """Return what was drawn last, in letters only."""
        shown = self.output[after:]
        last = shown.rfind("\x1b[2K")
        return SEQUENCE.sub("", shown if last < 0 else shown[last:])

    def press(self, keys):
        os.write(self.master, keys)

    def end(self, timeout=60):
        """Wait for the command's end and return its exit code."""
        limit = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < limit, f"it goes on: {self.output[-3000:]!r}"
            self.read()
        while select.select([self.master], [], [], 0.05)[0]:
            self.read(0)
        return self.process.returncode

    @property
    def text(self):
        """Everything that was shown, in letters only."""
        return SEQUENCE.sub("", self.output).replace("\r", "")

    @property
    def result(self):
        """What stands on the screen below the live table, which is gone."""
        return SEQUENCE.sub("", self.output[self.output.rfind(SHOW) :]).replace("\r", "")

    def assert_restored(self):
        assert self.output.rfind(SHOW) > self.output.rfind(HIDE), "the cursor stays hidden"
        assert termios.tcgetattr(self.slave) == self.before, "the terminal's mode stays changed"

    def close(self):
        for descriptor in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def terminal(katib):
    opened = []

    def terminal(*arguments, **options):
        opened.append(Terminal(katib, *arguments, **options))
        return opened[-1]

    yield terminal
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        one.close()


@pytest.fixture
def ticket(katib):
    """Let so many waiting trials end."""
    given = iter(range(99))

    def ticket(count=1):
        for _ in range(count):
            (katib.folder / f"ticket-{next(given)}").touch()

    return ticket


def running_with(mark):
    """Return the processes whose command line holds the mark."""
    found = subprocess.run(["ps", "-ww", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if mark in line and " Z" not in line[:16]]


def test_live_table_shows_the_run_and_leaves_only_its_result(katib, terminal, ticket):
    screen = terminal("run", katib.write(script=WAITS_FOR_TICKETS, trials=4, parallel=2))
    screen.until("exp", "2 running", "0 succeeded", "0/4", "NAME", "STATUS", "loss", "Running")
    at = screen.until("0.")  # the loss of a trial that runs
    assert HIDE in screen.output
    ticket()
    screen.until("2 running", "1 succeeded", "1/4", "best loss=0.", "left", "Succeeded", after=at)
    ticket(3)
    assert screen.end() == 0
    screen.assert_restored()
    assert "experiment exp Succeeded" in screen.result
    assert "4 trials: 4 succeeded" in screen.result
    assert "best trial exp-" in screen.result
    assert "STATUS" not in screen.result
    assert "the image none is not used" in screen.text


def test_no_color_draws_in_letters_alone(katib, terminal):
    screen = terminal("run", katib.write(trials=2))
    assert screen.end() == 0
    assert not [code for code in re.findall(r"\x1b\[([0-9;]*)m", screen.output) if re.search(r"\b(3|4|9)[0-7]\b", code)]
    assert "32" in re.findall(r"\x1b\[([0-9;]*)m", colored(katib, terminal).output)


def colored(katib, terminal):
    screen = terminal("run", katib.write(trials=2), "--replace", NO_COLOR="")
    assert screen.end() == 0
    return screen


@pytest.mark.parametrize("options", [("--quiet",), ("--no-live",)])
def test_no_live_table_where_none_is_wanted(katib, terminal, options):
    screen = terminal("run", katib.write(trials=2), *options)
    assert screen.end() == 0
    assert HIDE not in screen.output
    assert screen.text.count("  Succeeded  ") == (0 if "--quiet" in options else 2)
    assert "best trial exp-" in screen.text


@pytest.mark.parametrize("shape", [{"columns": 20, "rows": 5}, {"columns": 1, "rows": 1}, {"TERM": "dumb"}])
def test_terminal_that_is_tiny_or_dumb_is_no_trouble(katib, terminal, shape):
    screen = terminal("run", katib.write(trials=2), **shape)
    assert screen.end() == 0
    assert "Traceback" not in screen.text
    assert len(katib.get("trials", "exp")["items"]) == 2


def test_ctrl_c_once_lets_trials_end_and_resume_goes_on(katib, terminal, ticket):
    script = f"""
    import signal
    def end(*_):
        open('told-' + str(os.getpid()), 'w').close()
        sys.exit(1)
    signal.signal(signal.SIGTERM, end)
    {WAITS_FOR_TICKETS.replace(chr(10), chr(10) + "    ")}
    """
    screen = terminal("run", katib.write(script=script, trials=4, parallel=2))
    screen.until("2 running", "0.")
    screen.press(CTRL_C)
    assert screen.end() == 130
    screen.assert_restored()
    assert "press Ctrl-C again" in screen.text
    assert "experiment exp Stopped" in screen.result
    assert "next: katib resume exp" in screen.result
    assert len(list(katib.folder.glob("told-*"))) == 2
    names = [item["metadata"]["name"] for item in katib.get("trials", "exp")["items"]]
    ticket(4)
    again = terminal("resume", "exp")
    assert again.end() == 0
    after = katib.get("trials", "exp")["items"]
    assert [item["metadata"]["name"] for item in after][: len(names)] == names
    assert len(after) == 4


def test_ctrl_c_twice_ends_trials_that_will_not_listen(katib, terminal):
    mark = f"deaf-{uuid.uuid4().hex}"
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('loss=1'); time.sleep(1000)"
    path = katib.write(
        script=script, trials=4, parallel=2, command=f'[python, trial.py, "${{trialParameters.x}}", {mark}]'
    )
    path.write_text(path.read_text().replace("terminationGracePeriodSeconds: 2", "terminationGracePeriodSeconds: 900"))
    screen = terminal("run", path)
    screen.until("2 running", " 1  ")
    screen.press(CTRL_C)
    screen.until("press Ctrl-C again")
    assert running_with(mark)
    screen.press(CTRL_C)
    assert screen.end() == 130
    screen.assert_restored()
    assert not running_with(mark)
    assert katib.condition(katib.get("get", "experiment", "exp"))["type"] == "Stopped"


def test_closed_terminal_stops_the_run_cleanly(katib, terminal):
    screen = terminal("run", katib.write(script=WAITS_FOR_TICKETS, trials=4, parallel=2))
    screen.until("2 running")
    screen.close()
    screen.process.wait(timeout=60)
    assert katib.condition(katib.get("get", "experiment", "exp"))["type"] == "Stopped"


def test_delete_for_good_asks(katib, terminal):
    katib("run", katib.write(trials=1, parallel=1))
    screen = terminal("delete", "exp")  # what can be restored needs no question
    assert screen.end() == 0
    katib("restore", "exp")
    for keys, code in ((b"n\n", 130), (b"\n", 130), (CTRL_D, 130), (CTRL_C, 130), (b"y\n", 0)):
        screen = terminal("delete", "exp", "--purge")
        screen.until("experiment exp with 1 trial", "Delete?")
        screen.press(keys)
        assert screen.end() == code, keys
        assert ("nothing was deleted" in screen.text) is bool(code), keys
        assert len(list((katib.home / "experiments").iterdir())) == bool(code), keys
    assert katib.get("get", "experiments")["items"] == []
    assert "katib restore" not in screen.text


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_what_is_no_text_is_not_written_to_a_terminal(katib, terminal, form):
    katib("run", katib.write(trials=1, parallel=1))
    screen = terminal("export", "exp", "-o", form)
    assert screen.end() == 2
    assert "--file" in screen.text
    assert "PAR1" not in screen.text


def test_nothing_from_an_experiment_reaches_the_terminal_raw(katib, terminal):
    path = katib.write(trials=3, parallel=1, script=f"print({HOSTILE!r}); print('loss=1'); sys.exit(7)", failures=3)
    text = path.read_text()
    categorical = (
        f"    - {{name: kind, parameterType: categorical, feasibleSpace: {{list: [{json.dumps(HOSTILE)}]}}}}\n"
    )
    text = text.replace("  trialTemplate:\n", categorical + "  trialTemplate:\n")
    text = text.replace("{name: x, reference: x}]", "{name: x, reference: x}, {name: kind, reference: kind}]")
    path.write_text(text.replace('"${trialParameters.x}"]', '"${trialParameters.x}", "${trialParameters.kind}"]'))

    screen = terminal("run", path)
    assert screen.end() == 1
    shown = screen.output
    trial = katib.get("trials", "exp")["items"][0]
    assert trial["spec"]["parameterAssignments"][1]["value"] == HOSTILE
    commands = [
        ("run", path, "--replace", "--no-live"),
        ("get", "trials"),
        ("trials", "exp", "-o", "yaml"),
        ("describe", "exp"),
        ("export", "exp"),
        ("export", "exp", "-o", "jsonl"),
        ("export", "--filter", ""),
    ]
    for command in commands:
        screen = terminal(*command, columns=1000)
        screen.end()
        shown += screen.output
        assert "owned" in screen.output
    name = katib.get("trials", "exp")["items"][0]["metadata"]["name"]
    for command in (("describe", "trial", name), ("logs", name)):
        screen = terminal(*command)
        assert screen.end() == 0
        assert "owned" in screen.output
        shown += screen.output
    for raw in ("\x1b]", "\x1b[2J", "\x07", "\u202e"):
        assert raw not in shown


def test_logs_keep_colours_on_a_terminal_and_every_byte_in_a_pipe(katib, terminal):
    printed = "\x1b[32mgreen\x1b[2Jthen loss=1"
    katib("run", katib.write(trials=1, parallel=1, script=f"print({printed!r}, end='')"), code=None)
    name = katib.get("trials", "exp")["items"][0]["metadata"]["name"]
    coloured = terminal("logs", name, NO_COLOR="")
    assert coloured.end() == 0
    assert coloured.output == "\x1b[32mgreen\\x1b[2Jthen loss=1\x1b[0m"
    plain = terminal("logs", name)
    assert plain.end() == 0
    assert plain.output == "green\\x1b[2Jthen loss=1"
    piped = subprocess.run(
        katib.command("logs", name), env=katib.environment, cwd=katib.folder, capture_output=True, check=True
    )
    assert piped.stdout == printed.encode()


@pytest.mark.parametrize("command", [("get", "-w"), ("wait", "exp2")])
def test_ctrl_c_ends_a_command_that_waits_without_a_word(katib, terminal, command):
    running = katib.start("run", katib.write(name="exp2", script=WAITS_FOR_TICKETS))
    end = time.monotonic() + 60
    while "exp2" not in katib("get", "-o", "name").stdout:
        assert time.monotonic() < end
        time.sleep(0.1)
    screen = terminal(*command)
    if command[0] == "get":
        screen.until("exp2", "NAME")
    else:
        time.sleep(1)  # it says nothing by which one could see that it waits
    screen.press(CTRL_C)
    assert screen.end() == 130
    assert "Traceback" not in screen.text
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    running.wait(timeout=60)
