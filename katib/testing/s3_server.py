"""A throw-away S3 server for tests: the PyPI package ``moto[server]``, as a process of its own.

It ends with the process that started it, however that ends: it watches a pipe that the kernel closes then.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import socket
import subprocess
import sys
import time
import urllib.request
from typing import Final, Self

__all__ = ["ACCESS_KEY", "SECRET_KEY", "S3Server"]

ACCESS_KEY: Final = "katib-test-key"
SECRET_KEY: Final = "katib/test+secret"  # noqa: S105 - of a server that lives as long as a test; it wants quoting in a URL

_QUOTED_SECRET_KEY: Final = "katib%2Ftest%2Bsecret"  # noqa: S105
_START_SECONDS: Final = 60
_PROGRAM: Final = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
from moto.server import main
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""


class S3Server:
    """A server that runs while it is open (``with``).

    Attributes:
        endpoint: Its address.
    """

    def __init__(self) -> None:
        self.endpoint = ""
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()

    @staticmethod
    def missing() -> str:
        """Return what to install; empty where it is installed."""
        for module in ("obstore", "moto", "flask"):
            if importlib.util.find_spec(module) is None:
                return f"no S3 server for tests: {module} is not installed (pip install obstore 'moto[server]')"
        return ""

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, or start it again on the same port, empty."""
        self._process = subprocess.Popen(  # noqa: S603 - the program above
            [sys.executable, "-c", _PROGRAM, str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError):
                self._ask("GET", "moto-api/")
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError("the S3 server for tests did not start")

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def memory(self) -> int:
        """Return what its process takes, in KiB."""
        assert self._process is not None
        with open(f"/proc/{self._process.pid}/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of ours
            return int(file.read().split()[1]) * 4

    def new_bucket(self) -> str:
        """Make a bucket and return its name."""
        name = f"bucket-{next(self._numbers)}"
        self._ask("PUT", name)
        return name

    def url(self, bucket: str, prefix: str = "runs/of tests") -> str:
        """Return how ``open_artifacts`` opens a folder of a bucket."""
        return (
            f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region=us-east-1&access_key_id={ACCESS_KEY}"
            f"&secret_access_key={_QUOTED_SECRET_KEY}"
        )

    def unfinished(self, bucket: str) -> int:
        """Return how many uploads in parts a bucket holds that became no object."""
        return self._ask("GET", f"{bucket}?uploads").count(b"<Upload>")

    def _ask(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(f"{self.endpoint}/{path}", method=method)  # noqa: S310 - this machine's
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            found: bytes = answer.read()
        return found
