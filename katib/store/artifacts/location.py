"""From a URL to the place it names; what a URL holds of secrets ends here."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from katib.errors import InvalidInput, Unsupported
from katib.store.artifacts.local_folder import LocalFolder
from katib.store.artifacts.paths import folder_path

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from katib.store.artifacts.backend import Backend

__all__ = ["backend_at"]

_FORMS: Final = "a path, file:///path, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
_SCHEMES: Final = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "azure": "az",
    "abfs": "az",
    "abfss": "az",
}
_INSECURE: Final = "insecure_http"
_RETRIES: Final = 4


@dataclass(frozen=True, slots=True)
class _Bucket:
    scheme: str
    name: str
    prefix: str
    options: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.scheme}://{self.name}" + (f"/{self.prefix}" if self.prefix else "")


def backend_at(url_or_path: str | Path, *, patience: float) -> Backend:
    """Return the place that a URL names.

    Raises:
        InvalidInput: It cannot be read, or has an option that the place does not know.
        Unsupported: It names another kind of place, or the extra ``artifacts`` is not installed.
        StoreUnavailable, Denied: A folder cannot be made.
    """
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        return LocalFolder(Path(url_or_path).expanduser().absolute())
    try:
        url = urlsplit(url_or_path)
        name = url.hostname if url.port is None else None
    except ValueError:
        # Not repeated here: it may hold a secret.
        raise InvalidInput(f"the URL of the artifacts cannot be read: give {_FORMS}") from None
    if url.scheme == "file":
        return _folder(url)
    scheme = _SCHEMES.get(url.scheme)
    if scheme is None:
        raise Unsupported(f"artifacts cannot be kept in {url.scheme!r}: give {_FORMS}")
    if not name or url.username is not None or url.fragment:
        raise InvalidInput(
            f"the URL of the artifacts ({url.scheme}://...) has to name a bucket and nothing else before its path: give"
            f" {_FORMS}, and keys in the environment or behind '?'"
        )
    options = parse_qsl(url.query, keep_blank_values=True)
    if len(dict(options)) < len(options):
        raise InvalidInput(f"the URL of the artifacts ({url.scheme}://{name}/...) has an option twice")
    # The bucket as it was written: urlsplit makes a host lower-case.
    bucket = _Bucket(scheme, url.netloc, folder_path(unquote(url.path).strip("/")), dict(options))
    return _storage(bucket, patience)


def _folder(url: SplitResult) -> Backend:
    if url.netloc not in {"", "localhost"} or url.query or url.fragment or not url.path.strip("/"):
        raise InvalidInput("the URL of a folder is file:///absolute/path, without a host and without options")
    path = unquote(url.path)
    if "\0" in path:
        raise InvalidInput("the URL of a folder has a NUL character")
    return LocalFolder(Path(path))


def _storage(bucket: _Bucket, patience: float) -> Backend:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import AzureStore, GCSStore, S3Store
    except ImportError:
        raise Unsupported(
            f"artifacts in {bucket.scheme}:// need the extra 'artifacts': pip install 'katib[artifacts]'"
        ) from None
    from katib.store.artifacts.object_storage import ObjectStorage

    options: dict[str, Any] = dict(bucket.options)
    client = _client(bucket, options, patience)
    retry: Any = {
        "max_retries": _RETRIES,
        "retry_timeout": timedelta(seconds=patience),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
    }
    kinds: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
    if bucket.scheme == "s3":
        options = {"copy_if_not_exists": "multipart", **options}
    try:
        store = kinds[bucket.scheme](bucket.name, config=options, client_options=client, retry_config=retry)
    except (BaseError, ValueError, TypeError, OSError):
        # Without the cause: it may hold a secret.
        names = ", ".join(sorted(bucket.options)) or "none"
        raise InvalidInput(
            f"{bucket.place} cannot be opened with the options of its URL ({names}) and of the environment: one of them"
            f" is unknown, missing or malformed ({bucket.scheme} takes those of docs/artifacts.md)"
        ) from None
    return ObjectStorage(store, bucket.place, bucket.prefix)


def _client(bucket: _Bucket, options: dict[str, Any], patience: float) -> Any:
    """Return how requests are made: never without encryption, except to this machine or where the URL says so."""
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=min(5.0, patience)),
        # Of one silence, not of the whole: a large file on a slow line takes as long as it takes.
        "read_timeout": timedelta(seconds=patience),
        "timeout": "7 days",
    }
    insecure = options.pop(_INSECURE, "false").lower()
    if insecure not in {"true", "false"}:
        raise InvalidInput(f"{bucket.place}: {_INSECURE} is true or false")
    endpoint = options.get("endpoint", options.get("base_url", ""))
    if insecure == "true":
        client["allow_http"] = True
    elif endpoint.startswith("http://"):
        if not _is_this_machine(endpoint):
            raise InvalidInput(
                f"{bucket.place}: its endpoint is reached without encryption, and keys and files could be read on the"
                f" way: use https://, or add {_INSECURE}=true if that is meant"
            )
        client["allow_http"] = True
    return client


def _is_this_machine(endpoint: str) -> bool:
    try:
        host = urlsplit(endpoint).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
