"""The suggestion server with certificates, and where it must not do without."""

import socket

import grpc
import pytest
from authority import Authority
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from grpc_health.v1 import health_pb2, health_pb2_grpc

from katib.testing.served import ServedSuggestion


@pytest.fixture(scope="module")
def authority():
    return Authority("one")


@pytest.fixture
def files(authority, tmp_path):
    """Options of the server, whose files a test may change."""
    certificate, key = authority.issue("server")
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    return ["--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem"]


def healthy(address, credentials):
    """Whether a new connection is answered."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    secure = credentials is not None
    channel = (
        grpc.secure_channel(address, credentials, options=options)
        if secure
        else grpc.insecure_channel(address, options=options)
    )
    with channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
        return reply.status == health_pb2.HealthCheckResponse.SERVING


def trusting(authority, pair=(None, None)):
    certificate, key = pair
    return grpc.ssl_channel_credentials(authority.pem, key, certificate)


class TestTls:
    def test_clients_that_trust_it_are_served_and_others_are_not(self, files, authority):
        with ServedSuggestion("--workers", "1", *files) as server:
            assert "(TLS)" in server.first_line, server.log
            assert healthy(server.address, trusting(authority))
            assert not healthy(server.address, trusting(Authority("another")))
            assert not healthy(server.address, None)
            assert server.stop() == 0

    def test_only_clients_with_a_certificate_are_served_where_that_is_asked(self, files, authority, tmp_path):
        with ServedSuggestion("--workers", "1", *files, "--tls-client-ca", tmp_path / "ca.pem") as server:
            assert healthy(server.address, trusting(authority, authority.issue("client")))
            assert not healthy(server.address, trusting(authority))
            assert not healthy(server.address, trusting(authority, Authority("another").issue("client")))

    def test_a_renewed_certificate_is_used_without_a_restart(self, files, authority, tmp_path):
        with ServedSuggestion("--workers", "1", *files) as server:
            assert healthy(server.address, trusting(authority))
            renewed = Authority("two")
            certificate, key = renewed.issue("server")
            (tmp_path / "cert.pem").write_bytes(certificate)
            (tmp_path / "key.pem").write_bytes(key)
            assert healthy(server.address, trusting(renewed))
            assert not healthy(server.address, trusting(authority))

    def test_files_that_vanish_or_break_leave_the_last_good_ones_in_use(self, files, authority, tmp_path):
        with ServedSuggestion("--workers", "1", *files) as server:
            (tmp_path / "key.pem").unlink()
            assert healthy(server.address, trusting(authority))
            assert "key.pem cannot be read" in server.log
            (tmp_path / "key.pem").write_bytes(b"half a ke")
            assert healthy(server.address, trusting(authority))
            assert healthy(server.address, trusting(authority))

    def test_a_certificate_and_key_that_are_renewed_one_after_the_other(self, files, authority, tmp_path):
        """Between the two writes they do not belong together."""
        with ServedSuggestion("--workers", "1", *files) as server:
            renewed = Authority("two")
            certificate, key = renewed.issue("server")
            (tmp_path / "cert.pem").write_bytes(certificate)
            assert healthy(server.address, trusting(authority))
            assert "is the key of another certificate" in server.log
            (tmp_path / "key.pem").write_bytes(key)
            assert healthy(server.address, trusting(renewed))


class TestStartsThatAreRefused:
    def refused(self, *arguments, code=2):
        with ServedSuggestion(*arguments) as server:
            assert server.first_line == ""
            assert server.process.wait(30) == code
            assert "Traceback" not in server.log
            return server.log

    @pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "example.invalid:0"])
    def test_plaintext_that_other_machines_can_reach(self, address):
        log = self.refused("--address", address)
        assert "can be reached from other machines" in log
        assert "--insecure-plaintext" in log

    @pytest.mark.parametrize(
        "address", ["6789", "localhost", "127.0.0.1:70000", "127.0.0.1:-1", "::1:6789", ":6789", ""]
    )
    def test_addresses_that_are_none(self, address):
        assert "--address" in self.refused("--address", address)

    def test_files_that_are_not_there(self, tmp_path, files):
        (tmp_path / "key.pem").unlink()
        log = self.refused(*files)
        assert "--tls-key" in log
        assert "cannot be read: No such file or directory" in log

    @pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
    def test_files_that_hold_something_else(self, tmp_path, files, name):
        (tmp_path / name).write_bytes(b"not a certificate")
        assert f"--tls-{name.removesuffix('.pem')}" in self.refused(*files)

    def test_a_key_of_another_certificate(self, tmp_path, files, authority):
        (tmp_path / "key.pem").write_bytes(authority.issue("other")[1])
        assert "--tls-key: is the key of another certificate" in self.refused(*files)

    def test_an_encrypted_key_is_no_question_to_a_terminal(self, tmp_path, files):
        key = ec.generate_private_key(ec.SECP256R1())
        locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        (tmp_path / "key.pem").write_bytes(locked)
        assert "--tls-key: holds no unencrypted private key in PEM form" in self.refused(*files)

    def test_half_of_a_pair(self, files):
        assert "--tls-key: is required" in self.refused(*files[:2])
        assert "--tls-cert: is required" in self.refused(*files[2:])

    def test_client_certificates_without_tls(self, tmp_path):
        assert "--tls-client-ca: needs --tls-cert and --tls-key" in self.refused("--tls-client-ca", tmp_path / "ca.pem")

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            assert f"cannot listen on {address}" in self.refused("--address", address, code=4)

    def test_a_port_in_use_for_metrics(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            log = self.refused("--metrics-address", address, code=4)
            assert f"cannot answer Prometheus on {address}" in log

    def test_a_folder_of_checkpoints_that_is_not_there(self, tmp_path):
        assert "--checkpoints: is no folder" in self.refused("--checkpoints", tmp_path / "none")


class TestPlaintext:
    def test_it_is_allowed_where_somebody_says_so(self):
        with ServedSuggestion("--workers", "1", "--address", "0.0.0.0:0", "--insecure-plaintext") as server:
            assert "(plaintext)" in server.first_line, server.log
            assert healthy(server.address.replace("0.0.0.0", "127.0.0.1"), None)  # noqa: S104 - what is tested

    def test_several_addresses_and_a_socket_file(self, tmp_path):
        path = f"unix:{tmp_path / 'server.sock'}"
        with ServedSuggestion("--workers", "1", "--address", "localhost:0", "--address", path) as server:
            assert path in server.first_line, server.log
            assert healthy(path, None)
            assert healthy(server.address, None)
