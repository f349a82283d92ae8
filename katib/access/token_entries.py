"""What stands in a token file: each entry with its secret's digest, or every fault of the file at once.

No message shows a secret, nor its digest, nor what stands in a field where a secret may have slipped to.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.access.bearer import is_token
from katib.access.identity import EVERYWHERE, Identity, Role, is_namespace
from katib.api.document import load
from katib.api.similar import did_you_mean
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.api.document import Document

__all__ = ["SHORTEST_TOKEN", "TokenEntry", "digest_of", "parse_grant_role", "parse_moment", "token_entries"]

SHORTEST_TOKEN: Final = 16
"""Characters: what is shorter can be guessed."""
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")
_FIELDS: Final = ("name", "sha256", "token", "namespaces", "expires")
_LONGEST_NAME: Final = 253
_LONGEST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """One token that is known.

    Attributes:
        identity: Whose it is.
        digest: The SHA-256 of the token.
        expires: From when on it is no longer good; None is never.
        in_clear: Whether the file has the token itself.
    """

    identity: Identity
    digest: bytes = field(repr=False)
    expires: datetime | None = None
    in_clear: bool = False


def digest_of(token: str) -> bytes:
    """Return the SHA-256 of a token; a made one is random, so that nothing slower is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def parse_grant_role(text: object) -> Role | None:
    """Return the role a file or an option names in small letters, or None."""
    return Role[text.upper()] if isinstance(text, str) and text in {role.name.lower() for role in Role} else None


def parse_moment(text: object) -> datetime | None:
    """Return a time that is written as ``2027-01-01T00:00:00Z``, or None."""
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def token_entries(text: bytes) -> tuple[TokenEntry, ...]:
    """Return the entries of a token file.

    Raises:
        InvalidInput: With every fault there is, each with its path and line.
    """
    documents = load(text)
    if len(documents) > 1:
        raise InvalidInput([Problem("", f"must be one document, not {len(documents)}")])
    reading = _Reading(documents[0])
    entries = tuple(reading.entries())
    if reading.problems:
        raise InvalidInput(reading.problems)
    return entries


class _Reading:
    """Reads a document and notes its faults as it goes."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: dict[bytes, int] = {}
        self.problems: list[Problem] = []

    def entries(self) -> Iterator[TokenEntry]:
        content = self._document.content
        self._unknown_fields("", content, ("tokens",))
        tokens = content.get("tokens")
        if not isinstance(tokens, list):
            self._fault("tokens", "must be a list of tokens; an empty one, [], knows nobody")
            return
        for index, item in enumerate(tokens):
            entry = self._entry(f"tokens[{index}]", index, item)
            if entry is not None:
                yield entry

    def _entry(self, path: str, index: int, item: Any) -> TokenEntry | None:
        if not isinstance(item, dict):
            self._fault(path, "must be a mapping with name, sha256 and namespaces")
            return None
        before = len(self.problems)
        self._unknown_fields(path, item, _FIELDS)
        name = self._name(f"{path}.name", item.get("name"))
        digest = self._digest(path, item)
        grants = self._grants(f"{path}.namespaces", item.get("namespaces"))
        expires = self._expires(f"{path}.expires", item)
        if digest and (first := self._seen.setdefault(digest, index)) != index:
            self._fault(path, f"is the same token as tokens[{first}]")
        if len(self.problems) > before:
            return None
        return TokenEntry(Identity(name, grants), digest, expires, in_clear="token" in item)

    def _unknown_fields(self, path: str, item: dict[str, Any], known: tuple[str, ...]) -> None:
        for key in item:
            if key not in known:
                self._fault(
                    f"{path}.{key}" if path else key, "is no field here", hint=did_you_mean(key, known), key=key
                )

    def _name(self, path: str, name: Any) -> str:
        if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            self._fault(path, f"must be text of 1 to {_LONGEST_NAME} characters: what to call whoever has the token")
            return ""
        return str(name)

    def _digest(self, path: str, item: dict[str, Any]) -> bytes:
        if ("sha256" in item) == ("token" in item):
            both = "not both" if "token" in item else "made by: katib store token"
            self._fault(path, f"must have sha256 (the token's digest) or token, {both}")
            return b""
        if "sha256" in item:
            text = item["sha256"]
            if isinstance(text, str) and _SHA256.fullmatch(text):
                return bytes.fromhex(text)
            self._fault(f"{path}.sha256", "must be 64 hexadecimal digits; in quotes if all of them are decimal")
            return b""
        token = item["token"]
        if isinstance(token, str) and len(token) >= SHORTEST_TOKEN and is_token(token):
            return digest_of(token)
        self._fault(
            f"{path}.token",
            f"must be text of at least {SHORTEST_TOKEN} letters, digits and any of - . _ ~ + /; in quotes if it looks like a number",
        )
        return b""

    def _grants(self, path: str, namespaces: Any) -> dict[str, Role]:
        if not isinstance(namespaces, dict) or not namespaces:
            self._fault(path, 'must say which role in which namespace, such as {team-a: write, "*": read}')
            return {}
        grants: dict[str, Role] = {}
        for namespace, written in namespaces.items():
            place = f"{path}.{namespace}"
            if namespace != EVERYWHERE and not is_namespace(namespace):
                self._fault(
                    place,
                    'is no name of a namespace: small letters, digits and -, at most 63, or "*" for all',
                    key=namespace,
                )
            role = parse_grant_role(written)
            if role is None:
                short = written if isinstance(written, str) and len(written) <= _LONGEST_SHOWN else None
                hint = did_you_mean(short or "", ["read", "write", "admin"])
                self._fault(place, "must be read, write or admin", short, hint, key=namespace)
            else:
                grants[str(namespace)] = role
        least = grants.get(EVERYWHERE)
        for namespace, role in grants.items():
            if least is not None and role < least:
                message = f'is less than "*" gives everywhere ({least.name.lower()}); rights add up'
                self._fault(f"{path}.{namespace}", message, key=namespace)
        return grants

    def _expires(self, path: str, item: dict[str, Any]) -> datetime | None:
        if "expires" not in item:
            return None
        expires = parse_moment(item["expires"])
        if expires is None:
            self._fault(path, "must be a time with its zone, such as 2027-01-01T00:00:00Z")
        return expires

    def _fault(self, path: str, message: str, value: object = None, hint: str = "", key: str = "") -> None:
        """Note a fault; a long key, with which the path ends, is left out: it may be a secret that slipped there."""
        line = self._document.line_of(path)
        shown = f"{path[: -len(key)]}…" if len(key) > _LONGEST_SHOWN else path
        self.problems.append(Problem(shown, message, value, hint, line))
