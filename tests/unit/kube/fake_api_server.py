"""An API server of one resource that can misbehave: as real ones do, and as proxies before them do."""

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PLURAL = "configmaps"


def config_map(name, version, *, namespace="team", uid=None, **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            "managedFields": [{"manager": "someone"}],
        },
        "data": data,
    }


def status(code, reason, message="said the server", **details):
    return {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.server.api.connections.add(self.connection)

    def finish(self):
        self.server.api.connections.discard(self.connection)
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def handle(self):
        with contextlib.suppress(OSError, ValueError):
            super().handle()

    def answer(self, code, document, **headers):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def event(self, kind, obj):
        self.chunk(json.dumps({"type": kind, "object": obj}).encode() + b"\n")

    def end_stream(self):
        self.chunk(b"")

    def serve(self):
        api = self.server.api
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        self.sent = self.rfile.read(length)
        verb = "watch" if query.get("watch") else self.command.lower()
        with api.changed:
            api.requests.append((time.monotonic(), verb, query))
            self.epoch = api.epoch  # a watch that is counted is ended by whoever ends watches
        if api.token and self.headers.get("Authorization") != f"Bearer {api.token}":
            self.answer(401, status(401, "Unauthorized", "Unauthorized"))
        elif api.answers:
            code, document, headers = api.answers.pop(0) if isinstance(api.answers, list) else api.answers
            self.answer(code, document, **headers)
        elif api.on_request and api.on_request(self, verb, query):
            pass
        elif verb == "watch":
            api.watch(self, query)
        elif verb == "get" and parts.path.endswith(f"/{PLURAL}"):
            api.list(self, query)
        elif verb == "get":
            api.get(self, parts.path.rsplit("/", 1)[1])
        else:
            api.write(self, verb, parts.path)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = serve  # noqa: N815 (what it calls)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass


class FakeApiServer:
    """Serves config maps. What it does wrong is set by the test while it runs.

    Attributes:
        requests: When what was asked, with the query.
        answers: A list of answers ``(code, document, headers)`` to the next requests, or one to all.
        on_request: A function (handler, verb, query) that answers itself and returns True.
        forgotten: Versions up to this one are gone; ``gone_in_stream`` tells how that is said.
        token: That requests need.
        list_version: What lists say instead of their version.
    """

    def __init__(self):
        self.objects = {}
        self.history = []
        self.version = 100
        self.requests = []
        self.answers = None
        self.on_request = None
        self.forgotten = 0
        self.gone_in_stream = False
        self.token = ""
        self.connections = set()
        self.changed = threading.Condition()
        self.epoch = 0
        self.port = 0
        self.server = None
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.api = self
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        """Refuse connections from now on, and break those there are."""
        self.server.shutdown()
        self.server.server_close()
        self.end_watches()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def end_watches(self):
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    def count(self, verb):
        return sum(each == verb for _, each, _ in list(self.requests))

    # -- what is there

    def put(self, name, *, uid=None, **data):
        with self.changed:
            self.version += 1
            kind = "MODIFIED" if name in self.objects else "ADDED"
            uid = uid or (
                self.objects[name]["metadata"]["uid"] if name in self.objects else f"uid-{name}-{self.version}"
            )
            self.objects[name] = config_map(name, self.version, uid=uid, **data)
            self.history.append((self.version, kind, self.objects[name]))
            self.changed.notify_all()
            return self.objects[name]

    def delete(self, name):
        with self.changed:
            self.version += 1
            obj = self.objects.pop(name)
            obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
            self.history.append((self.version, "DELETED", obj))
            self.changed.notify_all()

    def forget(self):
        """Compact: whoever did not follow has to list."""
        with self.changed:
            self.version += 1
            self.forgotten = self.version
            self.history.clear()

    # -- how it is served

    def list(self, handler, query):
        with self.changed:
            names = sorted(self.objects)
            begin = int(query.get("continue", "0").split(":")[0])
            limit = int(query.get("limit", "0")) or len(names) or 1
            metadata = {"resourceVersion": str(self.version)}
            if begin + limit < len(names):
                metadata["continue"] = f"{begin + limit}:{self.version}"
            items = [self.objects[name] for name in names[begin : begin + limit]]
        # The items of a real list do not say what they are.
        bare = [{key: value for key, value in item.items() if key in ("metadata", "data")} for item in items]
        handler.answer(200, {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": bare})

    def get(self, handler, name):
        with self.changed:
            obj = self.objects.get(name)
        handler.answer(200, obj) if obj else handler.answer(404, status(404, "NotFound", f"{name} not found"))

    def write(self, handler, verb, path):
        sent = json.loads(handler.sent or b"{}")
        name = sent.get("metadata", {}).get("name") if verb == "post" else path.rsplit("/", 1)[1]
        if verb == "post" and name in self.objects:
            handler.answer(409, status(409, "AlreadyExists", f"{name} already exists"))
        elif verb == "post":
            handler.answer(201, self.put(name, **sent.get("data", {})))
        elif name not in self.objects and "apply" not in handler.headers.get("Content-Type", ""):
            handler.answer(404, status(404, "NotFound", f"{name} not found"))
        elif verb == "delete":
            self.delete(name)
            handler.answer(200, {"kind": "Status", "status": "Success"})
        else:
            handler.answer(200, self.put(name, **sent.get("data", {})))

    def watch(self, handler, query):
        since = int(query["resourceVersion"])
        gone = status(410, "Expired", f"too old resource version: {since} ({self.version})")
        if since < self.forgotten and not self.gone_in_stream:
            handler.answer(410, gone)
            return
        handler.begin_stream()
        if since < self.forgotten:
            handler.event("ERROR", gone)
            handler.end_stream()
            return
        epoch = handler.epoch
        while True:
            with self.changed:
                while self.epoch == epoch and self.version <= since:
                    self.changed.wait(timeout=30)
                events = [each for each in self.history if each[0] > since]
                ends = self.epoch != epoch
                since = max(since, self.version)
            for _, kind, obj in events:
                handler.event(kind, obj)
            if ends:
                handler.end_stream()
                return


class SilentProxy:
    """A TCP proxy that can stop carrying anything while it keeps every connection open: no FIN, no RST."""

    def __init__(self, port):
        self.target = port
        self.silent = threading.Event()
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                self.sockets += [near, far]
                mute = self.silent.is_set()
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other, mute), daemon=True).start()

    def _carry(self, one, other, mute):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                mute = mute or self.silent.is_set()
                if not mute:  # and for this connection it stays so
                    other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()
        for each in self.sockets:
            each.close()
