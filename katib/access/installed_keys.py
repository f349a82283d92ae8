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

__all__ = ["OPERATOR_TOKEN", "REPORT_KEYS", "STORE_TOKENS", "missing_database", "missing_keys"]

REPORT_KEYS: Final = "report.keys"
"""Signs the tokens with which trials report; the operator and the store have it."""
OPERATOR_TOKEN: Final = "operator.token"  # noqa: S105 - a name
"""The operator's own token for the store."""
STORE_TOKENS: Final = "store-tokens.yaml"
"""The token file of the store."""
_OPERATOR: Final = "katib-operator"
_PASSWORD: Final = "password"  # noqa: S105 - a name
_URL: Final = "url"
_PLACE: Final = "PASSWORD"


def missing_keys(data: Mapping[str, str]) -> dict[str, str]:
    """Return what the ``data`` of a Secret lacks, in base64 as it stands there.

    The token file is written with the operator's token; where there is one file already, that token has its entry added.

    Raises:
        InvalidInput: What is there cannot be read.
    """
    made: dict[str, str] = {}
    if not data.get(REPORT_KEYS):
        made[REPORT_KEYS] = _encoded(secrets.token_hex(32) + "\n")
    token = _decoded(OPERATOR_TOKEN, data[OPERATOR_TOKEN]).strip() if data.get(OPERATOR_TOKEN) else ""
    if not token:
        token = f"katib_{secrets.token_urlsafe(32)}"
        made[OPERATOR_TOKEN] = _encoded(token)
    text = _decoded(STORE_TOKENS, data[STORE_TOKENS]) if data.get(STORE_TOKENS) else ""
    known = token_entries(text.encode()) if text.strip() else ()
    if digest_of(token) not in {entry.digest for entry in known}:
        document = (yaml.safe_load(text) if text.strip() else None) or {"tokens": []}
        entry = {"name": _OPERATOR, "sha256": digest_of(token).hex(), "namespaces": {"*": "write"}}
        document["tokens"] = [*(document.get("tokens") or []), entry]
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
