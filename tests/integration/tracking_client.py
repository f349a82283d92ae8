"""A client of ``katib.v1.Store`` as a test wants it: requests from keyword arguments, a namespace and a token with each call."""

import contextlib
import hashlib

import grpc
import pytest
from google.protobuf import message_factory
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from katib.rpc import store_v1 as wire
from katib.rpc.services import MESSAGE_OPTIONS
from katib.rpc.tracking_stub import StoreStub

METHODS = wire.DESCRIPTOR.services_by_name["Store"].methods_by_name


def request_of(method):
    return message_factory.GetMessageClass(METHODS[method].input_type)


class Client:
    """Calls one server; ``client.CreateRun(name="r")``."""

    def __init__(self, channel, namespace="", token=None):
        self.channel = channel
        self.stub = StoreStub(channel)
        self.namespace = namespace
        self.metadata = None if token is None else [("authorization", f"Bearer {token}")]

    def own(self, name):
        """Return an id that no other namespace has: ids are never used twice in a store."""
        return f"{self.namespace.replace('-', '')}{name}"

    def __getattr__(self, method):
        if method not in METHODS:
            raise AttributeError(method)

        def call(timeout=30, **fields):
            if METHODS[method].client_streaming:
                return getattr(self.stub, method)(fields["requests"], timeout=timeout, metadata=self.metadata)
            request = request_of(method)(**{"namespace": self.namespace, **fields})
            return getattr(self.stub, method)(request, timeout=timeout, metadata=self.metadata)

        return call


@contextlib.contextmanager
def connected(server, namespace="", token=None):
    with grpc.insecure_channel(server.address, options=MESSAGE_OPTIONS) as channel:
        yield Client(channel, namespace, token)


def violations(error):
    """The fields that a refusal names."""
    status = rpc_status.from_call(error)
    if status is None or not status.details:
        return []
    bad = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad)
    return [violation.field for violation in bad.field_violations]


@contextlib.contextmanager
def refused(code, *fields):
    """Expect a refusal with a code, and maybe with the fields it names."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    error = caught.value
    assert error.code() is code, f"{error.code()}: {error.details()}"
    assert not fields or violations(error) == list(fields), error.details()


def points(first, count, metric="loss"):
    return [{"metric": metric, "text": repr(number / 7), "step": number} for number in range(first, first + count)]


def uploading(run_id, path, content, *, namespace="", piece=1 << 20, sha256=None, size=None, end=True, **start):
    yield wire.UploadArtifactRequest(start={"namespace": namespace, "run_id": run_id, "path": path, **start})
    for place in range(0, len(content), piece):
        yield wire.UploadArtifactRequest(chunk=content[place : place + piece])
    if end:
        digest = hashlib.sha256(content).hexdigest() if sha256 is None else sha256
        yield wire.UploadArtifactRequest(end={"size": len(content) if size is None else size, "sha256": digest})
