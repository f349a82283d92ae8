"""Image archives without any daemon: one from a folder, and one without the layers that its reader has."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Container, Sequence
from pathlib import Path

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def write(root: Path, target: Path, *, name: str, entrypoint: Sequence[str]) -> None:
    """Write the archive of an image whose only layer is the folder."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(root, arcname=".", filter=_as_root)
    content = layer.getvalue()
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(os.uname().machine, os.uname().machine),
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]},
            "config": {"Entrypoint": list(entrypoint), "WorkingDir": "/"},
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(target, "w") as out:
        for member, data in ((config_name, config), ("layer.tar", content), ("manifest.json", manifest)):
            information = tarfile.TarInfo(member)
            information.size = len(data)
            out.addfile(information, io.BytesIO(data))


def without_layers(source: Path, target: Path, *, name: str, known: Container[str]) -> None:
    """Write what ``docker save`` wrote as an OCI archive, less the layers that its reader knows by their digests.

    A change of our own code is then megabytes to read, not the half a gigabyte of all libraries.
    """
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:

        def content(member: str) -> bytes:
            file = old.extractfile(member)
            assert file is not None
            return file.read()

        def add(path: str, data: bytes) -> None:
            information = tarfile.TarInfo(path)
            information.size = len(data)
            new.addfile(information, io.BytesIO(data))

        def add_blob(data: bytes, kind: str) -> dict[str, object]:
            digest = hashlib.sha256(data).hexdigest()
            add(f"blobs/sha256/{digest}", data)
            return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

        entry = json.loads(content("manifest.json"))[0]
        config = content(entry["Config"])
        layers: list[dict[str, object]] = []
        for member, digest in zip(entry["Layers"], json.loads(config)["rootfs"]["diff_ids"], strict=True):
            information = old.getmember(member)
            while information.issym() or information.islnk():  # equal layers are written once
                link = Path(information.linkname)
                information = old.getmember(str(link if information.islnk() else _resolved(Path(member).parent / link)))
            layers.append({"mediaType": _LAYER, "digest": digest, "size": information.size})
            if digest not in known:
                path = tarfile.TarInfo(f"blobs/sha256/{digest.partition(':')[2]}")
                path.size = information.size
                new.addfile(path, old.extractfile(information))
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": add_blob(config, _CONFIG), "layers": layers}
        described = add_blob(json.dumps(manifest).encode(), _MANIFEST)
        described["annotations"] = {"io.containerd.image.name": name}
        index = {"schemaVersion": 2, "manifests": [described]}
        add("index.json", json.dumps(index).encode())
        add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')


def _resolved(path: Path) -> Path:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)
