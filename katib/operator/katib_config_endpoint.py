"""Where an algorithm's server is that runs anyway, and how it is known: ``endpoint`` and ``tls`` of the configuration."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from katib.operator.katib_config_fields import Fields

__all__ = ["EndpointTls", "is_address", "read_endpoint"]

_HOST: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")
_LAST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class EndpointTls:
    """How a server that runs anyway is known.

    Attributes:
        ca_bundle: Who may sign its certificate, in PEM; empty for whom the operator's image trusts.
        server_name: The name that its certificate has; empty for the endpoint's host.
    """

    ca_bundle: str = ""
    server_name: str = ""


def read_endpoint(stated: Fields, endpoint: str) -> tuple[str, EndpointTls | None]:
    """Return the address of an entry, and how the server there is known; None for plain text. Problems are noted.

    Args:
        stated: The entry.
        endpoint: What it says; empty where it has an image.
    """
    scheme, separator, address = endpoint.partition("://")
    if not separator:
        scheme, address = "", endpoint
    has_tls = "tls" in stated.content
    if endpoint and (scheme not in ("", "grpc", "grpcs") or not is_address(address)):
        stated.refuse("endpoint", "must be HOST:PORT, or grpcs://HOST:PORT with TLS", endpoint)
    if has_tls and not endpoint:
        message = "goes with an endpoint: a Deployment of the experiment's own is asked in plain text inside its namespace, as in Katib"
        stated.refuse("tls", message)
    if has_tls and scheme == "grpc":
        stated.refuse("tls", "contradicts grpc://, which is plain text: write grpcs://", endpoint)
    if not has_tls and scheme != "grpcs":
        return address, None
    said = stated.fields("tls")
    said.refuse_unknown(("caBundle", "serverName"))
    name = said.text("serverName")
    if name and not _HOST.fullmatch(name):
        said.refuse("serverName", "must be the name of a host", name)
    return address, EndpointTls(_certificates(said), name)


def _certificates(said: Fields) -> str:
    """Return a bundle in PEM; it may be in base64, as Kubernetes' own ``caBundle`` is. Empty where none is said, or it is none."""
    text = said.text("caBundle")
    if not text:
        return ""
    bundle = text
    if "-----BEGIN" not in text:
        with contextlib.suppress(ValueError):
            bundle = base64.b64decode("".join(text.split()), validate=True).decode("ascii")
    try:
        ssl.create_default_context(cadata=bundle)
    except (ssl.SSLError, ValueError):
        said.refuse("caBundle", "must be certificates in PEM, or that in base64")
        return ""
    return bundle


def is_address(text: str, *, host_needed: bool = True) -> bool:
    """Return whether something is ``HOST:PORT``, or ``:PORT`` where no host is needed."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
        return False
    if host.startswith("[") and host.endswith("]"):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return False
        return True
    return bool(_HOST.fullmatch(host)) if host else not host_needed
