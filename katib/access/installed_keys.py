"""What the parts of an installation know each other by, made where it is installed: no manifest has it, and no two installations share it.

Only what is missing is made, so that installing again changes nothing. A value that somebody replaced stays.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING, Final

import yaml

from katib.access.token_entries import digest_of, token_entries
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["API_TOKEN", "OPERATOR_TOKEN", "REPORT_KEYS", "STORE_TOKENS", "missing_database", "missing_keys"]

REPORT_KEYS: Final = "report.keys"
"""Signs the tokens with which trials report; the operator and the store have it."""
OPERATOR_TOKEN: Final = "operator.token"  # noqa: S105 - a name
"""The operator's own token for the store."""
API_TOKEN: Final = "api.token"  # noqa: S105 - a name
"""That of the experiments' API, which purges for callers whom Kubernetes lets delete; the operator never does."""
STORE_TOKENS: Final = "store-tokens.yaml"
"""The token file of the store."""
_TOKENS: Final = {OPERATOR_TOKEN: ("katib-operator", "write"), API_TOKEN: ("katib-api", "admin")}
"""Names and roles of their owners in every namespace."""
_PASSWORD: Final = "password"  # noqa: S105 - a name
_URL: Final = "url"
_PLACE: Final = "PASSWORD"


def missing_keys(data: Mapping[str, str]) -> dict[str, str]:
    """Return what the ``data`` of a Secret lacks, in base64 as it stands there.

    The token file is written with the tokens of our servers; where there is one file already, each of them has its entry added.

    Raises:
        InvalidInput: What is there cannot be read.
    """
    made: dict[str, str] = {}
    if not data.get(REPORT_KEYS):
        made[REPORT_KEYS] = _encoded(secrets.token_hex(32) + "\n")
    tokens = {name: _decoded(name, data[name]).strip() if data.get(name) else "" for name in _TOKENS}
    for name in [name for name, token in tokens.items() if not token]:
        tokens[name] = f"katib_{secrets.token_urlsafe(32)}"
        made[name] = _encoded(tokens[name])
    text = _decoded(STORE_TOKENS, data[STORE_TOKENS]) if data.get(STORE_TOKENS) else ""
    known = {entry.digest for entry in (token_entries(text.encode()) if text.strip() else ())}
    new = [
        {"name": owner, "sha256": digest_of(tokens[name]).hex(), "namespaces": {"*": role}}
        for name, (owner, role) in _TOKENS.items()
        if digest_of(tokens[name]) not in known
    ]
    if new:
        document = (yaml.safe_load(text) if text.strip() else None) or {"tokens": []}
        document["tokens"] = [*(document.get("tokens") or []), *new]
        made[STORE_TOKENS] = _encoded(yaml.safe_dump(document, sort_keys=False))
    return made


def missing_database(data: Mapping[str, str], url: str) -> dict[str, str]:
    """Return what a database's Secret lacks: a password, and the store's URL with it.

    Args:
        data: Of the Secret.
        url: Of the store, with ``PASSWORD`` in it.

    Raises:
        InvalidInput: The URL has no place for the password, or what is there cannot be read.
    """
    if _PLACE not in url:
        raise InvalidInput([Problem("--database-url", f"has no {_PLACE}, where the password goes", url)])
    made: dict[str, str] = {}
    password = _decoded(_PASSWORD, data[_PASSWORD]) if data.get(_PASSWORD) else ""
    if not password:
        password = secrets.token_urlsafe(32)
        made[_PASSWORD] = _encoded(password)
    if not data.get(_URL) or made:
        made[_URL] = _encoded(url.replace(_PLACE, password))
    return made


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(name: str, value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidInput([Problem(f"data.{name}", "is no text in base64")]) from None
