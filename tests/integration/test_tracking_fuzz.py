"""Broken and hostile requests to every method of the store's own service: each is answered or refused, none is the server's fault."""

import random

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from tracking_client import METHODS, connected
from tracking_world import made_world

from katib.testing.served import ServedStore

FAULTS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
TEXTS = [
    "",
    "x",
    "\0",
    "a" * 300,
    "'; drop table trials; --",
    "..",
    "ü\u2028",
    "%s",
    "-1",
    "NaN",
    "default",
    "run1",
    "9" * 400,
]
INTEGERS = [0, 1, -1, 2**31 - 1, -(2**31), 7]
LONG = [*INTEGERS, 2**63 - 1, -(2**63), 2**53 + 1]
DOUBLES = [0.0, -0.0, float("nan"), float("inf"), 1e308, 5e-324]
MOST_DEPTH = 6
ROUNDS = 60


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    url = f"sqlite:///{folder / 'katib.db'}" if request.param == "sqlite" else None
    url = url or request.getfixturevalue("postgresql").new_store()
    with ServedStore("--url", url, "--artifacts", str(folder / "files")) as server:
        assert server.address, server.log
        with connected(server, "fuzzed") as client:
            server.requests = made_world(client)
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log


def fill(message, chance, density, depth=0):
    """Set some fields of a message to anything."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() > density or (field.message_type is not None and depth > MOST_DEPTH):
            continue
        many = field.is_repeated
        if many and field.message_type is not None and field.message_type.GetOptions().map_entry:
            target = getattr(message, field.name)
            kind = field.message_type.fields_by_name["value"]
            for _ in range(chance.randint(0, 3)):
                key = chance.choice(TEXTS)
                if kind.message_type is None:
                    target[key] = value_of(kind, chance)
                else:
                    fill(target[key], chance, density, depth + 1)
        elif field.message_type is not None:
            targets = [getattr(message, field.name)]
            if many:
                targets = [targets[0].add() for _ in range(chance.randint(0, 3))]
            for target in targets:
                if not many:
                    target.SetInParent()
                fill(target, chance, density, depth + 1)
        elif many:
            getattr(message, field.name).extend(value_of(field, chance) for _ in range(chance.randint(0, 3)))
        else:
            setattr(message, field.name, value_of(field, chance))
    return message


def value_of(field, chance):
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            text = chance.choice(TEXTS)
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        case FieldDescriptor.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return chance.choice(DOUBLES)
        case FieldDescriptor.CPPTYPE_ENUM:
            return chance.choice([0, 1, 2, 3, 99])
        case FieldDescriptor.CPPTYPE_INT32:
            return chance.choice(INTEGERS)
    return chance.choice(LONG)


def send(channel, method, data):
    """Send the bytes of one or several requests, and return how the call ended."""
    described = METHODS[method]
    kind = "_".join("stream" if each else "unary" for each in (described.client_streaming, described.server_streaming))
    call = getattr(channel, kind)(f"/katib.v1.Store/{method}")
    try:
        answer = call(iter(data) if described.client_streaming else data[0], timeout=10)
        if described.server_streaming:
            for _ in answer:
                answer.cancel()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def sound(server, method, kind):
    """A request that is right, and for an upload its first message."""
    fields = {"namespace": "fuzzed", **server.requests[method]}
    return kind(start=fields) if method == "UploadArtifact" else kind(**fields)


@pytest.mark.parametrize("method", [*sorted(set(METHODS) - {"Purge"}), "Purge"])
def test_requests_of_anything(server, method):
    chance = random.Random(f"fuzz {method}")
    kind = message_factory.GetMessageClass(METHODS[method].input_type)
    with grpc.insecure_channel(server.address) as channel:
        for number in range(ROUNDS):
            density = chance.random()
            messages = [kind() for _ in range(3 if METHODS[method].client_streaming else 1)]
            if number % 2:
                messages[0] = sound(server, method, kind)
                density /= 4
            for message in messages:
                fill(message, chance, density)
                if "namespace" in kind.DESCRIPTOR.fields_by_name and chance.random() < 0.9:
                    message.namespace = "fuzzed"
            data = [message.SerializeToString() for message in messages]
            if number % 8 == 0:  # and what is no message
                data = [bytes(byte ^ (chance.random() < 0.1) for byte in each) + b"\xff" for each in data]
            code, text = send(channel, method, data)
            assert code not in FAULTS, (text, messages)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_an_empty_request_and_one_that_is_none(server, method):
    with grpc.insecure_channel(server.address) as channel:
        for data in (b"", b"\xff\xff\xff", b"\x0a\x03\xff\xfe\xfd"):
            code, text = send(channel, method, [data])
            assert code not in FAULTS, text
            assert data == b"" or code is grpc.StatusCode.INVALID_ARGUMENT
