"""Who may do what: from the token that came with a call to an identity, and from an identity to what it may do in a namespace.

Every server asks the same three things: ``bearer.token_of(headers)`` finds the token, an ``Authenticator`` says whose it is, and
``identity.require(namespace, Role.WRITE)`` lets the call pass or refuses it. What cannot be found out is neither allowed nor refused:
it is an error that says so, and the caller may ask again.
"""

from __future__ import annotations

from katib.access.authenticator import AccessOptions, Authenticator, Everyone, FirstOf, authenticator_for
from katib.access.bearer import token_of
from katib.access.identity import EVERYWHERE, Identity, Role

__all__ = [
    "EVERYWHERE",
    "AccessOptions",
    "Authenticator",
    "Everyone",
    "FirstOf",
    "Identity",
    "Role",
    "authenticator_for",
    "token_of",
]
