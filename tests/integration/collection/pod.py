"""A pod without Kubernetes: a folder that stands for the volume, the launcher and the sidecar as processes, and a store server."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "deploy" / "images" / "launcher" / "launcher.c"
NAMESPACE = "default"
TRIAL = "search-0000"
LONGEST = 60


def build_launcher(folder):
    """Compile the launcher as its image does."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    binary = folder / "launcher"
    words = [compiler, "-static", "-Os", "-Wall", "-Wextra", "-Werror", "-pthread", "-s", "-o", binary, SOURCE]
    subprocess.run(words, check=True, capture_output=True, text=True)
    return binary


def wait_for(found, seconds=LONGEST):
    """Return what a function finds as soon as that is something."""
    until = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {found}")
        time.sleep(0.01)
    return value


class Pod:
    """The containers of a trial's pod."""

    def __init__(self, folder, launcher, *, store="http://127.0.0.1:9", source="pod-1", token="", **settings):
        self.folder = folder / "volume"
        self.folder.mkdir(mode=0o777, exist_ok=True)
        self.last_words = folder / "termination-log"
        self._log = folder / "sidecar.log"
        said = {"namespace": NAMESPACE, "trial": TRIAL, "metrics": ["loss"], "store": store, "folder": str(self.folder)}
        self.settings = {**said, **settings}
        self.environment = {"KATIB_POD_UID": source, "KATIB_TERMINATION_LOG": str(self.last_words)}
        if token:
            self.environment["KATIB_REPORT_TOKEN"] = token
        self.sidecar = None
        self._processes = []
        subprocess.run([launcher, "--install", self.folder], check=True)

    def start_sidecar(self, *, program=("-m", "katib.metrics.sidecar")):
        """Start the collector's container, perhaps again."""
        environment = {**os.environ, **self.environment, "KATIB_COLLECTOR": json.dumps(self.settings)}
        with self._log.open("a") as log:
            self.sidecar = subprocess.Popen([sys.executable, *program], env=environment, stderr=log)
        self._processes.append(self.sidecar)
        return self.sidecar

    def start_trainer(self, *command, output=True, options=(), **how):
        """Start the main container."""
        words = [self.folder / "launcher", "--folder", self.folder, *(["--output"] if output else []), *options]
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        trainer = subprocess.Popen([*map(str, words), "--", *command], **how)
        self._processes.append(trainer)
        return trainer

    def start_ready_sidecar(self):
        """Start it, and return when it works."""
        (self.folder / "heartbeat").unlink(missing_ok=True)
        self.start_sidecar()
        wait_for((self.folder / "heartbeat").exists)

    def end_sidecar(self):
        """Do what Kubernetes does once the main container has ended; returns what the sidecar left for the operator."""
        self.sidecar.terminate()
        assert self.sidecar.wait(LONGEST) == 0, self.log
        return self.words()

    def words(self):
        """Return the termination message."""
        return json.loads(self.last_words.read_text())

    @property
    def log(self):
        """What the sidecar has logged."""
        return self._log.read_text() if self._log.exists() else ""

    def close(self):
        """End what still runs."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
