"""The project's images, from ``deploy/images``, with whatever builds images on this machine.

Everything the Containerfiles copy is prepared here, outside the tree: wheels of the libraries (once for a list of them), our own wheel, the
launcher. So the builds need no network. Without a registry the base images are made from Debian's packages.

Environment: KATIB_IMAGE_PREFIX and KATIB_IMAGE_TAG name the images, KATIB_IMAGE_BUILDER is buildah, podman or docker, KATIB_IMAGE_BASE
is the base image (with Python, and pip in ``python3 -m venv``).
"""

import filecmp
import hashlib
import importlib.util
import io
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from singlenode import archive as archives
from singlenode import checks, node
from singlenode.layout import Layout
from singlenode.programs import alone
from singlenode.trouble import NoMeans, Trouble

PROJECT = Path(__file__).resolve().parents[3]
NAMES = ("katib", "collector", "trial")
_RECIPES = PROJECT / "deploy" / "images"
_EXTRAS = ("server", "kubernetes", "artifacts")

_SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""Debian's release with each Python: wheels fit one."""
_BUILD_PACKAGES = "python3,python3-venv,ca-certificates"
_RUN_PACKAGES = "python3-minimal,libpython3-stdlib,libstdc++6,base-files,tzdata,netbase,media-types"
_NOT_NEEDED = (
    *("usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/perl5/", "usr/share/lintian/"),
    *("usr/share/dpkg/", "usr/share/bug/", "usr/share/debconf/", "usr/share/bash-completion/", "usr/share/polkit-1/"),
    *("usr/share/zoneinfo/right/", "usr/share/zoneinfo/posix/", "usr/share/common-licenses/", "usr/share/pixmaps/"),
    *("usr/bin/dpkg", "usr/bin/debconf", "usr/bin/mawk", "usr/bin/update-alternatives", "usr/bin/perl", "usr/sbin/"),
    *("usr/lib/x86_64-linux-gnu/gconv/", "usr/lib/aarch64-linux-gnu/gconv/", "usr/lib/dpkg/", "lib/systemd/"),
    *("var/lib/apt/", "var/cache/", "var/log/", "var/lib/dpkg/", "usr/share/menu/", "dev/"),
)
"""What Debian's packages bring that no Python program opens, as the starts of paths."""
_ACCOUNTS = "root:x:0:0:root:/root:/sbin/nologin\nkatib:x:65532:65532:katib:/tmp:/sbin/nologin\n"


def image_name(name: str) -> str:
    """Return the full name of one of the project's images."""
    prefix = os.environ.get("KATIB_IMAGE_PREFIX") or "katib.test"
    tag = os.environ.get("KATIB_IMAGE_TAG") or "dev"
    return f"{prefix}/{name if name == 'katib' else f'katib-{name}'}:{tag}"


def _run(words: Sequence[str | Path], *, what: str, **more: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **more)
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise Trouble(f"{what} failed ({words[0]}):\n{end}")
    return done.stdout


@dataclass(frozen=True)
class Builder:
    """A program that builds images from Containerfiles."""

    words: tuple[str, ...]

    @property
    def program(self) -> str:
        return self.words[0]

    def ask(self, *words: str | Path, what: str) -> str:
        environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "DOCKER_BUILDKIT": "1"}
        return _run([*self.words, *words], what=what, env=environment)

    def identity(self, name: str) -> str:
        """Return the identity of an image; empty when there is none."""
        words = ["inspect", "--type", "image"]
        words += ["--format", "{{.FromImageID}}" if self.program == "buildah" else "{{.Id}}", name]
        try:
            return self.ask(*words, what="looking for an image").strip()
        except Trouble:
            return ""

    def build(self, context: Path, recipe: Path, name: str, arguments: dict[str, str]) -> None:
        verb = ["bud", "--layers"] if self.program == "buildah" else ["build"]
        pairs = [word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))]
        self.ask(*verb, *pairs, "--tag", name, "--file", recipe, context, what=f"building {name}")

    def save(self, name: str, target: Path) -> None:
        target.unlink(missing_ok=True)
        if self.program == "buildah":
            self.ask("push", name, f"docker-archive:{target}:{name}", what=f"saving {name}")
        else:
            self.ask("save", "--output", target, name, what=f"saving {name}")

    def add_base(self, archive: Path, name: str) -> None:
        """Make an image of one layer from the archive of a root file system."""
        if self.program != "buildah":
            self.ask("import", archive, name, what=f"making {name}")
            return
        container = self.ask("from", "scratch", what=f"making {name}").strip()
        try:
            self.ask("add", container, archive, "/", what=f"making {name}")
            self.ask("commit", container, name, what=f"making {name}")
        finally:
            self.ask("rm", container, what=f"making {name}")


