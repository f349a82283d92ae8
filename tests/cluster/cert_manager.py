"""What cert-manager does for the issuers that the overlays have, in one namespace: an image of it would have to come from a registry.

Self-signed certificates and those of an authority in a Secret; Secrets, annotations and conditions as it documents them; a certificate is
signed again when its condition ``Issuing`` is set, as ``cmctl renew`` does; the authority goes into webhooks that ask for it.
"""

import base64
import threading
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from katib.kube.client import Client
from katib.kube.errors import NotFound
from katib.kube.resource import Resource

CERTIFICATES = Resource("cert-manager.io", "v1", "certificates", "Certificate")
_ISSUERS = Resource("cert-manager.io", "v1", "issuers", "Issuer")
_SECRETS = Resource("", "v1", "secrets", "Secret")
_WEBHOOKS = Resource(
    "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", False
)
_MANAGER = "cert-manager-certificates-issuing"
_INJECT = "cert-manager.io/inject-ca-from"
_USAGES = {"digital signature", "key encipherment", "server auth"}
_LIFE = timedelta(days=90)


class CertManager:
    """Runs while it is open (``with``).

    Args:
        kubeconfig: Of an administrator.
        namespace: Whose certificates it signs.
    """

    def __init__(self, kubeconfig, namespace):
        self.namespace = namespace
        self._client = Client.connect(kubeconfig=str(kubeconfig))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.error = None

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._client.close()
        if self.error is not None:
            raise self.error

    def _run(self):
        try:
            while not self._stop.wait(0.5):
                for certificate in self._client.list(CERTIFICATES, self.namespace)[0]:
                    self._sign(certificate)
                for webhook in self._client.list(_WEBHOOKS)[0]:
                    self._inject(webhook)
        except Exception as error:  # noqa: BLE001 - told when this is left
            self.error = error

    def renew(self, *names):
        """Ask for certificates to be signed again, as ``cmctl renew`` does, and wait until they are."""
        before = {}
        for name in names:
            found = self._client.get(CERTIFICATES, name, self.namespace)
            before[name] = found["status"]["revision"]
            conditions = [*found["status"]["conditions"], _condition("Issuing", "ManuallyTriggered")]
            self._status(found, {"conditions": conditions})
        while not self._stop.wait(0.2):
            now = {name: self._client.get(CERTIFICATES, name, self.namespace)["status"]["revision"] for name in names}
            if all(now[name] > before[name] for name in names):
                return
            assert self.error is None, self.error
        raise AssertionError("it has ended")

    def _get(self, resource, name):
        try:
            return self._client.get(resource, name, self.namespace)
        except NotFound:
            return None

    def _status(self, certificate, status):
        self._client.merge_patch(
            CERTIFICATES, certificate["metadata"]["name"], {"status": status}, self.namespace, subresource="status"
        )

    def _sign(self, certificate):
        spec, status = certificate["spec"], certificate.get("status") or {}
        secret = self._get(_SECRETS, spec["secretName"])
        asked = any(each["type"] == "Issuing" for each in status.get("conditions") or ())
        if secret is not None and status.get("revision") and not asked:
            return
        signer = self._signer(spec["issuerRef"])
        if signer is None:
            return
        policy = (spec.get("privateKey") or {}).get("rotationPolicy", "Always")
        kept = secret is not None and policy == "Never" and (secret.get("data") or {}).get("tls.key")
        key = _key(base64.b64decode(kept)) if kept else ec.generate_private_key(ec.SECP256R1())
        signed, chain = signer(spec, key)
        self._keep(certificate, signed, key, chain)
        self._status(
            certificate,
            {
                "conditions": [_condition("Ready", "Ready")],
                "notBefore": _stamp(signed.not_valid_before_utc),
                "notAfter": _stamp(signed.not_valid_after_utc),
                "renewalTime": _stamp(signed.not_valid_before_utc + _LIFE * 2 / 3),
                "revision": status.get("revision", 0) + 1,
            },
        )

    def _signer(self, reference):
        assert reference["group"] == "cert-manager.io"
        assert reference["kind"] == "Issuer"
        issuer = self._get(_ISSUERS, reference["name"])
        if issuer is None:
            return None
        if "selfSigned" in issuer["spec"]:
            return self._self_signed
        secret = self._get(_SECRETS, issuer["spec"]["ca"]["secretName"])
        if secret is None:
            return None
        texts = {name: base64.b64decode(text) for name, text in secret["data"].items()}
        authority = x509.load_pem_x509_certificate(texts["tls.crt"])
        key = _key(texts["tls.key"])

        def sign(spec, own):
            signed = _certificate(spec, own, authority.subject, key)
            return signed, authority

        return sign

    @staticmethod
    def _self_signed(spec, key):
        signed = _certificate(spec, key, None, key)
        return signed, signed

    def _keep(self, certificate, signed, key, authority):
        spec, reference = certificate["spec"], certificate["spec"]["issuerRef"]
        private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        texts = {
            "tls.crt": signed.public_bytes(Encoding.PEM),
            "tls.key": private,
            "ca.crt": authority.public_bytes(Encoding.PEM),
        }
        body = {
            "metadata": {
                "name": spec["secretName"],
                "namespace": self.namespace,
                "labels": {"controller.cert-manager.io/fao": "true"},
                "annotations": {
                    "cert-manager.io/alt-names": ",".join(spec.get("dnsNames", [])),
                    "cert-manager.io/certificate-name": certificate["metadata"]["name"],
                    "cert-manager.io/common-name": spec.get("commonName", ""),
                    "cert-manager.io/ip-sans": "",
                    "cert-manager.io/issuer-group": reference["group"],
                    "cert-manager.io/issuer-kind": reference["kind"],
                    "cert-manager.io/issuer-name": reference["name"],
                    "cert-manager.io/uri-sans": "",
                },
            },
            "type": "kubernetes.io/tls",
            "data": {name: base64.b64encode(text).decode() for name, text in texts.items()},
        }
        self._client.apply(_SECRETS, body, field_manager=_MANAGER)

    def _inject(self, webhook):
        wanted = (webhook["metadata"].get("annotations") or {}).get(_INJECT, "")
        namespace, _, name = wanted.partition("/")
        certificate = self._get(CERTIFICATES, name) if namespace == self.namespace else None
        secret = self._get(_SECRETS, certificate["spec"]["secretName"]) if certificate else None
        if secret is None:
            return
        bundle = secret["data"]["ca.crt"]
        for index, each in enumerate(webhook["webhooks"]):
            if each["clientConfig"].get("caBundle") != bundle:
                operation = {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": bundle}
                self._client.json_patch(_WEBHOOKS, webhook["metadata"]["name"], [operation])


def _key(text):
    return load_pem_private_key(text, password=None)


def _condition(kind, reason):
    return {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": _stamp(datetime.now(UTC))}


def _stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _certificate(spec, key, issuer, signing_key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, spec["commonName"])] if "commonName" in spec else [])
    now = datetime.now(UTC)
    authority = spec.get("isCA", False)
    assert set(spec.get("usages", ["digital signature", "key encipherment"])) <= _USAGES
    usage = x509.KeyUsage(True, False, True, False, False, authority, authority, False, False)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if "server auth" in spec.get("usages", []):
        built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    if names := spec.get("dnsNames"):
        # Without a subject, the names are all there is.
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        built = built.add_extension(alternatives, critical="commonName" not in spec)
    return built.sign(signing_key, SHA256())
