"""A TCP relay before a server, which counts connections, and through which the server can be away without being touched."""

import contextlib
import socket
import threading


class Relay:
    """Relays to ``HOST:PORT`` while it is open (``with``).

    Attributes:
        address: Of the relay.
        connections: How often somebody connected, also while the server was away.
    """

    def __init__(self, target):
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._away = False
        self._open = set()
        self._lock = threading.Lock()
        self.connections = 0

    def __enter__(self):
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._closed = True
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.go_away()

    def go_away(self):
        """End all connections, and every new one at once."""
        with self._lock:
            self._away = True
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def come_back(self):
        """Relay again."""
        self._away = False

    def _accept(self):
        while not self._closed:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            try:
                far = None if self._away else socket.create_connection(self._target, timeout=5)
            except OSError:
                far = None
            if far is None:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            done = one not in self._open
            self._open -= {one}
        if not done:
            one.close()
