"""Tests that are coroutines, each in a loop of its own, and an authority that signs certificates."""

import asyncio
import inspect
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from katib.rpc.credentials import Tls


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


class Authority:
    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.pem = self._signed(self.name, self.key, ca=True)

    def _signed(self, name, key, *, ca=False):
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        )
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)

    def _files(self, folder):
        folder.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
        (folder / "ca.pem").write_bytes(self.pem)
        (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / "cert.pem").write_bytes(self._signed(name, key))
        return folder

    def server_files(self, folder, *, client_ca=False):
        files = self._files(folder)
        return Tls(files / "cert.pem", files / "key.pem", files / "ca.pem" if client_ca else None)

    def client_context(self, folder, *, certificate=False):
        files = self._files(folder)
        context = ssl.create_default_context(cafile=files / "ca.pem")
        if certificate:
            context.load_cert_chain(files / "cert.pem", files / "key.pem")
        return context


@pytest.fixture(scope="session")
def authority():
    return Authority()
