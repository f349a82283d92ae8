"""What a caller needs to be allowed an operation; apart from the operations, so that who recognises callers knows nothing of these."""

from __future__ import annotations

import enum

from katib.access import Role

__all__ = ["Access"]


class Access(enum.Enum):
    """Who may call an operation."""

    ANYBODY = None
    """Also who has no token; such an operation says nothing of what is stored."""
    MAYBE_KNOWN = "maybe known"
    """As ``KNOWN``, and also who has no token or none that counts, who has no rights then."""
    KNOWN = "known"
    """Who is recognised; the operation finds out itself which namespace is meant, and asks ``may`` before anything else."""
    READ = Role.READ
    WRITE = Role.WRITE
    ADMIN = Role.ADMIN