def _builder(folder: Path) -> Builder:
    asked = os.environ.get("KATIB_IMAGE_BUILDER")
    candidates = [asked] if asked else ["buildah", "podman", "docker"]
    for name in candidates:
        if checks.program(name) is None:
            continue
        if name == "buildah":
            for driver in ("overlay", "vfs"):  # a container's own root cannot hold an overlay
                words = ("buildah", "--root", str(folder / driver), "--runroot", str(folder / f"{driver}-run"))
                builder = Builder((*words, "--storage-driver", driver))
                if subprocess.run([*builder.words, "images"], capture_output=True, check=False).returncode == 0:
                    return builder
        elif subprocess.run([name, "info"], capture_output=True, check=False, timeout=30).returncode == 0:
            return Builder((name,))
    if asked:
        raise NoMeans(f"KATIB_IMAGE_BUILDER={asked} is not there or does not work on this machine")
    if checks.can_install() and checks.program("buildah") is None:
        checks.install(["buildah", "mmdebstrap"])
        return _builder(folder)
    raise NoMeans("Images need buildah, podman or docker; none of them works here (apt-get install buildah)")


def _slim(archive: Path) -> None:
    """Take out of a root file system what a program in Python does not open, and name the user that ours run as."""
    slim = archive.with_suffix(".slim")
    with tarfile.open(archive) as old, tarfile.open(slim, "w", format=tarfile.GNU_FORMAT) as new:
        for member in old:
            path = member.name.removeprefix("./")
            if not f"{path}/".startswith(_NOT_NEEDED) and not path.startswith(_NOT_NEEDED):
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
        accounts = tarfile.TarInfo("./etc/passwd")
        accounts.size = len(_ACCOUNTS)
        new.addfile(accounts, io.BytesIO(_ACCOUNTS.encode()))
    slim.replace(archive)


def _debian_base(builder: Builder, folder: Path, kind: str, words: list[str], *, slim: bool) -> str:
    suite = _SUITES[sys.version_info[:2]]
    recipe = [suite, *words, *((*_NOT_NEEDED, _ACCOUNTS) if slim else ())]
    name = f"localhost/katib-{kind}:{hashlib.sha256(chr(0).join(recipe).encode()).hexdigest()[:10]}"
    if builder.identity(name):
        return name
    sys.stderr.write(f"making the base image {name} from Debian's packages\n")
    archive = folder / f"{kind}.tar"
    _run(["mmdebstrap", "--quiet", *words, suite, archive], what=f"making {name}")
    if slim:
        _slim(archive)
    builder.add_base(archive, name)
    archive.unlink()
    return name


def _bases(builder: Builder, folder: Path) -> dict[str, str]:
    if asked := os.environ.get("KATIB_IMAGE_BASE"):
        return {"BASE": asked}
    version = sys.version_info[:2]
    if os.geteuid() == 0 and version in _SUITES:
        if checks.program("mmdebstrap") is None and checks.can_install() and builder.program == "buildah":
            checks.install(["mmdebstrap"])
        if checks.program("mmdebstrap"):
            words = ["--variant=extract", f"--include={_RUN_PACKAGES}"]
            run = _debian_base(builder, folder, "base", words, slim=True)
            words = ["--variant=minbase", f"--include={_BUILD_PACKAGES}"]
            return {"BASE": run, "BUILD_BASE": _debian_base(builder, folder, "build-base", words, slim=False)}
    return {"BASE": f"python:{version[0]}.{version[1]}-slim"}


def _requirements() -> list[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    for extra in _EXTRAS:
        wanted += project["optional-dependencies"][extra]
    return sorted(set(wanted))


def _pip(*words: str | Path, what: str) -> None:
    _run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words], what=what)


