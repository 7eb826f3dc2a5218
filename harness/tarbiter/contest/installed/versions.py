"""Which versions of a contestant its package index lists, asked of the index's own client.

npm, pip, go and mvn are asked for the list; cargo has no such question, but keeps what the index says of a crate
when it resolves a package that depends on it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from .building import PACKAGES, BuildError
from .cache import DRIVERS
from .table import Build, Contestant

RELEASE = re.compile(r"\d+(?:\.\d+)*(?:\.Final|\.RELEASE|-ga)?")
"""What a release is called; everything else is a preview of one."""

TOOLCHAIN = "golang.org/toolchain"
"""The module whose versions are those of Go itself (https://go.dev/doc/toolchain, "Module toolchain")."""


def ordered(version: str) -> tuple[int, ...]:
    """The numbers of a version, by which releases are ordered."""
    return tuple(map(int, re.findall(r"\d+", version)))


def releases(versions: Iterable[str]) -> tuple[str, ...]:
    """The releases among `versions`, each once, the oldest first by its numbers."""
    return tuple(sorted({one for one in versions if RELEASE.fullmatch(one)}, key=ordered))


def listed(one: Contestant) -> tuple[str, ...]:
    """The releases of a contestant's package that its index lists, the oldest first. Raises BuildError."""
    build = one.table.build
    if build is None:
        raise BuildError(one.name, "comes from no package index, so nobody lists its versions")
    ask: Mapping[str, Callable[[str, Build], Iterable[str]]] = {
        "npm": _npm,
        "pip": _pip,
        "cargo": _cargo,
        "go": _go,
        "maven": _maven,
    }
    found = releases(ask[build.tool](one.name, build))
    if not found:
        raise BuildError(one.name, f"{build.tool} lists no release of {build.package or 'it'}")
    return found


def _asked(name: str, *argv: str, cwd: str | None = None) -> str:
    program = shutil.which(argv[0])
    if program is None:
        raise BuildError(
            name, f"needs {argv[0]}, which is not on PATH: apt install {PACKAGES.get(argv[0], argv[0])}"
        )
    done = subprocess.run(  # noqa: S603  # package clients, with the arguments of a table
        [program, *argv[1:]], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()
        raise BuildError(name, f"{' '.join(argv[:3])} ended with {done.returncode}: {said[-1] if said else ''}")
    return done.stdout.decode("utf-8", "replace")


def _package_of(build: Build) -> str:
    """The package's name in its index, where a manifest has another name for it than the table."""
    for file in build.files:
        if file.endswith("package.json"):
            wanted = json.loads((DRIVERS / file).read_bytes())["dependencies"].get(build.package, "")
            if wanted.startswith("npm:"):
                return str(wanted.removeprefix("npm:").rpartition("@")[0])
    return build.package


def _npm(name: str, build: Build) -> Iterable[str]:
    said = json.loads(_asked(name, "npm", "view", _package_of(build), "versions", "--json"))
    return [said] if isinstance(said, str) else said


def _pip(name: str, build: Build) -> Iterable[str]:
    pip = (sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check")
    said = _asked(name, *pip, build.package)
    match = re.search(r"Available versions: (.*)", said)
    return match[1].split(", ") if match else ()


def _go(name: str, build: Build) -> Iterable[str]:
    with tempfile.TemporaryDirectory() as folder:  # away from any go.mod, whose replacements would count
        said = _asked(name, "go", "list", "-m", "-versions", build.package or TOOLCHAIN, cwd=folder)
    words = said.split()[1:]
    if build.package:
        return [word.removeprefix("v") for word in words]
    matches = (re.fullmatch(r"v0\.0\.1-go(.*)\.[a-z0-9]+-[a-z0-9]+", word) for word in words)
    return [match[1] for match in matches if match]


def _cargo(name: str, build: Build) -> Iterable[str]:
    with tempfile.TemporaryDirectory() as folder:
        manifest = '[package]\nname = "asks"\nversion = "1.0.0"\n[lib]\npath = "asks.rs"\n[dependencies]\n'
        manifest += f'{build.package} = "*"\n'
        (Path(folder) / "Cargo.toml").write_text(manifest, encoding="utf-8")
        (Path(folder) / "asks.rs").touch()
        _asked(name, "cargo", "generate-lockfile", cwd=folder)
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    newest = sorted(
        home.glob(f"registry/index/*/.cache/{_shelf(build.package)}/{build.package}"),
        key=lambda path: path.stat().st_mtime,
    )
    if not newest:
        raise BuildError(name, f"cargo keeps no index of {build.package} under {home}/registry/index")
    # A header, and then for each version its number and a line of JSON, each with a NUL behind it.
    rows = [json.loads(piece) for piece in newest[-1].read_bytes().split(b"\0") if piece.startswith(b"{")]
    return [row["vers"] for row in rows if not row.get("yanked")]


def _shelf(crate: str) -> str:
    """The folder of a crate in an index (the Cargo book, "Index Files")."""
    return (
        str(len(crate)) if len(crate) < 3 else f"3/{crate[0]}" if len(crate) == 3 else f"{crate[:2]}/{crate[2:4]}"
    )


def _maven(name: str, build: Build) -> Iterable[str]:
    group = ""
    for file in build.files:
        if file.endswith("pom.xml"):
            text = (DRIVERS / file).read_text(encoding="utf-8")
            match = re.search(rf"<groupId>([^<]+)</groupId>\s*<artifactId>{re.escape(build.package)}<", text)
            group = match[1] if match else group
    if not group:
        raise BuildError(name, f"its pom.xml names no group of {build.package}")
    with tempfile.TemporaryDirectory() as folder:
        # Asking for the newest makes it fetch the list. It is kept where its repository of packages is.
        where = f"-Dmaven.repo.local={folder}"
        goal = "org.apache.maven.plugins:maven-dependency-plugin:get"
        artifact = f"-Dartifact={group}:{build.package}:LATEST:pom"
        _asked(name, "mvn", "-B", "-q", where, goal, artifact, "-Dtransitive=false", cwd=folder)
        found = sorted(Path(folder, *group.split("."), build.package).glob("maven-metadata-*.xml"))
        return [one for path in found for one in re.findall(r"<version>([^<]+)<", path.read_text(encoding="utf-8"))]
