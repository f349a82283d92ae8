"""Someone who was recognised, and what they may do where. Knows no tokens."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from katib.errors import Denied

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EVERYWHERE", "Identity", "Role", "is_namespace"]

EVERYWHERE: Final = "*"
"""Stands for every namespace, those included that are still to come."""
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST_SHOWN: Final = 100


class Role(enum.IntEnum):
    """What may be done in a namespace; each role may do what those below it may.

    Example::

        Role["WRITE"] > Role.READ
    """

    READ = 1
    """Look."""
    WRITE = 2
    """Make and change: run experiments, report metrics, write artifacts."""
    ADMIN = 3
    """Also delete what is kept."""


_DONE: Final = {Role.READ: "read", Role.WRITE: "write", Role.ADMIN: "administer"}


def is_namespace(text: str) -> bool:
    """Return whether something can be the name of a namespace."""
    return _NAMESPACE.fullmatch(text) is not None


@dataclass(frozen=True)
class Identity:
    """Who a caller is, and their rights. Rights add up: those of a namespace, and those everywhere.

    Attributes:
        name: What to call them in a log; nothing that opens a door.
        grants: The role in each namespace; ``"*"`` is every one.

    Example::

        ci = Identity("ci", {"team-a": Role.WRITE, "*": Role.READ})
        ci.require("team-b", Role.WRITE)  # raises Denied
    """

    name: str
    grants: Mapping[str, Role] = field(hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grants", MappingProxyType(dict(self.grants)))

    def may(self, namespace: str, role: Role) -> bool:
        """Return whether they have a role in a namespace; for ``"*"``, in every one."""
        return any(self.grants.get(place, 0) >= role for place in (namespace, EVERYWHERE))

    @property
    def only_trial(self) -> str | None:
        """The trial whose metrics they may report, and do nothing else; None for everybody who is no trial."""
        return None

    def may_report(self, namespace: str, trial: str) -> bool:  # noqa: ARG002 - for those who may for one trial only
        """Return whether they may report metrics of a trial."""
        return self.may(namespace, Role.WRITE)

    def require(self, namespace: str, role: Role) -> None:
        """Return only if they have a role in a namespace.

        Raises:
            Denied: They have not; the message names who, what and where.
            StoreUnavailable: It cannot be found out now.
        """
        if not self.may(namespace, role):
            where = "every namespace" if namespace == EVERYWHERE else f"namespace {_shown(namespace)}"
            raise Denied(f"{_shown(self.name)} may not {_DONE[role]} in {where}")

    def require_report(self, namespace: str, trial: str) -> None:
        """Return only if they may report metrics of a trial.

        Raises:
            Denied: They may not.
            StoreUnavailable: It cannot be found out now.
        """
        if not self.may_report(namespace, trial):
            raise Denied(
                f"{_shown(self.name)} may not report of trial {_shown(trial)} in namespace {_shown(namespace)}"
            )

    @property
    def default_namespace(self) -> str | None:
        """The namespace that is meant where a call names none: the only one they may see, else None."""
        found = self.namespaces()
        return next(iter(found)) if found is not None and len(found) == 1 else None

    def namespaces(self) -> frozenset[str] | None:
        """Return the namespaces they may see; None where those cannot be listed, and ``may`` has to be asked of each."""
        seen = frozenset(place for place, role in self.grants.items() if role >= Role.READ)
        return None if EVERYWHERE in seen else seen


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…")