def _wheels(folder: Path) -> Path:
    """Have the wheels of all libraries; the folder's name says for which list."""
    wanted = _requirements()
    key = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:12]
    target = folder / f"wheels-{key}"
    if target.exists():
        return target
    sys.stderr.write("collecting the wheels of the libraries\n")
    unfinished = folder / f"unfinished-{key}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    _pip("wheel", "--wheel-dir", unfinished, *wanted, what="collecting wheels")
    unfinished.rename(target)
    for old in folder.glob("wheels-*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return target


def _pins(wheels: Path) -> dict[str, str]:
    pins = {}
    for path in sorted(wheels.glob("*.whl")):
        name, version = path.name.split("-")[:2]
        pins[re.sub(r"[-_.]+", "-", name).lower()] = f"{name}=={version}"
    return pins


def _replace(target: Path, source: Path) -> bool:
    # An equal file stays, so that the builder finds the layer in its cache.
    if target.exists() and filecmp.cmp(source, target, shallow=False):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(source.stat().st_mode & 0o777)
    return True


def _write(target: Path, text: str, mode: int = 0o644) -> None:
    if not target.exists() or target.read_text() != text:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    target.chmod(mode)


_COLLECTOR_PARTS = (
    *("katib/__init__.py", "katib/errors.py", "katib/metrics/", "katib/api/", "katib/space/"),
    *("katib/runners/__init__.py", "katib/runners/checkpoint_folder.py", "katib/runners/checkpoints.py"),
)


def _add_application(app: Path, scratch: Path, parts: tuple[str, ...]) -> None:
    """Put our code into a folder as an installation would, compiled; only what changed is written."""
    words: list[str | Path] = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", scratch, PROJECT]
    try:
        _pip(*words, what="building our wheel")
    except Trouble:
        words.remove("--no-build-isolation")  # its tools are not installed here
        _pip(*words, what="building our wheel")
    unpacked = scratch / "app"
    with zipfile.ZipFile(next(scratch.glob("katib-*.whl"))) as wheel:
        for name in wheel.namelist():
            if name.startswith(parts):
                wheel.extract(name, unpacked)
    wanted = {path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()}
    for path in [each for each in app.rglob("*") if each.is_file()]:
        source = path.parent.parent / f"{path.name.split('.')[0]}.py" if path.suffix == ".pyc" else path
        if source.relative_to(app) not in wanted and path.parent != app / "bin":
            path.unlink()
    for relative in wanted:
        (unpacked / relative).chmod(0o644)
        if _replace(app / relative, unpacked / relative) and relative.suffix == ".py":
            compiled = Path(importlib.util.cache_from_source(app / relative))
            py_compile.compile(
                str(app / relative),
                cfile=str(compiled),
                dfile=f"/opt/app/{relative}",
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )


def _add_launcher(context: Path, scratch: Path) -> None:
    source = _RECIPES / "launcher" / "launcher.c"
    if checks.program("gcc") is None:
        raise NoMeans("The launcher is compiled before the image is built: apt-get install gcc libc6-dev")
    binary = scratch / "launcher"
    flags = ["-static", "-Os", "-s", "-std=c17", "-pthread", "-Wl,--build-id=none"]
    _run(["gcc", *flags, "-o", binary, source], what="compiling the launcher")
    binary.chmod(0o755)
    _replace(context / "launcher", binary)


_COMMAND = """\
#!/opt/katib/bin/python
import sys

from katib.cli.main import main

sys.exit(main())
"""


def _context(folder: Path, name: str) -> Path:
    """Return the folder that an image is built from."""
    context = folder / "context" / name
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    app = context / "app"
    if name == "katib":
        _write(app / "bin" / "katib", _COMMAND, 0o755)
        _add_application(app, scratch, ("",))
    elif name == "collector":
        _add_application(app, scratch, _COLLECTOR_PARTS)
        _add_launcher(context, scratch)
    else:
        _replace(app / "train.py", _RECIPES / "trial" / "train.py")
    return context


def _libraries(builder: Builder, folder: Path, name: str, bases: dict[str, str]) -> str:
    """Have the image of an image's libraries; its tag says which."""
    wheels = _wheels(folder)
    pins = _pins(wheels)
    own = _RECIPES / name / "requirements.txt"
    names = list(pins)
    if own.exists():
        names = [line.strip() for line in own.read_text().splitlines() if line.strip() and not line.startswith("#")]
    recipe = _RECIPES / "libraries.Containerfile"
    requirements = "".join(f"{pins[each]}\n" for each in names)
    digest = hashlib.sha256("\0".join([requirements, recipe.read_text(), json.dumps(bases), wheels.name]).encode())
    image = f"localhost/katib-libraries-{name}:{digest.hexdigest()[:10]}"
    if builder.identity(image):
        return image
    context = folder / "context" / "libraries"
    shutil.rmtree(context, ignore_errors=True)
    _write(context / "requirements.txt", requirements)
    for path in wheels.glob("*.whl"):
        if path.name.startswith(tuple(f"{pins[each].replace('==', '-')}-" for each in names)):
            _replace(context / "wheels" / path.name, path)
    sys.stderr.write(f"making the image of libraries of {name}\n")
    builder.build(context, recipe, image, bases)
    shutil.rmtree(context)
    return image


def build(layout: Layout, names: Iterable[str] = ()) -> dict[str, Path]:
    """Build images; return their archives by their full names."""
    chosen = list(names) or list(NAMES)
    if unknown := [name for name in chosen if name not in NAMES]:
        raise Trouble(f"there is no image {unknown[0]!r}: {', '.join(NAMES)}")
    folder = layout.cache / "images"
    folder.mkdir(parents=True, exist_ok=True)
    built = {}
    with alone(folder / "lock", "build of images"):
        builder = _builder(folder)
        bases = _bases(builder, folder)
        for name in chosen:
            started = time.monotonic()
            full = image_name(name)
            libraries = _libraries(builder, folder, name, bases)
            context = _context(folder, name)
            builder.build(context, _RECIPES / name / "Containerfile", full, {"LIBRARIES": libraries})
            archive = folder / f"{name}.tar"
            record = folder / f"{name}.json"
            identity = {"image": full, "id": builder.identity(full)}
            if not archive.exists() or not record.exists() or json.loads(record.read_text()) != identity:
                record.unlink(missing_ok=True)
                builder.save(full, archive)
                record.write_text(json.dumps(identity))
            built[full] = archive
            size = archive.stat().st_size / 1e6
            sys.stdout.write(f"{full:40} {size:7.1f} MB  {time.monotonic() - started:5.1f} s\n")
            sys.stdout.flush()
    return built


def build_of_packages(
    layout: Layout, recipe: Path, name: str, *, packages: Sequence[str], without: Sequence[str] = ()
) -> Path:
    """Have a test's own image, of Debian's packages and a folder with a Containerfile (``BASE`` has the packages); return its archive.

    Args:
        layout: Whose cache keeps it.
        recipe: The folder.
        name: Of the image; what is under it is taken for it.
        packages: Extracted, not configured.
        without: The starts of paths that are left out.
    """
    folder = layout.cache / "images"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{recipe.name}.tar"
    record = archive.with_suffix(".json")
    with alone(folder / "lock", "build of images"):
        if archive.exists() and record.exists() and json.loads(record.read_text())["image"] == name:
            return archive
        builder = _builder(folder)
        if checks.program("mmdebstrap") is None or sys.version_info[:2] not in _SUITES:
            raise NoMeans("An image of Debian's packages is made with mmdebstrap: apt-get install mmdebstrap")
        sys.stderr.write(f"making {name} from Debian's packages\n")
        base = f"localhost/katib-{recipe.name}-base:{name.rpartition(':')[2]}"
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            root = Path(scratch, "root.tar")
            left_out = [f"--dpkgopt=path-exclude=/{each}*" for each in without]
            words = ["--quiet", "--variant=extract", f"--include={','.join(packages)}", *left_out]
            _run(["mmdebstrap", *words, _SUITES[sys.version_info[:2]], root], what=f"making {name}")
            builder.add_base(root, base)
        builder.build(recipe, recipe / "Containerfile", name, {"BASE": base})
        record.unlink(missing_ok=True)
        builder.save(name, archive)
        record.write_text(json.dumps({"image": name, "id": builder.identity(name)}))
    return archive


def _import(layout: Layout, archive: Path, name: str, *, folder: Path) -> None:
    """Give an image to the node, without the layers that it has."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        small = Path(scratch, "image.tar")
        archives.without_layers(archive, small, name=name, known=node.contents(layout))
        node.import_images(layout, [small])


def give(layout: Layout, built: dict[str, Path]) -> None:
    """Give images to the cluster's node, except those that it has as they are."""
    with alone(layout.lock, "command for this cluster"):
        if not node.answers(layout):
            raise Trouble("there is no node to give images to: `cluster up` first")
        record = layout.folder / "imported.json"
        known = json.loads(record.read_text()) if record.exists() else {}
        there = node.images(layout)
        for full, archive in built.items():
            identity = json.loads(archive.with_suffix(".json").read_text())["id"]
            if full in there and known.get(full) == [identity, there[full]]:
                continue
            started = time.monotonic()
            _import(layout, archive, full, folder=archive.parent)
            known[full] = [identity, node.images(layout)[full]]
            new = record.with_suffix(".new")
            new.write_text(json.dumps(known, indent=1))
            new.replace(record)
            sys.stderr.write(f"imported {full} in {time.monotonic() - started:.1f} s\n")
