"""What a client asks of the server itself: what it can do, and which workspaces it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.access import Role
from katib.access.identity import is_namespace
from katib.errors import Denied
from katib.rest.answers import answer
from katib.rest.mlflow.failures import does_not_exist

if TYPE_CHECKING:
    from starlette.responses import Response

    from katib.rest.operations import Call

__all__ = ["health", "server_info", "workspace", "workspaces"]


async def health(_: Call) -> Response:
    """Say that the server lives."""
    return answer("OK")


async def server_info(_: Call) -> Response:
    """Return what the server can do; also to callers without a token."""
    return answer(
        {
            "store_type": "SqlStore",
            "workspaces_enabled": True,
            "trace_archival_enabled": False,
            # A file is streamed whatever its size. Parts work for who asks for them.
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
            "presigned_upload_run_id_supported": False,
            "presigned_upload_model_id_supported": False,
            "features_enabled": {"gateway": False},
        }
    )


async def workspaces(call: Call) -> Response:
    """Return the namespaces that the caller may see; where those cannot be listed, the one the call is about."""
    found = call.identity.namespaces()
    return answer({"workspaces": [{"name": name} for name in sorted({call.namespace} if found is None else found)]})


async def workspace(call: Call) -> Response:
    """Return a namespace; every name is one, to whom may look there."""
    name = call.path["name"]
    if not is_namespace(name):
        raise does_not_exist(f"{name[:80]!r} cannot be the name of a workspace")
    if not await call.may(Role.READ, name):
        raise Denied(f"{call.identity.name!r} may not read in namespace {name!r}")
    return answer({"workspace": {"name": name}})
